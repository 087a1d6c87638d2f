"""A run's numbers on disk: whole lines, JSON, and a full disk that costs nothing for good."""

import json
import math
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from codetitan.training import logs
from codetitan.training.logs import MetricsFile, TensorBoardFile


@pytest.fixture
def full_at() -> Iterator[None]:
    """Restores what a test does to the largest size of a file, which stands in for a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def fill_up(n_bytes: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


def test_json_stays_json(tmp_path: Path) -> None:
    file = MetricsFile(tmp_path / "metrics.jsonl", first_step=1)
    file.write({"step": 1, "loss": math.nan, "max_loss": -math.inf, "lr": 0.5, "mfu": None})
    file.close()

    def fail(word: str) -> float:
        raise AssertionError(word)

    record = json.loads((tmp_path / "metrics.jsonl").read_text(), parse_constant=fail)
    assert record == {"step": 1, "loss": None, "max_loss": None, "lr": 0.5, "mfu": None}


def test_steps_of_a_full_disk_are_written_when_there_is_room(tmp_path: Path, full_at: None) -> None:
    path = tmp_path / "metrics.jsonl"
    file = MetricsFile(path, first_step=1)
    file.write({"step": 1})
    fill_up(path.stat().st_size + 5)
    for step in (2, 3):
        with pytest.raises(OSError):
            file.write({"step": step})
    assert path.read_text() == '{"step": 1}\n'  # no part of a line
    fill_up(1 << 20)
    file.write({"step": 4})
    assert [json.loads(line)["step"] for line in path.read_text().splitlines()] == [1, 2, 3, 4]


def test_tensorboard_reads_what_is_left(tmp_path: Path, full_at: None) -> None:
    """TensorBoard's own reader; a step that did not fit is missing, and the file is whole."""
    log = TensorBoardFile(tmp_path, first_step=1)
    log.write({"loss": 3.5, "lr": 0.25}, 1)
    (path,) = tmp_path.iterdir()
    fill_up(path.stat().st_size + 7)
    with pytest.raises(OSError):
        log.write({"loss": 3.0}, 2)
    fill_up(1 << 20)
    log.write({"loss": 2.5}, 3)
    log.close()
    events = EventAccumulator(str(tmp_path)).Reload()
    assert [(event.step, event.value) for event in events.Scalars("loss")] == [(1, 3.5), (3, 2.5)]
    assert events.Scalars("lr")[0].value == 0.25


def test_a_resumed_run_is_one_curve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for first_step, values in ((1, [9.0, 8.0, 7.0]), (3, [6.0, 5.0])):
        monkeypatch.setattr(logs.os, "getpid", lambda: first_step)  # of two processes  # noqa: B023
        log = TensorBoardFile(tmp_path, first_step=first_step)
        for step, value in enumerate(values, first_step):
            log.write({"loss": value}, step)
        log.close()
    events = EventAccumulator(str(tmp_path)).Reload()
    assert [(event.step, event.value) for event in events.Scalars("loss")] == [(1, 9.0), (2, 8.0), (3, 6.0), (4, 5.0)]
