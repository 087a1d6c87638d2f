"""On this machine: what comes out, and what a person is told when it does not."""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from codetitan.errors import ConfigError
from codetitan.prepare.engine.run import execute
from codetitan.prepare.engine.tables import Local
from codetitan.stop import EXIT_STOPPED
from tests.prepare.engine import toys
from tests.prepare.engine.conftest import Start

Trap = Callable[..., None]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def refused(corpus: Path, out: Path) -> str:
    with pytest.raises(ConfigError) as error:
        toys.run(corpus, out)
    text = str(error.value)
    assert "\n" not in text
    return re.sub(r"-[0-9a-f]{16}\b", "-DIGEST", text.replace(str(out), "OUT"))


def test_the_same_for_any_number_of_workers(corpus: Path, tmp_path: Path) -> None:
    snapshots = []
    for workers in (1, 3):
        statistics, said = toys.run(corpus, tmp_path / str(workers), Local(workers=workers))
        snapshots.append(toys.snapshot(tmp_path / str(workers)))
        n_bytes = sum(path.stat().st_size for path in corpus.glob("*.txt"))
        assert statistics[0]["n_bytes"] == n_bytes and statistics[0]["share"] == 0.5
        assert statistics[1]["words"] == len(toys.expected(corpus))
        for expected in (r"1/2 count: 5 of 5 tasks, 5\.0 kB in \d+s, .*B/s$", r"2/2 most: 3 of 3 tasks in \d+s$"):
            assert len([line for line in said if re.match(expected, line)]) == 1
    assert snapshots[0] == snapshots[1] and len(snapshots[0]) == 20 + 5 + 5 + 3 + 3
    assert toys.found(tmp_path / "1") == toys.expected(corpus) != {}


def test_what_workers_make_is_not_left_behind(start: Start, trap: Trap) -> None:
    trap(count_0="bar", count_1="bar")  # a bar's lock is a semaphore of the system's
    process = start()
    assert process.communicate()[1] == "" and process.returncode == 0


def test_what_a_task_refuses_is_one_line(corpus: Path, out: Path, trap: Trap) -> None:
    trap(count_2="refuse")
    assert refused(corpus, out) == r'stage "count", task 2, 002.txt: a\nline'


def test_an_exception_is_one_line_and_a_traceback_in_a_file(corpus: Path, out: Path, trap: Trap) -> None:
    trap(count_2="fail")
    assert refused(corpus, out) == (
        'stage "count", task 2, 002.txt: ZeroDivisionError: of 1 by 0; mend that, and the same command goes on '
        "(traceback in OUT/stages/count-DIGEST/failures/00002.txt)"
    )
    (log,) = out.glob("stages/count-*/failures/00002.txt")
    assert 'raise ZeroDivisionError("of 1 by 0")' in log.read_text()
    assert not list(out.glob("stages/count-*/tasks/00002*"))  # nothing half written
    trap()
    toys.run(corpus, out)
    assert toys.found(out) == toys.expected(corpus)
    assert not log.exists()


def test_a_full_disk_is_one_line(corpus: Path, out: Path, trap: Trap) -> None:
    trap(most_1="fill")
    assert refused(corpus, out).startswith(
        'stage "most", task 1: the disk of OUT/stages/most-DIGEST is full; make room, and the same command goes on'
    )


def test_a_vanished_input_is_one_line(corpus: Path, out: Path) -> None:
    (corpus / "007.txt").unlink()
    (corpus / "007.txt").symlink_to("gone")
    assert refused(corpus, out).startswith(
        'stage "count", task 2, 007.txt: FileNotFoundError: [Errno 2] No such file or directory: '
    )


def test_a_killed_worker_ends_the_run_and_the_same_command_goes_on(corpus: Path, out: Path, trap: Trap) -> None:
    trap(count_3="die")
    start = time.monotonic()
    assert refused(corpus, out) == (
        'stage "count", task 3: its worker was killed (SIGKILL), as the kernel does when memory ends; the same command '
        "goes on, with more memory a task where prepare.executor.workers is below 2"
    )
    assert time.monotonic() - start < 60
    trap()
    statistics, said = toys.run(corpus, out)
    assert re.match(r"1/2 count: goes on after [1-4] of 5 tasks", said[0])
    assert toys.found(out) == toys.expected(corpus)
    assert not list(out.glob("stages/*/tasks/*.partial*"))
    # of the whole job, though two commands did it
    assert statistics[0]["files"] == [f"{i:03}.txt" for task in range(5) for i in range(task, 20, 5)]


