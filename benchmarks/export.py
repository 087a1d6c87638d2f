"""Memory and time of `codetitan export`, by the size of a safetensors file, beside the model's own size.

    python benchmarks/export.py --flavor 1_3b --max-shard-gb 0.25 1 5

Writes a checkpoint of random fp32 weights (and, as a real one has, the optimizer's two moments) to a temporary folder,
and exports it with the command itself, in a process of its own for each row.
"""

import argparse
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from torch.distributed.checkpoint.state_dict_saver import save

from codetitan.models.code.flavors import FLAVORS
from codetitan.models.code.rope import RopeConfig
from codetitan.models.code.shape import tensors
from codetitan.tokenizer.encoding import open_encoding
from codetitan.training.description import KEY, Description


def write_checkpoint(flavor: str, folder: Path) -> None:
    """Saves random weights and moments; each tensor is a file's worth at a time."""
    shape = FLAVORS[flavor]
    description = Description(
        flavor=flavor,
        shape=shape,
        rope=RopeConfig(),
        seq_len=4096,
        tokenizer="code-32k",
        fingerprint=open_encoding("code-32k").fingerprint,
        dialect="starcoder",
    )
    state: dict[str, object] = {KEY: description.to_json()}
    for name, tensor in tensors(shape).items():
        weight = torch.rand(tensor.size)
        state |= {name: weight}
        state |= {f"optimizer.state.{name}.{moment}": weight for moment in ("exp_avg", "exp_avg_sq")}
    save(state, checkpoint_id=folder, no_dist=True)


def peak_gib(command: list[str]) -> tuple[float, float]:
    """Returns the largest resident memory of a command in GiB, and its seconds."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, command
    return usage.ru_maxrss / (1 << 20), time.perf_counter() - start


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flavor", default="1_3b", choices=list(FLAVORS))
    parser.add_argument("--max-shard-gb", nargs="+", default=["0.25", "1", "5"])
    parser.add_argument("--dtype", default="bfloat16")
    arguments = parser.parse_args()
    shape = FLAVORS[arguments.flavor]
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "checkpoint"
        # By another process: a child is charged with what its parent holds when it starts.
        writer = multiprocessing.get_context("spawn").Process(
            target=write_checkpoint, args=(arguments.flavor, checkpoint)
        )
        writer.start()
        writer.join()
        imports = [sys.executable, "-c", "import codetitan.hf.export"]
        print(f"{arguments.flavor}: {shape.n_params * 4 / (1 << 30):.2f} GiB in fp32, {arguments.dtype} out")
        print("| files of at most | peak | of it imports | time |\n| --: | --: | --: | --: |")
        for gigabytes in arguments.max_shard_gb:
            output = Path(folder) / f"output-{gigabytes}"
            command = [*(sys.executable, "-m", "codetitan.cli", "export", "--checkpoint", str(checkpoint))]
            options = ["--output", str(output), "--dtype", arguments.dtype, "--max-shard-gb", gigabytes]
            base, _ = peak_gib(imports)
            peak, seconds = peak_gib([*command, *options])
            print(f"| {gigabytes} GB | {peak:.2f} GiB | {base:.2f} GiB | {seconds:.1f} s |", flush=True)


if __name__ == "__main__":
    main()
