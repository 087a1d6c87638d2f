"""Which parameters are trained where not all are, and that the others stay what they were."""

from pathlib import Path

import pytest
import torch
from torch.distributed.checkpoint import load

from codetitan.models.code.freezing import trains
from codetitan.models.code.shape import Flavor, tensors
from tests.hf.conftest import TINY
from tests.parity.compare import Bench
from tests.parity.conftest import bench
from tests.parity.meshes import Settings, mesh

__all__ = ["bench"]

FOUR = Flavor(64, 4, 4, 2, 192, 1152, False)


@pytest.mark.parametrize(
    ("tied", "layers", "first", "last"),
    [
        (False, "last:1", "layers.3.attention.qkv_linear.wq.weight", "lm_head.weight"),
        (True, "last:1", "layers.3.attention.qkv_linear.wq.weight", "norm.weight"),
        (False, "first:2", "tok_embeddings.weight", "layers.1.ffn_norm.weight"),
        (True, "first:2", "tok_embeddings.weight", "layers.1.ffn_norm.weight"),
    ],
)
def test_names(tied: bool, layers: str, first: str, last: str) -> None:
    shape = Flavor(64, 4, 4, 2, 192, 1152, tied)
    names = list(tensors(shape))
    chosen = [name for name in names if trains(name, shape, layers)]
    assert (chosen[0], chosen[-1]) == (first, last)
    assert chosen == names[names.index(first) : names.index(last) + 1]  # one end of the model
    # A pipeline's copy of a tied embedding is what the embedding is.
    assert trains("lm_head.weight", shape, layers) == (layers.startswith("first") == tied)
    assert all(trains(name, TINY, None) for name in tensors(TINY))


RUN: Settings = {
    "checkpoint.enable": True, "checkpoint.interval": 1, "checkpoint.keep_latest_k": 0, "training.steps": 2,
}  # fmt: skip


@pytest.mark.parametrize(
    ("nproc", "plan"), [(1, {}), pytest.param(4, mesh(fsdp=2, tp=2), marks=pytest.mark.slow)], ids=["1", "FSDP2·TP2"]
)
def test_what_is_frozen_stays(bench: Bench, nproc: int, plan: Settings) -> None:
    folder = bench.new_folder()
    bench.train(nproc, RUN | plan | {"training.train_layers": "last:1"}, folder)
    before, after = (weights(folder / "checkpoint" / f"step-{step}") for step in (1, 2))
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved == {name for name in before if trains(name, FOUR, "last:1")}


def weights(folder: Path) -> dict[str, torch.Tensor]:
    state = {name: torch.empty(tensor.size) for name, tensor in tensors(FOUR).items()}
    load(state, checkpoint_id=folder, no_dist=True)
    return state
