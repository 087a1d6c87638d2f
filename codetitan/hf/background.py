"""Exports during a training run: `codetitan export` in processes of its own, one after the other, on the CPU."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path


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
        self._last: Future[None] | None = None

    @property
    def busy(self) -> bool:
        """Whether a checkpoint is still needed."""
        return self._last is not None and not self._last.done()

    def start(self, checkpoint: Path, saving: "Future[object] | None") -> None:
        """Exports a checkpoint as soon as it is saved; one that has been exported before is left as it is.

        Args:
            checkpoint: its folder.
            saving: of a checkpoint that is being saved in the background.
        """
        self._last = self._one_by_one.submit(self._export, checkpoint, saving)

    def _export(self, checkpoint: Path, saving: "Future[object] | None") -> None:
        output, start = self._folder / checkpoint.name, time.perf_counter()
        if saving is not None and saving.exception() is not None:
            return  # the trainer says it
        if output.is_dir():
            return
        command = [
            *(sys.executable, "-m", "codetitan.cli", "export", "--checkpoint", str(checkpoint)),
            *("--output", str(output), "--dtype", self._dtype),
        ]
        environment = os.environ | {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode:
            why = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
            self._warn(f"{checkpoint} was not exported: {why.removeprefix('codetitan: error: ')}")
        else:
            self._say(f"exported {output} in {time.perf_counter() - start:.1f} s")

    def close(self) -> None:
        """Waits for what is under way."""
        self._one_by_one.shutdown(wait=True)
