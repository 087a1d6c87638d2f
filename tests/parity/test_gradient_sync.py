"""When gradients are reduced under accumulation: the same sums either way, and the setting decides."""

from pathlib import Path

import pytest

from codetitan.titan import FSDPModule
from codetitan.training.trainer import CodeTrainer, CodeTrainingConfig
from tests.parity.compare import Bench, as_overrides
from tests.parity.mesh import start
from tests.parity.meshes import Settings

THREE_MICROBATCHES: Settings = {"training.local_batch_size": 4, "training.steps": 3}


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_one_process_adds_up_the_same(bench: Bench, precision: str) -> None:
    """On one process nothing is reduced, and the gradients are added up in the same order: equal to the last bit."""
    settings = THREE_MICROBATCHES | {"training.mixed_precision_param": precision}
    each, last = (
        bench.train(1, settings | {"training.gradient_sync": sync}) for sync in ("each-microbatch", "last-microbatch")
    )
    assert each.losses == last.losses and each.grad_norms == last.grad_norms


@pytest.mark.parametrize(
    ("settings", "shards", "once"),
    [
        ({}, 1, True),
        ({}, 2, False),
        ({"gradient_sync": "last-microbatch"}, 8, True),
        ({"gradient_sync": "each-microbatch"}, 1, False),
        ({"disable_cuda_graphs": False}, 1, False),
        ({"enable_cpu_offload": True}, 1, False),
    ],
)
def test_auto_is_for_ranks_that_hold_all_weights(settings: Settings, shards: int, once: bool) -> None:
    config = CodeTrainingConfig(**{"disable_cuda_graphs": True} | settings)
    assert config.syncs_once(shards) is once


def reductions(arguments: list[str]) -> int:
    """A rank that trains, and writes for each microbatch whether the first block's gradients were reduced in it."""
    from codetitan.train import main

    seen: list[bool] = []
    original = CodeTrainer.forward_backward_step

    def watched(self: CodeTrainer, **batch: object) -> object:
        loss = original(self, **batch)
        block = next(module for module in self.model_parts[0].layers.values() if isinstance(module, FSDPModule))
        (group,) = block._get_fsdp_state()._fsdp_param_groups
        seen.append(group.reduce_grads)
        return loss

    CodeTrainer.forward_backward_step = watched  # type: ignore[method-assign, assignment]
    code = main(arguments[1:])
    Path(arguments[0]).write_text("".join("r" if reduces else "." for reduces in seen))
    return code


@pytest.mark.parametrize(("sync", "expected"), [("auto", "..r..r..r"), ("each-microbatch", "rrrrrrrrr")])
def test_a_step_reduces_as_often_as_it_should(bench: Bench, tmp_path: Path, sync: str, expected: str) -> None:
    settings = THREE_MICROBATCHES | {"training.gradient_sync": sync, "dump_folder": tmp_path / "run"}
    start(tmp_path, 1, [str(tmp_path / "seen"), str(bench.config), *as_overrides(settings)], function=reductions)
    assert (tmp_path / "seen").read_text() == expected
