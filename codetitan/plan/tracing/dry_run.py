"""The trainer's own set-up as one rank of N, without the others: fake process groups, and tensors without storage."""

import contextlib
import gc
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

import torch.distributed as dist

from codetitan.models.code.model import CodeModel
from codetitan.titan import BaseDataLoader, FakeTensorMode, _clear_sharding_prop_cache
from codetitan.training.checkpoint import CodeCheckpoints
from codetitan.training.loader import TrainerDataLoader
from codetitan.training.metrics import CodeMetrics
from codetitan.training.trainer import CodeTrainer
from codetitan.training.validation import ValidationConfig


class _NoData(BaseDataLoader):
    """Takes the loader's place: the set-up needs no corpus."""

    @dataclass(kw_only=True, slots=True)
    class Config(TrainerDataLoader.Config):
        pass

    def __init__(self, config: Config, **_: Any) -> None:
        pass

    def place(self, batch_mesh: Any, device: Any) -> None:
        """As the loader's."""

    def __iter__(self) -> Any:
        raise NotImplementedError

    def state_dict(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Nothing."""


@contextlib.contextmanager
def _without_storage(mode: FakeTensorMode) -> Iterator[None]:
    """Models get fake tensors where the trainer gives them storage; until then they are torch's own meta tensors."""

    def faked(method: Callable[..., Any]) -> Callable[..., Any]:
        def run(self: CodeModel, *args: Any, **kwargs: Any) -> Any:
            with mode:
                return method(self, *args, **kwargs)

        return run

    with (
        mock.patch.object(CodeModel, "to_empty", faked(CodeModel.to_empty)),
        mock.patch.object(CodeModel, "init_weights", faked(CodeModel.init_weights)),
    ):
        yield


@contextlib.contextmanager
def build(
    config: CodeTrainer.Config, *, rank: int, world_size: int, mode: FakeTensorMode | None = None
) -> Iterator[CodeTrainer]:
    """Builds the trainer of one rank, without the other ranks, data, files or memory.

    Args:
        config: complete, for `world_size` processes.
        rank: which of them.
        world_size: processes.
        mode: of the tensors; None: a new one.

    Raises:
        Exception: whatever the real set-up would raise.
    """
    mode = mode or FakeTensorMode(allow_non_fake_inputs=True)
    place = {"NGPU": world_size, "WORLD_SIZE": world_size, "RANK": rank, "LOCAL_RANK": 0}
    with tempfile.TemporaryDirectory() as folder, mock.patch.dict(os.environ, {k: str(v) for k, v in place.items()}):
        config = replace(
            config,
            dump_folder=folder,
            comm=replace(config.comm, mode="fake_backend"),
            dataloader=_NoData.Config(),
            validation=ValidationConfig(),
            checkpoint=CodeCheckpoints.Config(enable=False),
            metrics=CodeMetrics.Config(enable_tensorboard=False),
        )
        _clear_sharding_prop_cache()  # type: ignore[no-untyped-call]
        collects = gc.isenabled()
        try:
            with _without_storage(mode):
                trainer = CodeTrainer(config)
            yield trainer
            trainer.close()
        finally:
            if collects:
                gc.enable()  # torchtitan's trainer collects garbage by itself
            if dist.is_initialized():
                dist.destroy_process_group()
