"""A corpus of words, and the command that counts them, in a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REPOSITORY
from tests.prepare.engine import toys

pytest.importorskip("datatrove", reason="codetitan[prepare] is not installed")

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    toys.make(tmp_path / "corpus")
    return tmp_path / "corpus"


@pytest.fixture
def trap(corpus: Path) -> Callable[..., None]:
    """Says which task of which stage misbehaves how from now on."""

    def write(**what: str) -> None:
        (corpus / "trap.json").write_text(json.dumps({key.replace("_", " "): how for key, how in what.items()}))

    return write


@pytest.fixture
def start(corpus: Path, tmp_path: Path) -> Start:
    """Starts the command, in a group of its own."""

    def begin(workers: int = 2, **options: Any) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "tests.prepare.engine.toys", str(corpus), str(tmp_path / "out")]
        return subprocess.Popen(
            [*command, json.dumps(options), json.dumps({"workers": workers})],
            cwd=REPOSITORY,
            env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    return begin