def test_a_crashed_worker_says_where_its_last_words_are(corpus: Path, out: Path, trap: Trap) -> None:
    trap(most_0="crash")
    assert refused(corpus, out) == (
        'stage "most", task 0: its worker died of SIGSEGV (see OUT/stages/most-DIGEST/workers.log); the same command '
        "goes on"
    )
    (log,) = out.glob("stages/most-*/workers.log")
    assert "something went wrong in C" in log.read_text()


def hanging(corpus: Path, process: "subprocess.Popen[str]") -> int:
    """Waits until a task hangs; returns its worker's number."""
    while not (found := list(corpus.glob("hangs-*"))):
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    return int(found[0].name.partition("-")[2])


def gone(pid: int) -> bool:
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, -signal.SIGINT), (signal.SIGTERM, EXIT_STOPPED), (signal.SIGKILL, -9)]
)
def test_signals_leave_what_is_done(
    corpus: Path, out: Path, trap: Trap, start: Start, number: signal.Signals, code: int
) -> None:
    trap(count_4="hang")
    process = start()
    worker = hanging(corpus, process)
    while len(list(out.glob("stages/count-*/tasks/?????"))) < 4:
        time.sleep(0.05)
    before = toys.snapshot(out)
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # as a terminal does
    else:
        process.send_signal(number)
    said, errors = process.communicate(timeout=30)
    assert process.returncode == code
    assert gone(worker)
    if number != signal.SIGKILL:
        assert (
            "stopped; 0 of 2 stages are done, and of count 4 of 5 tasks; that stays, and the same command goes on"
            in said
        )
        assert errors.count("Traceback") == (number == signal.SIGINT)  # the toys' own
    done = {name for name in before if ".partial" not in name}
    trap()
    toys.run(corpus, out)
    after = toys.snapshot(out)
    assert {name: before[name] for name in done} == {name: after[name] for name in done}
    assert toys.found(out) == toys.expected(corpus)


def test_one_owner(corpus: Path, out: Path, trap: Trap, start: Start) -> None:
    trap(count_0="hang")
    process = start()
    hanging(corpus, process)
    with pytest.raises(
        ConfigError, match=f'^output = "{out}" belongs to a run on .* choose another with --output DIR$'
    ):
        toys.run(corpus, out)
    process.kill()
    process.communicate()


@dataclass
class Process:
    """Says which process does it."""

    name: str
    tasks: int = 2

    def inputs(self) -> Mapping[str, Any]:
        return {}

    def run(self, task: int, folder: Path) -> Mapping[str, Any]:
        print(f"{self.name} {task}")
        return {"processes": [os.getpid()]}


def test_the_same_workers_do_all_stages(out: Path) -> None:
    stages = [Process("one"), Process("two")]
    one, two = execute(stages, out, Local(workers=1), lambda _: None)
    assert one == two and len(set(one["processes"])) == 1
    logs = {path.parent.name.partition("-")[0]: path.read_text() for path in out.glob("stages/*/workers.log")}
    assert logs == {"one": "one 0\none 1\n", "two": "two 0\ntwo 1\n"}
    assert not list(out.glob("stages/*/*.pickle"))


@dataclass
class Sized:
    """Tasks that say how large they are, before or after."""

    name: str
    tasks: int = 4

    def inputs(self) -> Mapping[str, Any]:
        return {}

    def run(self, task: int, folder: Path) -> Mapping[str, Any]:
        print(task)
        return {"n_bytes": (3, 8, 5, 8)[task]}


@dataclass
class Known(Sized):
    """Tasks of which it is known."""

    def size(self, task: int) -> int:
        return task


def test_large_tasks_come_first(out: Path) -> None:
    execute([Sized("plain"), Sized("after"), Known("known")], out, Local(workers=1), lambda _: None)
    logs = {path.parent.name.partition("-")[0]: path.read_text() for path in out.glob("stages/*/workers.log")}
    assert logs == {"plain": "0\n1\n2\n3\n", "after": "1\n3\n2\n0\n", "known": "3\n2\n1\n0\n"}


def test_prints_go_to_a_file(corpus: Path, out: Path, capfd: pytest.CaptureFixture[str]) -> None:
    statistics, _ = toys.run(corpus, out)
    assert capfd.readouterr() == ("", "")
    assert json.loads((next(out.glob("stages/most-*/tasks/00000")) / "statistics.json").read_text())
    assert statistics
