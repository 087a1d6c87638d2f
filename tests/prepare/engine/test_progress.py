"""How far a stage is, in a line."""

import json
from pathlib import Path

import pytest

from codetitan.prepare.engine import progress
from codetitan.prepare.engine.progress import Progress, duration, size
from codetitan.prepare.engine.state import Place, places
from tests.prepare.engine.toys import Count


@pytest.fixture
def place(tmp_path: Path) -> Place:
    (place,) = places([Count(tmp_path, tasks=10)], tmp_path)
    place.make()
    return place


def do(place: Place, task: int, **statistics: int) -> None:
    place.task(task).mkdir()
    (place.task(task) / "statistics.json").write_text(json.dumps(statistics))


def test_line(place: Place) -> None:
    now = 0.0
    do(place, 0, n_bytes=10**12)  # by an earlier command: it counts for how far, not for how fast
    watch = Progress(place, lambda: now)
    now = 10.0
    assert watch.line() == "count: 1 of 10 tasks in 10s"
    do(place, 1, n_bytes=2_000_000)
    do(place, 7, n_bytes=1_000_000)
    (place.tasks / "00008.partial-1-1").mkdir()
    now = 30.0
    assert watch.line() == "count: 3 of 10 tasks, 3.0 MB in 30s, 100.0 kB/s, about 1m 40s left"
    for task in (2, 3, 4, 5, 6, 8, 9):
        do(place, task)
    now = 60.0
    assert watch.line() == "count: 10 of 10 tasks, 3.0 MB in 1m 0s, 50.0 kB/s"


def test_what_is_left_goes_by_size(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The largest tasks are begun first: after two of ten that are four fifths of the work, a fifth is left."""
    now = 0.0
    monkeypatch.setattr(place.stage, "size", lambda task: 400_000_000 if task < 2 else 25_000_000, raising=False)
    watch = Progress(place, lambda: now)
    do(place, 0)
    do(place, 1)
    now = 40.0
    assert watch.line() == "count: 2 of 10 tasks in 40s, about 10s left"


def test_of_the_last_tasks_nothing_is_guessed(tmp_path: Path) -> None:
    """They run already, and may be the slow ones: "0s left" stood there for a minute."""
    (place,) = places([Count(tmp_path, tasks=30)], tmp_path)
    place.make()
    now = 0.0
    watch = Progress(place, lambda: now)
    for task in range(27):
        do(place, task)
    now = 27.0
    assert watch.line() == "count: 27 of 30 tasks in 27s, about 10s left"
    do(place, 27)
    assert watch.line() == "count: 28 of 30 tasks in 27s"


def test_it_is_said_every_few_seconds(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "FIRST_S", 0.01)
    monkeypatch.setattr(progress, "EVERY_S", 0.01)
    said: list[str] = []
    with progress.watching(place, said.append):
        while len(said) < 3:
            pass
    assert said[-1].startswith("count: 0 of 10 tasks in ")


def test_words() -> None:
    assert [size(n) for n in (999, 1e3, 2.5e6, 1e9, 3e12)] == ["999 B", "1.0 kB", "2.5 MB", "1.0 GB", "3.0 TB"]
    assert [duration(s) for s in (0.2, 59.7, 315, 7500)] == ["0s", "1m 0s", "5m 15s", "2h 5m"]
