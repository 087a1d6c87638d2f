"""codetitan against torchtitan's own Llama-3 code: the same shape, on the same batches, in one process.

    python benchmarks/against_torchtitan.py --config train_configs/debug.toml
    torchrun --nproc-per-node 8 benchmarks/against_torchtitan.py --config train_configs/code_350m.toml

Both trainers take turns of a few steps, so that a machine whose speed drifts slows both: the figure is the median over
the rounds of the ratio within a round. The baseline is torchtitan's Trainer, Llama-3 model (complex RoPE, fused QKV,
its own initial values), AdamW container and metrics; it reads codetitan's loader. On a CPU, where torchtitan can't
train, it gets the adaptations that codetitan has (attention, mask, gloo), and nothing else.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path

for name, value in {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0", "MASTER_ADDR": "localhost"}.items():
    os.environ.setdefault(name, value)
os.environ.setdefault("MASTER_PORT", "29533")

import torch
import torch.distributed as dist

from codetitan import device
from codetitan.config.resolve import resolve
from codetitan.errors import ConfigError
from codetitan.training.trainer import CodeTrainer
from throughput_points import check_llama
from torchtitan_llama3 import CPU, Contestant, baseline_config


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, default=2, help="steps a turn")
    parser.add_argument("--warm-up", type=int, default=3, help="steps before the first round")
    parser.add_argument("--output", type=Path, help="write the result as JSON")
    options, overrides = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as folder:
        own = ["--dump_folder", folder, "--checkpoint.enable", "false", "--metrics.log_freq", "1000000000"]
        try:
            resolved = resolve(options.config, [*overrides, *own], world_size=int(os.environ["WORLD_SIZE"]))
            check_llama(resolved.config.model.shape())
        except ConfigError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
        config = resolved.config
        contestants = {
            "codetitan": Contestant(config.build()),
            "torchtitan": Contestant(baseline_config(config).build()),
        }
        for contestant in contestants.values():
            contestant.steps(options.warm_up)
        seconds: dict[str, list[float]] = {name: [] for name in contestants}
        for i in range(options.rounds):
            # Who goes first alternates, so that neither always finds the caches of the other.
            for name in sorted(contestants, reverse=bool(i % 2)):
                seconds[name].append(contestants[name].steps(options.steps))
    if dist.get_rank() == 0:
        report(options, config, seconds)
    dist.destroy_process_group()
    return 0


def report(options: argparse.Namespace, config: CodeTrainer.Config, seconds: dict[str, list[float]]) -> None:
    tokens = config.training.global_batch_size * config.training.seq_len
    ratios = [b / a for a, b in zip(seconds["codetitan"], seconds["torchtitan"], strict=True)]
    quartiles = statistics.quantiles(ratios, n=4)
    name = device.cpu_name() if CPU else torch.cuda.get_device_name()
    result = {
        "flavor": config.model.flavor,
        "device": f"{dist.get_world_size()} × {name}",
        "threads": torch.get_num_threads() if CPU else None,
        "tokens_per_step": tokens,
        "seq_len": config.training.seq_len,
        "tok_per_s": {name: round(tokens / statistics.median(times)) for name, times in seconds.items()},
        "ratio": round(statistics.median(ratios), 4),
        "ratio_quartiles": [round(quartiles[0], 4), round(quartiles[2], 4)],
        "rounds": options.rounds,
        "steps_a_turn": options.steps,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d"),
        "command": " ".join(["python", *sys.argv]),
    }
    print(f"\n{config.model.flavor} on {result['device']}, {tokens:,} tokens a step, {options.rounds} rounds")
    print("| | tok/s (median) |\n| --- | --: |")
    for contestant, speed in result["tok_per_s"].items():  # type: ignore[attr-defined]
        print(f"| {contestant} | {speed:,} |")
    low, high = result["ratio_quartiles"]  # type: ignore[misc]
    print(f"\ncodetitan / torchtitan: {result['ratio']} (quartiles {low} to {high})")
    if options.output is not None:
        options.output.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
