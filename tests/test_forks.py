"""The forked processes themselves: what they say, how they end, and that one which hangs is ended."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests import forks


def says_and_fails(arguments: list[str]) -> int:
    print(*arguments, Path.cwd())
    print(os.environ["GREETING"], file=sys.stderr)
    raise RuntimeError("out of luck")


def test_output_folder_environment_and_traceback(tmp_path: Path) -> None:
    done = forks.finished(says_and_fails, ["a", "b"], cwd=tmp_path, environment={"GREETING": "hello"}, timeout_s=60)
    assert (done.returncode, done.stdout) == (1, f"a b {tmp_path}\n")
    assert done.stderr.startswith("hello\n") and "RuntimeError: out of luck" in done.stderr


def hangs(arguments: list[str]) -> int:
    print(os.getpid(), flush=True)
    time.sleep(10_000)
    return 0


def test_what_hangs_is_ended(tmp_path: Path) -> None:
    with pytest.raises(subprocess.TimeoutExpired) as late:
        forks.finished(hangs, [], cwd=tmp_path, environment={}, timeout_s=2)
    pid = str(late.value.stdout).strip()  # nothing where the machine was so busy that it had not come that far
    assert not pid or not Path(f"/proc/{pid}").exists()


def test_codes(tmp_path: Path) -> None:
    """As a new process's: what main returns, or -N where signal N ends it."""
    codes = [
        forks.finished(main, [], cwd=tmp_path, environment={}, timeout_s=60).returncode for main in (refuses, aborts)
    ]
    assert codes == [2, -6]


def refuses(arguments: list[str]) -> int:
    return 2


def aborts(arguments: list[str]) -> int:
    os.abort()
