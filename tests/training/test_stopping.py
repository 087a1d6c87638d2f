"""Ranks that are asked at different moments stop after the same step."""

import time
from itertools import product

import pytest
import torch.distributed as dist

from codetitan import stop
from codetitan.training import stopping
from codetitan.training.stopping import Stopping


class Rank:
    """What a rank asks before each step; `asked` are the signals that it has got."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, store: dist.Store, *, runs_ahead: bool) -> None:
        monkeypatch.setattr(stopping.dist, "get_world_size", lambda: 2)
        monkeypatch.setattr(stopping, "_get_default_store", lambda: store)
        self.asked: list[str] = []
        self.stopping = Stopping(None, runs_ahead=runs_ahead)
        self._monkeypatch = monkeypatch

    def due(self, done: int) -> bool:
        self._monkeypatch.setattr(stopping, "_asked", self.asked)
        return self.stopping.due(done)


@pytest.mark.parametrize(
    ("asker", "ahead", "runs_ahead", "signal_at"),
    [case for case in product(range(2), range(3), (False, True), range(4)) if case[1] < 2 or case[2]],
)
def test_all_stop_after_the_same_step(
    monkeypatch: pytest.MonkeyPatch, asker: int, ahead: int, runs_ahead: bool, signal_at: int
) -> None:
    """Rank 1 asks in the same step before or after rank 0, or, on a GPU, a whole step before it."""
    store = dist.HashStore()
    ranks = [Rank(monkeypatch, store, runs_ahead=runs_ahead) for _ in range(2)]
    asks = sorted((done - (ahead * 0.6 if rank else 0.3), rank, done) for done in range(9) for rank in range(2))
    stopped: dict[int, int] = {}
    for _, rank, done in asks:
        if rank == asker and done == signal_at:
            ranks[rank].asked.append("SIGTERM")  # and the other rank gets none
        if rank not in stopped and ranks[rank].due(done):
            stopped[rank] = done
    assert stopped[0] == stopped[1] <= signal_at + 2
    assert {rank.stopping.why for rank in ranks} == {"SIGTERM"}


def test_one_process_stops_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping.dist, "get_world_size", lambda: 1)
    monkeypatch.setattr(stopping, "_asked", ["SIGUSR1"])
    one = Stopping(None, runs_ahead=True)
    assert one.due(3) and one.why == "SIGUSR1"


def test_the_clock_starts_with_the_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping.dist, "get_world_size", lambda: 1)
    monkeypatch.setenv(stop.STARTED, str(time.time() - 100))
    assert not Stopping(110.0, runs_ahead=False).due(1)
    late = Stopping(90.0, runs_ahead=False)
    assert late.due(1) and late.why == "training.max_time"


@pytest.mark.parametrize(
    ("text", "seconds"), [("3h50m", 13800), ("2d", 172800), ("90m", 5400), ("45s", 45), ("1d 2h", 93600)]
)
def test_times(text: str, seconds: float) -> None:
    assert stop.seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "15", "3h50", "50m3h", "-1h", "1.5h", "9" * 400 + "d"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match='must be a time such as "3h50m"'):
        stop.seconds(text)
