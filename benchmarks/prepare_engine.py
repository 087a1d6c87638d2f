"""What a task costs beside its own work: our engine on one machine, and datatrove's LocalPipelineExecutor.

    python benchmarks/prepare_engine.py [WORKERS]

Each task writes one file of 1 kB. A few tasks and many are run in turn, three times; the difference of the best is what
a task costs, and what is left is the start. `synced` says how much of it is waiting for the disk, which datatrove's
tasks do not do: what they wrote may be lost with the machine's power although they are marked as completed.
"""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.base import PipelineStep
from loguru import logger

from codetitan.prepare.engine.run import execute
from codetitan.prepare.engine.state import places
from codetitan.prepare.engine.tables import Local
from codetitan.prepare.engine.task import perform

FEW, MANY, TIMES = 20, 420, 3


@dataclass
class Write:
    """One file a task."""

    tasks: int
    name: str = "write"

    def inputs(self) -> Mapping[str, Any]:
        return {}

    def run(self, task: int, folder: Path) -> Mapping[str, Any]:
        (folder / "file").write_bytes(b"x" * 1000)
        return {"n_bytes": 1000}


class WriteStep(PipelineStep):
    """The same, of datatrove's."""

    name, type = "write", "benchmark"

    def __init__(self, folder: str) -> None:
        super().__init__()
        self.folder = folder

    def run(self, data: Any = None, rank: int = 0, world_size: int = 1) -> None:
        Path(self.folder, f"{rank:05d}").write_bytes(b"x" * 1000)
        self.stat_update("n_bytes", value=1000)


def ours(folder: Path, tasks: int, workers: int) -> None:
    execute([Write(tasks)], folder / "out", Local(workers=workers), lambda _: None)


def theirs(folder: Path, tasks: int, workers: int) -> None:
    LocalPipelineExecutor(
        [WriteStep(str(folder))], tasks=tasks, workers=workers, logging_dir=str(folder / "logs"), start_method="spawn"
    ).run()


def seconds(call: Callable[[Path], object]) -> float:
    folder = Path(tempfile.mkdtemp(prefix="prepare-engine-"))
    try:
        start = time.perf_counter()
        call(folder)
        return time.perf_counter() - start
    finally:
        shutil.rmtree(folder)


def in_process(tasks: int) -> Callable[[Path], None]:
    def call(folder: Path) -> None:
        (place,) = places([Write(tasks)], folder)
        place.make()
        for task in range(tasks):
            perform(place, task)

    return call


def main(workers: int) -> None:
    logger.remove()
    devnull = os.open(os.devnull, os.O_WRONLY)
    stderr = os.dup(2)
    os.dup2(devnull, 2)  # datatrove's workers print a line a task
    best: dict[tuple[str, int], float] = {}
    for _ in range(TIMES):
        for tasks in (FEW, MANY):
            for name, way in (("codetitan", ours), ("datatrove", theirs)):
                took = seconds(lambda folder, way=way, tasks=tasks: way(folder, tasks, workers))  # type: ignore[misc]
                best[name, tasks] = min(best.get((name, tasks), took), took)
        fsync = os.fsync
        for name in ("synced", "not synced"):
            os.fsync = fsync if name == "synced" else lambda _: None
            took = seconds(in_process(MANY))
            best[name, 0] = min(best.get((name, 0), took), took)
        os.fsync = fsync
    os.dup2(stderr, 2)
    print(f"{workers} workers, {FEW} and {MANY} tasks, best of {TIMES}\n")
    print("| engine | start, s | a task, ms |\n| --- | --: | --: |")
    for name in ("codetitan", "datatrove"):
        each = (best[name, MANY] - best[name, FEW]) / (MANY - FEW)
        print(f"| {name} | {best[name, FEW] - FEW * each:.2f} | {1000 * each:.2f} |")
    print("\n| one process, the task alone | a task, ms |\n| --- | --: |")
    for name in ("synced", "not synced"):
        print(f"| {name} | {1000 * best[name, 0] / MANY:.2f} |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2)
