"""What the checks of gpu_day.py are made of: a run in processes of its own, a comparison of losses, a verdict."""

import contextlib
import hashlib
import json
import math
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from throughput_run import REPOSITORY, own_environment, run_command

LIMIT = 5  # times what a check is expected to take: then it hangs
_TINY_STEPS = 4
# What makes any run one of seconds on a CPU: a width that TP 2 divides, and stages for PP 4.
TINY = ("--model.flavor", "debug", "--model.dim", "64", "--model.n_layers", "2")
_TINY_SEQ_LEN = ("--training.seq_len", "128")
_EMULATED = ("--float8.emulate", "true")
SOURCES = ("--dataloader.sources", "python-stdlib")  # there everywhere, so every run of the day reads the same


class Failed(Exception):
    """A check's reason, in one line."""


@dataclass(frozen=True)
class Run:
    """A training run that ended well: its folder, and the records of metrics.jsonl, one a step or round."""

    folder: Path
    metrics: list[dict[str, Any]]

    @property
    def losses(self) -> list[float]:
        """The losses, one a step; NaN where metrics.jsonl has null."""
        steps = [record for record in self.metrics if "kind" not in record]
        return [math.nan if record["loss"] is None else record["loss"] for record in steps]

    @property
    def rounds(self) -> list[dict[str, Any]]:
        """The rounds of validation."""
        return [record for record in self.metrics if record.get("kind") == "validation"]


@dataclass(frozen=True)
class Bench:
    """Where a check trains.

    Attributes:
        folder: the check's own.
        shared: of runs that several checks compare with.
        gpus: GPUs that may be used; processes on a CPU.
        on_gpu: whether they are GPUs.
        tiny: whether every run is made small enough for a CPU.
        overrides: of the command line, for every run.
        deadline: of `time.monotonic`; a run that takes longer is ended.
    """

    folder: Path
    shared: Path
    gpus: int
    on_gpu: bool
    tiny: bool
    overrides: tuple[str, ...]
    deadline: float

    def steps(self, n: int) -> int:
        """Returns the steps of a run that should have n."""
        return min(n, _TINY_STEPS) if self.tiny else n

    def command(self, config: str, words: Sequence[str]) -> list[str]:
        """Returns the words of run_train.sh for a configuration of train_configs; a later word wins."""
        own = ["--metrics.log_freq", "1", "--metrics.enable_tensorboard", "false", "--checkpoint.enable", "false"]
        own += [*SOURCES, *(_TINY_SEQ_LEN if self.tiny else ()), *words, *self.overrides]
        if self.tiny:
            float8 = any(word.startswith("--float8.") for word in words) and not self.on_gpu
            own += [*TINY, *(_EMULATED if float8 else ())]
        config = "debug" if self.tiny else config
        return ["--config", str(REPOSITORY / "train_configs" / f"{config}.toml"), *own]

    def run(self, log: str, command: Sequence[str], environment: Mapping[str, str]) -> Path:
        """Runs a command; returns the file with its output. Raises Failed."""
        file = self.folder / f"{log}.log"
        left_s = self.deadline - time.monotonic()
        failed = "no time left" if left_s <= 0 else run_command(command, dict(environment), file, left_s)
        if failed is not None:
            raise Failed(f"{log}: {failed}")
        return file

    def train(
        self, label: str, config: str, steps: int, words: Sequence[str] = (), *, gpus: int = 1, **environment: str
    ) -> Run:
        """Trains in processes of its own.

        Args:
            label: names the folder and, where it fails, the run.
            config: of train_configs.
            steps: already `self.steps` of what it should be.
            words: overrides.
            gpus: processes.
            environment: variables added to this process's.

        Raises:
            Failed: the run did, with its reason.
        """
        folder = self.folder / label
        own = own_environment() | {"NGPU": str(gpus), "PYTHON": sys.executable} | environment
        command = [str(REPOSITORY / "run_train.sh"), *self.command(config, words)]
        self.run(label, [*command, "--training.steps", str(steps), "--dump_folder", str(folder)], own)
        text = (folder / "metrics.jsonl").read_text(encoding="utf-8")
        return Run(folder, [json.loads(line) for line in text.splitlines()])

    def reference(self, label: str, config: str, steps: int, words: Sequence[str] = (), **environment: str) -> Run:
        """The same on one GPU for a run that several checks compare with: trained once, and kept."""
        content = json.dumps([self.command(config, words), steps, environment])
        kept = self.shared / f"{hashlib.sha256(content.encode()).hexdigest()[:16]}.json"
        if not kept.exists():
            run = self.train(label, config, steps, words, **environment)
            self.shared.mkdir(parents=True, exist_ok=True)
            part = kept.with_suffix(".part")
            part.write_text(json.dumps(run.metrics), encoding="utf-8")
            part.rename(kept)
        return Run(self.folder / label, json.loads(kept.read_text(encoding="utf-8")))


def compare(losses: Sequence[float], expected: Sequence[float], tolerance: float) -> str:
    """Returns how far apart two curves are. Raises Failed: further than the relative tolerance, or not numbers."""
    for name, curve in (("the losses", losses), ("the losses of the reference", expected)):
        bad = next((i for i, loss in enumerate(curve, 1) if not math.isfinite(loss)), None)
        if bad is not None:
            raise Failed(f"{name} are {curve[bad - 1]} at step {bad} of {len(curve)}")
    if len(losses) != len(expected) or not losses:
        raise Failed(f"{len(losses)} losses against {len(expected)}")
    if list(losses) == list(expected):
        return "losses equal, bit for bit"
    apart = [abs(loss - other) / abs(other) for loss, other in zip(losses, expected, strict=True)]
    worst = max(apart)
    if worst > tolerance:
        raise Failed(
            f"losses {worst:.1e} apart at step {apart.index(worst) + 1} of {len(apart)}; {tolerance:.0e} is allowed"
        )
    return f"losses at most {worst:.1e} apart; {tolerance:.0e} is allowed"


@dataclass(frozen=True)
class Check:
    """One question to a machine.

    Attributes:
        name: unique.
        question: one line.
        ask: returns figures where the answer is yes, else raises Failed.
        expected_s: a guess for an H100, until the machine has answered once.
        gpus: how many it needs.
        only_gpu: whether a CPU can't be asked.
    """

    name: str
    question: str
    ask: Callable[[Bench], str]
    expected_s: float
    gpus: int = 1
    only_gpu: bool = False

    @property
    def limit_s(self) -> float:
        """When it is ended."""
        return LIMIT * self.expected_s


def ask(check: Check, bench: Bench) -> dict[str, Any]:
    """Asks; returns the `verdict`, "pass" or "fail: …", and the `detail`. What is bulky of its runs is removed."""
    shutil.rmtree(bench.folder, ignore_errors=True)
    bench.folder.mkdir(parents=True)
    try:
        answer = {"verdict": "pass", "detail": check.ask(bench)}
    except Failed as failed:
        answer = {"verdict": f"fail: {failed}", "detail": ""}
    except Exception as error:
        # The check itself is wrong, which must not cost the others: said as what it is, the traceback in the log.
        (bench.folder / "check.log").write_text(traceback.format_exc(), encoding="utf-8")
        answer = {"verdict": f"fail: the check itself: {type(error).__name__}: {error}", "detail": ""}
    finally:
        for bulky in ("checkpoint", "export"):
            for folder in bench.folder.glob(f"*/{bulky}"):
                with contextlib.suppress(OSError):
                    shutil.rmtree(folder)
    return answer
