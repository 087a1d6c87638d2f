"""What checksums cost a checkpoint: writing it with and without, and looking at it before it is read.

    python benchmarks/checksums.py [--gib 2]

Writes a state of that size below the working directory, three times each way in turn, and prints the medians.
"""

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch.distributed.checkpoint.filesystem import FileSystemWriter
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import save

from codetitan.training import checksums


def seconds(run: Callable[[], object]) -> float:
    """How long it takes."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def main() -> None:
    """Measures, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gib", type=float, default=2.0, help="size of the state (default 2)")
    gib = parser.parse_args().gib
    state = {str(i): torch.randn(1 << 22) for i in range(round(gib * 64))}  # 16 MiB each
    folder = Path(tempfile.mkdtemp(prefix="checksums-", dir=Path.cwd()))
    times: dict[str, list[float]] = {}
    try:
        for turn in range(3):
            for name, writer in (("write", FileSystemWriter), ("write, with checksums", checksums.ChecksumWriter)):
                place = folder / f"{turn} {name}"
                run = seconds(partial(save, state, storage_writer=writer(place), checkpoint_id=place, no_dist=True))
                times.setdefault(name, []).append(run)
            times.setdefault("compare", []).append(seconds(partial(checksums.check, place)))
            times.setdefault("read", []).append(seconds(partial(load, state, checkpoint_id=place, no_dist=True)))
            for path in folder.iterdir():
                shutil.rmtree(path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"| {gib:g} GiB | s (median of 3) | GiB/s | of plain writing |\n| --- | --- | --- | --- |")
    plain = statistics.median(times["write"])
    for name, measured in times.items():
        median = statistics.median(measured)
        print(f"| {name} | {median:.2f} | {gib / median:.2f} | {median / plain:.2f} |")


if __name__ == "__main__":
    main()
