"""What a block is made of, beside the default: losses and stability by learning rate, over seeds.

    python benchmarks/blocks.py [--blocks default qk_norm=true norm=layernorm …] [--lr 1e-3 4e-3 1.6e-2] [--seeds 3]
                                [--flavor 20m] [--steps 100] [--rows 8] [--json FILE]

trains each on the Python standard library, 2 % of its documents held out, one run after the other, blocks and seeds in
turn, and prints for each block and learning rate the validation loss at the end (mean and standard deviation over the
seeds; weights and data differ), the largest gradient norm after the warm-up, and how many runs ended before their time
because a gradient was not finite. A block is keys of [model], with commas between them.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parent.parent
WARMUP = 0.1


def run(block: str, lr: float, seed: int, options: argparse.Namespace, folder: Path) -> dict[str, Any] | None:
    """Trains; returns the last validation loss and the largest gradient norm, or None of a run that stopped."""
    words = {
        "dump_folder": folder, "model.flavor": options.flavor, "training.steps": options.steps,
        "training.global_batch_size": options.rows, "training.local_batch_size": options.rows,
        "optimizer.lr": lr, "lr_scheduler.warmup_ratio": WARMUP, "debug.seed": seed, "dataloader.seed": seed,
        "validation.share": 0.02, "validation.by": "document", "validation.interval": options.steps,
        "validation.tokens": "20K", "checkpoint.enable": "false", "metrics.log_freq": 1,
        "metrics.enable_tensorboard": "false",
    }  # fmt: skip
    if block != "default":
        words |= {f"model.{key}": value for key, value in (pair.split("=") for pair in block.split(","))}
    command = [str(REPOSITORY / "run_train.sh"), "--config", str(REPOSITORY / "train_configs" / "debug.toml")]
    for key, value in words.items():
        command += [f"--{key}", str(value)]
    done = subprocess.run(command, env=os.environ | {"NGPU": "1"}, capture_output=True, text=True)
    if done.returncode:
        if "not finite" not in done.stderr + done.stdout:
            sys.exit(f"{' '.join(command)}\n{done.stderr[-2000:]}")
        return None
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    steps = [line for line in lines if "kind" not in line]
    return {
        "loss": [line for line in lines if line.get("kind") == "validation"][-1]["validation/loss"],
        "grad_norm": max(line["grad_norm"] for line in steps if line["step"] > WARMUP * options.steps),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--blocks", nargs="*", default=["default", "qk_norm=true"])
    parser.add_argument("--lr", type=float, nargs="*", default=[1e-3, 4e-3, 1.6e-2])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--flavor", default="20m")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--rows", type=int, default=8, help="of 256 tokens, a step")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    results: dict[str, list[dict[str, Any] | None]] = {}
    print("| block | learning rate | validation loss | largest gradient norm | not finite |")
    print("| --- | --: | --: | --: | --: |", flush=True)
    for lr in options.lr:
        for seed in range(options.seeds):
            for block in options.blocks:
                with tempfile.TemporaryDirectory() as folder:
                    result = run(block, lr, seed, options, Path(folder) / "run")
                results.setdefault(f"{block}, {lr:g}", []).append(result)
                print(f"{block}, {lr:g}, seed {seed}: {result}", file=sys.stderr, flush=True)
        for block in options.blocks:
            done = [result for result in results[f"{block}, {lr:g}"] if result is not None]
            losses = [result["loss"] for result in done]
            spread = statistics.stdev(losses) if len(losses) > 1 else float("nan")
            mean = statistics.mean(losses) if losses else float("nan")
            largest = max((result["grad_norm"] for result in done), default=float("nan"))
            print(
                f"| {block} | {lr:g} | {mean:.3f} ± {spread:.3f} | {largest:.1f} | {options.seeds - len(done)} |",
                flush=True,
            )
    if options.json:
        options.json.write_text(json.dumps({"options": vars(options) | {"json": None}, "results": results}, indent=1))


if __name__ == "__main__":
    main()
