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

REPOSITORY = Path(__file__).parent.parent

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


def run_train(
    config: Path, *overrides: str, nproc: int = 1, timeout_s: float = 300
) -> "subprocess.CompletedProcess[str]":
    """Runs ./run_train.sh as a user would, from another folder."""
    return subprocess.run(
        [str(REPOSITORY / "run_train.sh"), "--config", str(config), *overrides],
        cwd=config.parent,
        env=environment(nproc),
        capture_output=True,
        text=True,
        timeout=timeout_s,
    )


def metrics(folder: Path) -> list[dict[str, Any]]:
    """The lines of a run's metrics.jsonl."""
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


def losses(folder: Path) -> list[float]:
    """The losses of a run, one a step."""
    records = metrics(folder)
    assert [record["step"] for record in records] == list(range(1, len(records) + 1))
    return [record["loss"] for record in records]


def codetitan(*arguments: str, cwd: Path = REPOSITORY) -> "subprocess.CompletedProcess[str]":
    """Runs the `codetitan` command."""
    return subprocess.run(
        [sys.executable, "-m", "codetitan.cli", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
    )


def as_arguments(overrides: dict[str, Any]) -> Sequence[str]:
    """Overrides as they stand on a command line."""
    return [word for key, value in overrides.items() for word in (f"--{key}", str(value))]
