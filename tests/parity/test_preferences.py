"""Preferences begin at their reference, and don't go on without it."""

import json
import math

import pytest

from tests.parity.compare import Bench
from tests.parity.mesh import MeshFailure
from tests.parity.meshes import OBJECTIVES

DPO = OBJECTIVES["DPO"]
SAVED = {"checkpoint.enable": True, "checkpoint.interval": 1}


def test_a_run_begins_at_its_reference_and_needs_it_to_go_on(bench: Bench) -> None:
    folder = bench.new_folder()
    held_out = {"validation.interval": 1}
    curve = bench.train(1, DPO | SAVED | held_out | {"training.steps": 2, "lr_scheduler.total_steps": 8}, folder)
    assert curve.losses[0] == pytest.approx(math.log(2), abs=1e-6)
    first, second = (json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()[::2])
    assert abs(first["rewards/margin"]) < 1e-5 < second["rewards/margin"]
    assert second["rewards/margin"] == pytest.approx(second["rewards/chosen"] - second["rewards/rejected"])
    assert 0 <= second["rewards/accuracy"] <= 1
    measured = curve.validated[-1]
    assert measured["validation/rewards/margin"] > 0 and measured["validation/loss"] < math.log(2)
    other = bench.new_folder()  # another β: the same reference
    bench.train(1, DPO | SAVED | held_out | {"training.steps": 1, "objective.beta": 0.5}, other)
    assert "as another run measured it" in (other / "logs" / "rank-0.log").read_text()
    assert (other / "references.npz").is_file()
    (folder / "references.npz").rename(folder / "elsewhere.npz")
    with pytest.raises(MeshFailure, match=r"references\.npz is missing: what the reference says of the pairs was"):
        bench.train(1, DPO | SAVED | held_out | {"training.steps": 3, "lr_scheduler.total_steps": 8}, folder)
    (folder / "elsewhere.npz").rename(folder / "references.npz")
    with pytest.raises(MeshFailure, match=r"was measured with .* computed in float32; this run has .* in bfloat16"):
        bench.train(
            1, DPO | SAVED | held_out | {"training.steps": 3, "training.mixed_precision_param": "bfloat16"}, folder
        )
