"""The comparison of blocks says what a run that does not start says."""

import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY


@pytest.mark.slow  # torchrun and its imports
def test_a_block_that_is_none() -> None:
    command = [sys.executable, str(REPOSITORY / "benchmarks" / "blocks.py"), "--blocks", "foo=1", "--lr", "1e-3"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode and "Traceback" not in done.stderr
    assert "codetitan: error: model.foo (command line): unknown key" in done.stderr
