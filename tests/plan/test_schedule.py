"""Every schedule does each pass once, in an order that its dependencies allow; bubbles are those of the formulas."""

from collections import Counter

import pytest

from codetitan.plan.schedule import Pass, order, play

SCHEDULES = {
    "1F1B": (4, 4, 8), "GPipe": (4, 4, 8), "Interleaved1F1B": (4, 8, 32), "LoopedBFS": (2, 4, 4),
    "ZBVZeroBubble": (2, 4, 4), "DualPipeV": (2, 4, 4), "InterleavedZeroBubble": (2, 4, 4),
}  # fmt: skip
WORK = {"forward": 1.0, "backward": 2.0, "input": 1.0, "weight": 1.0}


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_pass_once(name: str) -> None:
    ranks, stages, microbatches = SCHEDULES[name]
    passes = order(name, ranks, stages, microbatches)
    done = Counter((p.kind, p.stage, p.microbatch) for one in passes for p in one)
    assert set(done.values()) == {1}
    for stage in range(stages):
        for m in range(microbatches):
            assert done["forward", stage, m] == 1
            assert done["backward", stage, m] + done["input", stage, m] == 1
            assert done["input", stage, m] == done["weight", stage, m]
    played = play(passes, lambda p: WORK[p.kind], transfer_s=0.0)
    assert sum(played.busy) == 3.0 * stages * microbatches


@pytest.mark.parametrize("name", ["1F1B", "GPipe", "Interleaved1F1B", "LoopedBFS"])
def test_bubbles(name: str) -> None:
    """(p - 1) / (v·m + p - 1), with v stages a rank: Megatron-LM, arXiv 2104.04473, §2.2."""
    p, stages, m = SCHEDULES[name]
    played = play(order(name, p, stages, m), lambda one: WORK[one.kind], transfer_s=0.0)
    assert played.bubble == pytest.approx((p - 1) / (stages // p * m + p - 1))


def test_zero_bubble_waits_less() -> None:
    """The weights' half of the backward pass fills what the other schedules wait."""
    for name in ("ZBVZeroBubble", "DualPipeV", "InterleavedZeroBubble"):
        zero = play(order(name, *SCHEDULES[name]), lambda one: WORK[one.kind], transfer_s=0.0)
        other = play(order("LoopedBFS", *SCHEDULES[name]), lambda one: WORK[one.kind], transfer_s=0.0)
        assert zero.bubble < 0.5 * other.bubble


def test_transfers_and_slow_stages() -> None:
    """Two stages, one microbatch: F0, send, F1, B1, send, B0; the second is three times as slow."""
    passes = order("1F1B", 2, 2, 2)
    assert passes[0][0] == Pass("forward", 0, 0)
    one = [[p for p in rank if p.microbatch == 0] for rank in passes]
    played = play(one, lambda p: WORK[p.kind] * (1 + 2 * p.stage), transfer_s=0.5)
    assert played.seconds == 1 + 0.5 + 3 + 6 + 0.5 + 2


def test_one_rank() -> None:
    assert order("1F1B", 1, 1, 2) == [[Pass(kind, 0, m) for m in (0, 1) for kind in ("forward", "backward")]]
