"""Evaluations during a training run: `codetitan evaluate` in a process of its own, a nice one, one at a time.

What it finds becomes records of the metrics; its folder, dump_folder/evaluation/step-N, has every sample. Nothing here
imports `evaluate/`: the training knows its command and the form of its results.json.
"""

import contextlib
import hashlib
import json
import logging
import math
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from codetitan import stop
from codetitan.errors import one_line
from codetitan.training.exports import linked
from codetitan.training.stopping import asked as asked_to_stop

if TYPE_CHECKING:
    from codetitan.training.trainer import CodeTrainer

logger = logging.getLogger("codetitan.training.metrics")  # heard from any rank: codetitan/train.py

COMMAND = (sys.executable, "-m", "codetitan.cli", "evaluate")
NICE = 15
"""More than the training is; of what it starts, too."""

_LINKS = ".checkpoints"
_EXPORT = ".model"
"""What `codetitan evaluate` makes of a checkpoint, below its output; one that is killed leaves it."""

# Of the rank that starts it: a library may take them for a mesh that it is part of.
_OF_A_RANK = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "GROUP_RANK", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is asked of each checkpoint.

    Attributes:
        tasks: names, or NAME=PATH of those that take a file or a folder.
        limit: problems of each; None: all.
        device: "cpu", or "cuda": that of the rank that starts it.
    """

    tasks: Sequence[str]
    limit: int | None = None
    device: Literal["cpu", "cuda"] = "cpu"

    def words(self) -> list[str]:
        """Returns the options of `codetitan evaluate`."""
        data = [task for task in self.tasks if "=" in task]
        return [
            *("--tasks", ",".join(task.partition("=")[0] for task in self.tasks)),
            *(["--data", *data] if data else []),
            *(["--limit", str(self.limit)] if self.limit is not None else []),
        ]


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    """What an evaluation found.

    Attributes:
        step: of the checkpoint.
        numbers: `TASK/SCORE` → value, and `TASK/SCORE/standard_error` where it has one.
        set: 12 digits, the same where the same was asked in the same way.
        seconds: that it took.
    """

    step: int
    numbers: dict[str, float]
    set: str
    seconds: float

    @staticmethod
    def read(folder: Path, step: int, seconds: float) -> "Evaluated":
        """Reads results.json.

        Raises:
            OSError, ValueError, KeyError, TypeError: it is not there, or not what `codetitan evaluate` writes.
        """
        tasks = json.loads((folder / "results.json").read_text(encoding="utf-8"))["tasks"]
        numbers: dict[str, float] = {}
        for task, found in tasks.items():
            for name, score in found["scores"].items():
                numbers[f"{task}/{name}"] = float(score["value"])
                if score["standard_error"] is not None:
                    numbers[f"{task}/{name}/standard_error"] = float(score["standard_error"])
        asked = json.dumps({task: found["protocol"] for task, found in tasks.items()}, sort_keys=True)
        digest = hashlib.sha256(asked.encode()).hexdigest()[:12]
        return Evaluated(step=step, numbers=numbers, set=digest, seconds=round(seconds, 1))

    def line(self) -> str:
        """Returns what the console says of it."""
        shown = []
        for name, value in self.numbers.items():
            if not name.endswith("/standard_error"):
                error = self.numbers.get(f"{name}/standard_error", math.nan)
                shown.append(f"{name} {value:.4f}" + ("" if math.isnan(error) else f" ± {error:.4f}"))
        return f"{', '.join(shown)} in {self.seconds:.1f} s"


class Evaluations:
    """Evaluates checkpoints while the training goes on. One that fails is said, and the training is not stopped by it.

    One runs and one waits: where a third comes, the waiting one gives way to it, which is said. So they can't pile up,
    nor keep the disk full of checkpoints that the run has deleted.

    Args:
        folder: gets step-N for each.
        asked: of each.
        warn: called with a line for each that failed or gave way.
        command: `codetitan evaluate`.
    """

    def __init__(
        self, folder: Path, asked: Asked, warn: Callable[[str], None], command: Sequence[str] = COMMAND
    ) -> None:
        self._folder, self._asked, self._warn, self._command = folder, asked, warn, command
        self._tidy()  # after a run that was killed
        self._change = threading.Condition()
        self._waiting: Path | None = None  # links to the checkpoint whose turn it is next
        self._process: subprocess.Popen[str] | None = None
        self._closing = False
        self._killed = False
        self._done: list[Evaluated] = []
        # The kernel ends a process with the thread that started it: this one lives as long as there are some.
        self._thread = threading.Thread(target=self._work, name="evaluation", daemon=True)
        self._thread.start()

    def start(self, checkpoint: Path, saving: "Future[object] | None") -> None:
        """Evaluates a checkpoint as soon as it is saved, in place of an earlier evaluation of its step.

        Args:
            checkpoint: its folder, step-N.
            saving: of a checkpoint that is being saved in the background; where it fails, the trainer says so.
        """
        if saving is None:
            self._queue(checkpoint)
        else:
            saving.add_done_callback(lambda done: None if done.exception() else self._queue(checkpoint))

    def finished(self) -> list[Evaluated]:
        """Returns what was found since it was last asked, in order."""
        with self._change:
            done, self._done = self._done, []
        return done

    def under_way(self) -> bool:
        """Whether there is something to wait for."""
        with self._change:
            return self._process is not None or self._waiting is not None

    def close(self, unless: Callable[[], bool] = lambda: False) -> None:
        """Waits for what is under way and what waits; ends it as soon as `unless`, asked now and then, says so."""
        with self._change:
            self._closing = True
            self._change.notify()
        while self._thread.is_alive():
            if unless():
                self._kill()
            self._thread.join(0.5)
        self._tidy()

    def _kill(self) -> None:
        with self._change:
            self._killed = True
            if self._waiting is not None:
                shutil.rmtree(self._waiting, ignore_errors=True)
                self._waiting = None
            if self._process is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._process.pid, signal.SIGKILL)

    def _queue(self, checkpoint: Path) -> None:
        links = self._folder / _LINKS / checkpoint.name
        with self._change:
            if self._waiting is not None and self._waiting != links:
                self._warn(
                    f"{self._waiting.name} was not evaluated: {checkpoint.name} came before its turn; raise "
                    "checkpoint.evaluate_every_k, or ask less"
                )
                shutil.rmtree(self._waiting, ignore_errors=True)
            self._waiting = None
            try:
                linked(checkpoint, links)
            except OSError as error:
                self._warn(f"{checkpoint} was not evaluated: {error.strerror}")
                return
            self._waiting = links
            self._change.notify()

    def _work(self) -> None:
        while True:
            with self._change:
                self._change.wait_for(lambda: self._waiting is not None or self._closing)
                if self._waiting is None:
                    return
                links, self._waiting = self._waiting, None
                started = time.perf_counter()
                with self._saying(links):
                    self._process = self._begin(links)
            if self._process is not None:
                with self._saying(links):
                    self._finish(links, self._process, started)
                self._end()
            shutil.rmtree(links, ignore_errors=True)
            shutil.rmtree(self._folder / links.name / _EXPORT, ignore_errors=True)

    @contextlib.contextmanager
    def _saying(self, links: Path) -> Iterator[None]:
        """Says what fails, such as a process that there is no memory for: the next one may do."""
        try:
            yield
        except Exception as error:
            why = isinstance(error, OSError) and error.strerror
            self._warn(f"{links.name} was not evaluated: {why or one_line(error)}")

    def _end(self) -> None:
        with self._change:
            if self._process is not None and self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
            self._process = None

    def _tidy(self) -> None:
        """Removes what is of no use when nothing runs."""
        for left in (self._folder / _LINKS, *self._folder.glob(f"*/{_EXPORT}")):
            shutil.rmtree(left, ignore_errors=True)

    def _begin(self, links: Path) -> "subprocess.Popen[str]":
        output = self._folder / links.name
        shutil.rmtree(output, ignore_errors=True)
        command = [*self._command, "--model", str(links), "--output", str(output), *self._asked.words()]
        process = subprocess.Popen(
            command, env=environment(self._asked.device, os.environ), text=True, errors="replace", process_group=0,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip
        with contextlib.suppress(OSError):  # it has ended
            nice = min(19, os.getpriority(os.PRIO_PROCESS, 0) + NICE)
            os.setpriority(os.PRIO_PROCESS, process.pid, nice)
        return process

    def _finish(self, links: Path, process: "subprocess.Popen[str]", started: float) -> None:
        _, errors = process.communicate()
        if self._killed:
            return
        if process.returncode:
            why = (errors.strip().splitlines() or [f"exit code {process.returncode}"])[-1]
            self._warn(f"{links.name} was not evaluated: {why.removeprefix('codetitan: error: ')}")
            return
        try:
            found = Evaluated.read(self._folder / links.name, int(links.name[5:]), time.perf_counter() - started)
        except (OSError, ValueError, KeyError, TypeError) as error:
            self._warn(f"{links.name} was not evaluated: {self._folder / links.name}/results.json: {error}")
            return
        with self._change:
            self._done.append(found)


def environment(device: Literal["cpu", "cuda"], of_rank: Mapping[str, str]) -> dict[str, str]:
    """Returns the environment of an evaluation.

    Args:
        device: "cpu", or "cuda": the rank's own GPU.
        of_rank: the rank's.
    """
    values: dict[str, Any] = {
        name: value
        for name, value in of_rank.items()
        if name not in _OF_A_RANK and not name.startswith(("TORCHELASTIC_", "ROLE_"))
    }
    values |= {"OMP_NUM_THREADS": "1", stop.PARENT: str(os.getpid()), "CUDA_VISIBLE_DEVICES": ""}
    if device == "cuda":
        local = int(of_rank.get("LOCAL_RANK", "0"))
        visible = [word.strip() for word in of_rank.get("CUDA_VISIBLE_DEVICES", "").split(",") if word.strip()]
        values["CUDA_VISIBLE_DEVICES"] = visible[local] if local < len(visible) else str(local)
    return values


def beside(trainer: "CodeTrainer") -> Evaluations | None:
    """Returns what evaluates a run's checkpoints, where it is asked to, on the rank that logs what it finds."""
    config, metrics = trainer.config.checkpoint, trainer.metrics_processor
    if config.evaluate_every_k is None or not config.enable or config.load_only or not metrics.writes:
        return None
    asked = Asked(tasks=config.evaluate_tasks, limit=config.evaluate_limit, device=config.evaluate_device)
    evaluations = Evaluations(Path(trainer.config.dump_folder) / "evaluation", asked, logger.warning)
    interval = config.evaluate_every_k * config.interval
    asked_of: set[int] = set()

    def after_save(step: int, checkpoint: Path, saving: "Future[object] | None", last: bool) -> None:
        if (last or step % interval == 0) and step not in asked_of:
            asked_of.add(step)
            evaluations.start(checkpoint, saving)

    trainer.checkpointer.after_save = after_save
    metrics.evaluated = evaluations.finished
    return evaluations


def finish(trainer: "CodeTrainer") -> None:
    """Waits for evaluations that are under way, or ends them where the run was or is asked to stop.

    Call it when no other rank waits for this one.
    """
    evaluations = trainer.evaluations
    if evaluations is None:
        return
    if evaluations.under_way():
        logger.info("eval   %s", "ends with the run" if trainer.stopped else "waits for the last one; Ctrl-C ends it")
    evaluations.close(unless=lambda: bool(trainer.stopped) or asked_to_stop())
    trainer.metrics_processor.log_evaluations()
