"""Shared by all tests: where the repository is, and how to start a training run as a user would."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from codetitan import cli, launch
from tests import forks

REPOSITORY = Path(__file__).parent.parent

# Two workers share the machine, where torch would take all cores in each.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# The files that take longest begin, so that both workers end together: a worker takes a whole file (--dist loadfile).
LONGEST = (
    "tests/test_run.py",
    "tests/data/rows/test_loader.py",
    "tests/hf/test_export.py",
    "tests/parity/test_parity.py",
    "tests/plan/test_estimate.py",
    "tests/models/test_float8.py",
    "tests/hf/test_errors.py",
    "tests/plan/test_command.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sorts by file; within a file nothing changes."""
    places = {REPOSITORY / file: place for place, file in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


# The same examples each time: a run of the tests says something about the code, not about its luck.
settings.register_profile("codetitan", derandomize=True, deadline=None)
settings.load_profile("codetitan")

# A model and batches small enough for a run of a few seconds; fp32, so that meshes can be compared.
TINY = """
extends = "{base}"
dump_folder = "{dump_folder}"
[model]
flavor = "debug"
dim = 64
n_layers = 2
[training]
seq_len = 64
global_batch_size = 8
local_batch_size = 2
steps = 8
[checkpoint]
interval = 3
[metrics]
log_freq = 1
"""


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A configuration file of a tiny run that writes below tmp_path/run."""
    path = tmp_path / "tiny.toml"
    path.write_text(
        TINY.format(base=REPOSITORY / "train_configs" / "debug.toml", dump_folder=tmp_path / "run"),
        encoding="utf-8",
    )
    return path


def environment(nproc: int) -> dict[str, str]:
    """The environment of a run of `nproc` CPU processes."""
    return os.environ | {
        "NGPU": str(nproc),
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "PYTHON": sys.executable,
    }


def run_train_sh(
    config: Path, *overrides: str, nproc: int = 1, timeout_s: float = 300
) -> "subprocess.CompletedProcess[str]":
    """Runs ./run_train.sh as a user would, from another folder: for what depends on how a process starts."""
    return subprocess.run(
        [str(REPOSITORY / "run_train.sh"), "--config", str(config), *overrides],
        cwd=config.parent,
        env=environment(nproc),
        capture_output=True,
        text=True,
        timeout=timeout_s,
    )


def run_train(
    config: Path, *overrides: str, nproc: int = 1, largest_file_bytes: int | None = None
) -> "subprocess.CompletedProcess[str]":
    """The same run, launcher and ranks and torchrun between them, in processes that need not import torch again."""
    return forks.finished(
        launch.main,
        ["--config", str(config), *overrides],
        cwd=config.parent,
        environment=environment(nproc),
        timeout_s=300,
        nproc=nproc,
        largest_file_bytes=largest_file_bytes,
    )


def metrics(folder: Path) -> list[dict[str, Any]]:
    """The lines of a run's metrics.jsonl."""
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


def losses(folder: Path) -> list[float]:
    """The losses of a run, one a step."""
    records = metrics(folder)
    assert [record["step"] for record in records] == list(range(1, len(records) + 1))
    return [record["loss"] for record in records]


def new_codetitan(*arguments: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    """Runs the `codetitan` command as a user would: for what depends on how a process starts."""
    return subprocess.run(
        [sys.executable, "-m", "codetitan.cli", *arguments], cwd=cwd, capture_output=True, text=True, timeout=120
    )


def codetitan(
    *arguments: str, cwd: Path = REPOSITORY, largest_file_bytes: int | None = None
) -> "subprocess.CompletedProcess[str]":
    """Runs the `codetitan` command, in a process that need not import torch again."""
    return forks.finished(
        cli.main,
        arguments,
        cwd=cwd,
        environment=dict(os.environ),
        timeout_s=120,
        largest_file_bytes=largest_file_bytes,
    )


def as_arguments(overrides: dict[str, Any]) -> Sequence[str]:
    """Overrides as they stand on a command line."""
    return [word for key, value in overrides.items() for word in (f"--{key}", str(value))]
