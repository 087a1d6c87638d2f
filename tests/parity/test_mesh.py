"""The harness itself: a rank that fails or hangs fails the test, and takes the others with it."""

import os
import time
from pathlib import Path

import pytest

from tests.parity.compare import Bench
from tests.parity.mesh import MeshFailure, start
from tests.parity.meshes import Case


def one_fails(arguments: list[str]) -> int:
    """Rank 1 fails; rank 0 waits for it for ever, as in a collective."""
    (Path(arguments[0]) / f"pid-{os.environ['RANK']}").write_text(str(os.getpid()))
    if os.environ["RANK"] == "1":
        raise RuntimeError("out of luck")
    time.sleep(10_000)
    return 0


def test_a_failed_rank_ends_the_run(tmp_path: Path) -> None:
    with pytest.raises(MeshFailure, match=r"^rank 1 ended with 1: RuntimeError: out of luck\n"):
        start(tmp_path, 2, [str(tmp_path)], function=one_fails)
    rank_0 = tmp_path / "pid-0"  # not there where it had not come that far
    assert not rank_0.exists() or not Path(f"/proc/{rank_0.read_text()}").exists()


def test_a_run_that_hangs_is_ended(tmp_path: Path) -> None:
    with pytest.raises(MeshFailure, match=r"^2 of 2 ranks are still running after 1 s$"):
        start(tmp_path, 2, ["10000"], function=sleep, time_limit_s=1)


def sleep(arguments: list[str]) -> int:
    """Every rank waits."""
    time.sleep(float(arguments[0]))
    return 0


def test_a_refused_configuration_is_named(bench: Bench) -> None:
    with pytest.raises(MeshFailure, match=r"^rank 0 ended with 2: RefusedError: training\.steps = 0 must be"):
        bench.train(1, {"training.steps": 0})


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        ({"debug.seed": 7}, "its losses differ"),
        ({"dataloader.seed": 7}, "it served other tokens"),
        ({"training.mixed_precision_param": "bfloat16"}, "its first gradient norm differs"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_difference_is_seen(bench: Bench, setting: dict[str, object], text: str) -> None:
    """The comparison itself can fail: other weights, other data, another precision."""
    with pytest.raises(AssertionError, match=text):
        bench.check(Case(text, 1, setting, {"training.steps": 1}))
