"""Exports during a training run: `codetitan export` in processes of its own, one after the other, on the CPU."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from codetitan import stop


def linked(checkpoint: Path, links: Path) -> None:
    """Makes a folder of links to a checkpoint's files: the trainer may delete the checkpoint before its turn has come.

    Raises:
        OSError: it is not there, or the disk does not let us.
    """
    shutil.rmtree(links, ignore_errors=True)
    links.mkdir(parents=True)
    for file in checkpoint.iterdir():
        os.link(file, links / file.name)


class Exports:
    """Exports checkpoints while the training goes on. One that fails is said, and the training is not stopped by it.

    Args:
        folder: gets step-N for each.
        dtype: of the tensors.
        say: called with a line for each export that succeeded.
        warn: called with a line for each that failed.
    """

    def __init__(self, folder: Path, dtype: str, say: Callable[[str], None], warn: Callable[[str], None]) -> None:
        self._folder, self._dtype, self._say, self._warn = folder, dtype, say, warn
        self._one_by_one = ThreadPoolExecutor(1, "export")

    def start(self, checkpoint: Path, saving: "Future[object] | None") -> None:
        """Exports a checkpoint as soon as it is saved, in place of an earlier export of its step.

        Args:
            checkpoint: its folder.
            saving: of a checkpoint that is being saved in the background; where it fails, the trainer says so.
        """
        if saving is None:
            self._queue(checkpoint)
        else:
            saving.add_done_callback(lambda done: None if done.exception() else self._queue(checkpoint))

    def _queue(self, checkpoint: Path) -> None:
        links = self._folder / f".{checkpoint.name}.checkpoint"
        try:
            linked(checkpoint, links)
        except OSError as error:
            self._warn(f"{checkpoint} was not exported: {error.strerror}")
        else:
            self._one_by_one.submit(self._export, checkpoint, links)

    def _export(self, checkpoint: Path, links: Path) -> None:
        output, start = self._folder / checkpoint.name, time.perf_counter()
        shutil.rmtree(output, ignore_errors=True)
        command = [
            *(sys.executable, "-m", "codetitan.cli", "export", "--checkpoint", str(links)),
            *("--output", str(output), "--dtype", self._dtype),
        ]
        environment = os.environ | {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1", stop.PARENT: str(os.getpid())}
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode:
            why = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
            self._warn(f"{checkpoint} was not exported: {why.removeprefix('codetitan: error: ')}")
        else:
            self._say(f"exported {output} in {time.perf_counter() - start:.1f} s")
        shutil.rmtree(links, ignore_errors=True)

    def close(self) -> None:
        """Waits for what is under way."""
        self._one_by_one.shutdown(wait=True)
