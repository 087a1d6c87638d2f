"""kill -9 of a worker, or of all, at random moments; then the same command: the same bytes."""

import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from codetitan.prepare.engine import state
from codetitan.prepare.engine.state import places
from codetitan.prepare.engine.task import perform
from codetitan.prepare.engine.totals import total
from tests.prepare.engine import toys
from tests.prepare.engine.conftest import Start


def workers_of(pid: int) -> list[int]:
    """The processes that one has started."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def kill(process: "subprocess.Popen[str]", draw: random.Random) -> str:
    """Kills a process, all of its group, or one of its workers; says which."""
    what = draw.choice(["all", "parent", "worker", "worker"])
    if what == "all":
        os.killpg(process.pid, signal.SIGKILL)
    elif what == "parent":
        process.kill()
    elif children := workers_of(process.pid):
        os.kill(draw.choice(children), signal.SIGKILL)  # it may be multiprocessing's tracker: nothing happens
    return what


def until_it_works(process: "subprocess.Popen[str]", out: Path) -> None:
    """Waits until a worker has a task in hand, or the process has ended."""
    while process.poll() is None:
        if any(list(out.glob(f"stages/*/tasks/*.partial-{pid}-*")) for pid in workers_of(process.pid)):
            return
        time.sleep(0.02)


def storm(start: Start, corpus: Path, tmp_path: Path, seed: int, times: int, sleep_s: float) -> int:
    """Kills the command again and again, then lets it end; returns the tasks that were torn."""
    stages = [toys.Count(corpus), toys.Most(corpus)]
    for place in places(stages, tmp_path / "calm"):  # one after the other, in this process
        place.make()
        for task in range(place.stage.tasks):
            perform(place, task)
    statistics = [total(state.statistics(place)) for place in places(stages, tmp_path / "calm")]
    draw, killed, torn, finished = random.Random(seed), 0, 0, 0
    while killed < times:
        process = start(sleep_s=sleep_s)
        if draw.random() < 0.7:  # where much else runs, most workers would be killed before they have begun
            until_it_works(process, tmp_path / "out")
        try:
            process.wait(timeout=draw.uniform(0.0, 2.0))
        except subprocess.TimeoutExpired:
            kill(process, draw)
            killed += 1
        try:
            said, errors = process.communicate(timeout=60)
        finally:
            process.kill()
        assert process.returncode in (0, 2, -signal.SIGKILL), errors
        if process.returncode == 2:
            assert errors.count("\n") == 1 and "its worker was killed (SIGKILL)" in errors
        torn += len(list((tmp_path / "out").glob("stages/*/tasks/*.partial-*")))
        for path in (tmp_path / "out").glob("stages/*/tasks/?????"):  # whole, whenever one looks
            assert {"statistics.json"} < {file.name for file in path.iterdir()}
        if process.returncode == 0:
            compare(said, statistics, tmp_path)
            finished += 1  # more than one may end between two kills
            (tmp_path / "out").rename(tmp_path / f"out-{finished}")
    process = start(sleep_s=0.0)
    said, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    compare(said, statistics, tmp_path)
    return torn


def compare(said: str, statistics: list[dict[str, Any]], tmp_path: Path) -> None:
    assert toys.snapshot(tmp_path / "out") == toys.snapshot(tmp_path / "calm") != {}
    assert json.loads(said.splitlines()[-1]) == statistics


@pytest.mark.slow
def test_a_short_storm(start: Start, corpus: Path, tmp_path: Path) -> None:
    storm(start, corpus, tmp_path, seed=1, times=2, sleep_s=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [2, 3, 4])
def test_a_long_storm(start: Start, corpus: Path, tmp_path: Path, seed: int) -> None:
    assert storm(start, corpus, tmp_path, seed, times=20, sleep_s=0.15) >= 5  # else it was killed too early or too late
