"""Processes that come and go: nothing stays, whatever ends; what is lost is run again."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from codetitan.sandbox import Limits, Program, Sandbox, SandboxError, Verdict
from codetitan.sandbox.worker import Outcome
from tests.conftest import REPOSITORY
from tests.sandbox.attacks import TWICE

SOLUTION = Program(source="def f(x): return 2 * x", test=TWICE, entry_point="f")
SLEEPER = Program(source="import time\ntime.sleep(60)", test=TWICE, entry_point="f")
LIMITS = Limits(wall_s=60)


def children(pid: int) -> set[int]:
    """All processes below one."""
    found: set[int] = set()
    for path in Path("/proc").iterdir():
        if (name := path.name).isdecimal():
            try:
                fields = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if fields[0] != "Z" and int(fields[1]) == pid:
                found |= {int(name)} | children(int(name))
    return found


def soon(condition: Callable[[], object], timeout_s: float = 30) -> None:
    until = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def zygote(sandbox: Sandbox) -> int:
    [worker] = sandbox._workers
    return worker._process.pid


def in_thread(sandbox: Sandbox, programs: list[Program], into: dict[int, Verdict]) -> threading.Thread:
    def run() -> None:
        for index, verdict in sandbox.run(programs):
            into[index] = verdict

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_identical_programs_run_once_and_results_come_as_they_are_done() -> None:
    noted = Program(source="def f(x): return x + x", test=TWICE, entry_point="f")
    late = Program(source="import time\ntime.sleep(1)\ndef f(x): return 2 * x", test=TWICE, entry_point="f")
    with Sandbox(workers=2, limits=LIMITS) as sandbox:
        done = list(sandbox.run(iter([late, SOLUTION, noted, SOLUTION, noted, late])))
        assert sorted(index for index, _ in done) == [0, 1, 2, 3, 4, 5] and all(verdict.passed for _, verdict in done)
        assert {index for index, _ in done[-2:]} == {0, 5}
        verdicts = dict(done)
        assert verdicts[1] is verdicts[3] and verdicts[2] is verdicts[4] and verdicts[0] is verdicts[5]
        assert list(sandbox.run([])) == []
        assert len(list(sandbox.run([SOLUTION] * 3))) == 3


def test_a_run_that_is_left_and_two_at_once() -> None:
    with Sandbox(workers=1, limits=LIMITS) as sandbox:
        first = sandbox.run([SOLUTION, SLEEPER])
        assert next(first)[1].passed
        with pytest.raises(SandboxError, match=r"^sandbox: one run at a time$"):
            next(sandbox.run([SOLUTION]))
        first.close()
        assert dict(sandbox.run([SOLUTION]))[0].passed


def test_a_worker_that_dies_is_started_again() -> None:
    """Its program is tried once more, then with nothing beside it, then counted."""
    verdicts: dict[int, Verdict] = {}
    with Sandbox(workers=1, limits=LIMITS) as sandbox:
        thread = in_thread(sandbox, [SLEEPER, SOLUTION], verdicts)
        for _ in range(3):
            soon(lambda: sandbox._workers and len(children(zygote(sandbox))) == 2)
            below, pid = children(zygote(sandbox)), zygote(sandbox)
            os.kill(pid, signal.SIGKILL)
            soon(lambda below=below: not any(map(alive, below)))  # type: ignore[misc]
            soon(lambda pid=pid: sandbox._workers and zygote(sandbox) != pid)  # type: ignore[misc]
        thread.join()
    assert (
        verdicts[0].reason == "killed"
        and verdicts[0].detail == "its worker was killed 3 times, at last with nothing beside it"
    )
    assert verdicts[1].passed


def test_what_is_killed_beside_others_is_tried_alone() -> None:
    """As if the kernel had no memory for three at once: one after the other they pass."""
    programs = [
        Program(source=f"import time\ntime.sleep(0.2)\ndef f(x): return 2 * x + {i} - {i}", test=TWICE, entry_point="f")
        for i in range(3)
    ]
    with Sandbox(workers=3, limits=LIMITS) as sandbox:
        beside, run = list[int](), Sandbox._verdicts

        def watched(self: Sandbox, of: Any) -> Any:
            received = of.received

            def killed(task: Any, outcome: Any) -> None:
                beside.append(sum(map(len, of.given.values())))
                received(task, outcome if task.alone else Outcome(Verdict(False, "killed", "out of memory", 0.0)))

            of.received = killed
            yield from run(self, of)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Sandbox, "_verdicts", watched)
            verdicts = dict(sandbox.run(programs))
    assert [verdict.passed for verdict in verdicts.values()] == [True] * 3
    assert beside == [2, 1, 0, 0, 0, 0], "programs beside each when its verdict comes"


@pytest.mark.parametrize("which", ["program", "test"])
def test_a_process_that_is_killed_is_no_pass(which: str) -> None:
    """It is tried once more, after the others and with nothing beside it."""
    verdicts: dict[int, Verdict] = {}
    with Sandbox(workers=1, limits=LIMITS) as sandbox:
        thread = in_thread(sandbox, [SLEEPER, SOLUTION], verdicts)
        for others in (0, 1):
            soon(lambda others=others: len(verdicts) == others and len(children(zygote(sandbox))) == 2)  # type: ignore[misc]
            tester, program = sorted(children(zygote(sandbox)))  # in the order of their start
            os.kill(program if which == "program" else tester, signal.SIGKILL)
        thread.join()
    assert (verdicts[0].reason, verdicts[0].detail) == ("killed", f"the {which}'s process was killed")
    assert verdicts[1].passed


def test_the_wall_limit_ends_a_sleeper_and_what_it_left() -> None:
    left = (
        "import os, signal, threading, time\nfor number in range(1, 65):\n    try:\n        signal.signal(number, signal.SIG_IGN)\n"
        "    except (OSError, ValueError):\n        pass\n"
        "for _ in range(5):\n    threading.Thread(target=time.sleep, args=(60,)).start()\n"
        "os.makedirs('a/' * 200)\nos.mkdir('closed', 0)\nopen('file', 'w').write('x')\n"
    )
    passes = Program(source=left + "def f(x): return 2 * x", test=TWICE, entry_point="f")
    sleeps = Program(source=left + "time.sleep(60)", test=TWICE, entry_point="f")
    looks = Program(
        source="import os\ndef f(x): return os.listdir('.')", test="def check(f): assert f(1) == []\n", entry_point="f"
    )
    with Sandbox(workers=1, limits=Limits(wall_s=1.5)) as sandbox:
        verdicts = dict(sandbox.run([passes, sleeps, looks]))
        assert children(zygote(sandbox)) - {max(children(zygote(sandbox)), default=0)} == set()  # the tests' process
        pid = zygote(sandbox)
        below = children(pid)
    assert verdicts[0].passed and verdicts[2].passed
    assert (verdicts[1].reason, verdicts[1].detail) == ("time-out", "more than 1.5 s") and verdicts[1].seconds < 10
    assert not alive(pid) and not any(map(alive, below))


PARENT = """
import signal
import sys
signal.pthread_sigmask(signal.SIG_SETMASK, [])  # a launcher that ran in the tests' process has blocked some
from codetitan.sandbox import Limits, Program, Sandbox
programs = [Program(source=f"import time\\ntime.sleep(60 + {i})", test="def check(f): f()", entry_point="f") for i in range(4)]
with Sandbox(workers=2, limits=Limits(wall_s=100)) as sandbox:
    print("ready", flush=True)
    list(sandbox.run(programs))
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_nothing_is_left_of_a_parent_that_ends(number: signal.Signals) -> None:
    """SIGKILL of the parent, and Ctrl-C, which goes to all of its group."""
    process = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               start_new_session=True, env={**os.environ, "PYTHONPATH": str(REPOSITORY)})  # fmt: skip
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    soon(lambda: len(children(process.pid)) == 6)  # two workers, each with a program and the tests' process
    below = children(process.pid)
    os.killpg(process.pid, number)
    _, stderr = process.communicate(timeout=30)
    soon(lambda: not any(map(alive, below)))
    assert process.returncode == -number
    assert ("KeyboardInterrupt" in stderr) == (number == signal.SIGINT)
