"""When gradients are reduced under accumulation: the same sums either way, and the setting decides."""

from pathlib import Path

import pytest
import torch

from codetitan.titan import FSDPModule
from codetitan.training.sections import CodeTrainingConfig
from codetitan.training.trainer import CodeTrainer
from tests.parity.compare import Bench, as_overrides
from tests.parity.mesh import start
from tests.parity.meshes import CHUNKED, Settings, pipeline

THREE_MICROBATCHES: Settings = {"training.local_batch_size": 4, "training.steps": 3}


@pytest.mark.parametrize("precision", ["bfloat16", pytest.param("float32", marks=pytest.mark.slow)])
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
    """A rank that trains, and writes whether each microbatch reduced the first block's gradients, and the head's."""
    from codetitan.train import main

    seen: list[str] = []
    original = CodeTrainer.forward_backward_step

    def watched(self: CodeTrainer, **batch: object) -> object:
        loss = original(self, **batch)
        part = self.model_parts[0]
        blocks = [module for module in (part.layers["0"], part.lm_head) if isinstance(module, FSDPModule)]
        groups = [group for block in blocks for group in block._get_fsdp_state()._fsdp_param_groups]
        assert len(groups) == 2
        seen.append("".join("r" if group.reduce_grads else "." for group in groups))
        return loss

    CodeTrainer.forward_backward_step = watched  # type: ignore[method-assign, assignment]
    code = main(arguments[1:])
    Path(arguments[0]).write_text(" ".join(seen))
    return code


@pytest.mark.parametrize(("sync", "step"), [("auto", ".. .. rr"), ("each-microbatch", "rr rr rr")])
def test_a_step_reduces_as_often_as_it_should(bench: Bench, tmp_path: Path, sync: str, step: str) -> None:
    settings = THREE_MICROBATCHES | CHUNKED | {"training.gradient_sync": sync, "dump_folder": tmp_path / "run"}
    start(tmp_path, 1, [str(tmp_path / "seen"), str(bench.config), *as_overrides(settings)], function=reductions)
    assert (tmp_path / "seen").read_text() == " ".join([step] * 3)


def timeouts(arguments: list[str]) -> int:
    """A rank that writes the time-outs of its groups, in seconds, when its trainer is built."""
    from codetitan.train import main

    original = CodeTrainer.__init__

    def watched(self: CodeTrainer, *args: object, **kwargs: object) -> None:
        original(self, *args, **kwargs)  # type: ignore[arg-type]
        meshes = self.parallel_dims.get_all_one_dimensional_meshes().values()
        backends = [mesh.get_group()._get_backend(torch.device("cpu")) for mesh in meshes]
        seconds = {backend.options._timeout.total_seconds() for backend in backends}
        Path(arguments[0]).write_text(" ".join(map(str, seconds)))

    CodeTrainer.__init__ = watched  # type: ignore[method-assign, assignment]
    return main(arguments[1:])


def test_every_group_waits_for_the_stages_to_compile(bench: Bench, tmp_path: Path) -> None:
    settings = pipeline("1F1B") | {
        "comm.init_timeout_seconds": 1234,
        "training.steps": 1,
        "dump_folder": tmp_path / "run",
    }
    start(tmp_path, 2, [str(tmp_path / "seen"), str(bench.config), *as_overrides(settings)], function=timeouts)
    assert (tmp_path / "seen").read_text() == "1234.0"
