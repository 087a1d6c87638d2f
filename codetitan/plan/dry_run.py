"""The trainer's own set-up as one rank of N, without the others: fake process groups, and tensors without storage."""

import contextlib
import gc
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

import torch.distributed as dist

from codetitan.checkpoint import CodeCheckpoints
from codetitan.data.loader import CodeDataLoader
from codetitan.metrics import CodeMetrics
from codetitan.titan import (
    BaseDataLoader,
    DeviceMesh,
    FakeTensorMode,
    _clear_sharding_prop_cache,
    unset_fake_temporarily,
)
from codetitan.trainer import CodeTrainer


class _NoData(BaseDataLoader):
    """Takes the loader's place: the set-up needs no corpus."""

    @dataclass(kw_only=True, slots=True)
    class Config(CodeDataLoader.Config):
        pass

    def __init__(self, config: Config, **_: Any) -> None:
        pass

    def place(self, batch_mesh: Any) -> None:
        """As the loader's."""

    def __iter__(self) -> Any:
        raise NotImplementedError

    def state_dict(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Nothing."""


class DryTrainer(CodeTrainer):
    """Builds its meshes from real tensors: torch reads values in them."""

    def init_distributed(self) -> Any:
        """torchtitan's, with the meshes built."""
        with unset_fake_temporarily():
            dims = super().init_distributed()
            dims.build_mesh()
        return dims


@contextlib.contextmanager
def fake_mode() -> Iterator[FakeTensorMode]:
    """Tensors that are made in here have shapes and no storage, but those of meshes."""
    init = DeviceMesh.__init__

    def init_with_values(self: DeviceMesh, *args: Any, **kwargs: Any) -> None:
        with unset_fake_temporarily():
            init(self, *args, **kwargs)

    with (
        FakeTensorMode(allow_non_fake_inputs=True) as mode,
        mock.patch.object(DeviceMesh, "__init__", init_with_values),
    ):
        yield mode


@contextlib.contextmanager
def build(config: CodeTrainer.Config, *, rank: int, world_size: int) -> Iterator[DryTrainer]:
    """Builds the trainer of one rank; inside `fake_mode`, without the other ranks, data or files.

    Raises:
        Exception: whatever the real set-up would raise.
    """
    place = {"NGPU": world_size, "WORLD_SIZE": world_size, "RANK": rank, "LOCAL_RANK": 0}
    with tempfile.TemporaryDirectory() as folder, mock.patch.dict(os.environ, {k: str(v) for k, v in place.items()}):
        config = replace(  # type: ignore[call-arg]  # fields of torchtitan's
            config,
            dump_folder=folder,
            comm=replace(config.comm, mode="fake_backend"),
            dataloader=_NoData.Config(),
            checkpoint=CodeCheckpoints.Config(enable=False),
            metrics=CodeMetrics.Config(enable_tensorboard=False),
        )
        _clear_sharding_prop_cache()  # type: ignore[no-untyped-call]
        collects = gc.isenabled()
        try:
            trainer = DryTrainer(config)
            yield trainer
            trainer.close()
        finally:
            if collects:
                gc.enable()  # torchtitan's trainer collects garbage by itself
            if dist.is_initialized():
                dist.destroy_process_group()
