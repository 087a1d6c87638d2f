"""torchtitan's checkpoints, for a night without anybody watching.

A checkpoint is complete when its `.metadata` is there, which is written last and renamed into place; torchtitan loads
the latest complete one. What is added here: a half-written one is cleared away at the next start, a disk that fills up
is one line, a single process saves without collectives, and a checkpoint says what it is of (description.py).
"""

import re
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.default_planner import DefaultLoadPlanner
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import save

from codetitan.errors import ConfigError
from codetitan.titan import AsyncMode, CheckpointManager, filesystem, logger
from codetitan.training.checkpoint_error import os_error_of, reason
from codetitan.training.description import KEY, Description
from codetitan.training.exports import Exports


def half_written(folder: Path) -> list[Path]:
    """Returns the checkpoints below `folder` that were being written when their run ended."""
    return [
        path
        for path in sorted(folder.glob("step-*"))
        if re.fullmatch(r"step-\d+", path.name)
        and not (path / ".metadata").is_file()
        and all(file.suffix == ".distcp" or file.name == ".metadata.tmp" for file in path.iterdir())
    ]


def _not_written(where: str, error: BaseException) -> BaseException:
    """Returns the error to raise: one line where the operating system refused, else the error itself."""
    os_error = os_error_of(error)
    if os_error is None:
        return error
    return ConfigError(
        f"{where} can't be written: {os_error.strerror}; make room and start the same command again, it goes on from "
        "the checkpoint before"
    )


class CodeCheckpoints(CheckpointManager):
    """Saves and loads model, optimizer, schedule, loader and step.

    Attributes:
        describe: called on every rank at each save, with the description of the model that the run began with, if it
            was loaded; what it returns is kept in the checkpoint.
    """

    describe: Callable[[Description | None], Description]

    @dataclass(kw_only=True, slots=True)
    class Config(CheckpointManager.Config):
        last_save_model_only: bool = False
        """Whether the last checkpoint holds the model alone; a run that ended so can't be continued."""

        export_every_k: int | None = None
        """Export every k-th checkpoint and the last, in export_dtype, to dump_folder/export; None: none."""

        def __post_init__(self) -> None:
            # torchtitan wants an absolute path; relative ones are seen from where the command runs, as dump_folder is.
            path: str | None = self.initial_load_path  # type: ignore[has-type]  # a field of torchtitan's
            if path and not filesystem.is_remote(path):
                self.initial_load_path = str(Path(path).absolute())  # type: ignore[misc]
            CheckpointManager.Config.__post_init__(self)

    def __init__(self, config: Config, **kwargs: Any) -> None:
        self._exports: Exports | None = None
        self._base: Description | None = None
        super().__init__(config, **kwargs)
        if self.enable and not self.load_only and not filesystem.is_remote(self.folder) and dist.get_rank() == 0:
            if config.export_every_k is not None:
                self._export_interval = config.export_every_k * config.interval
                folder = Path(kwargs["base_folder"]) / "export"
                self._exports = Exports(folder, config.export_dtype, logger.info, logger.warning)
            for path in half_written(Path(self.folder)):
                logger.info("removes the half-written checkpoint %s", path)
                filesystem.rmtree(str(path))

    @torch.no_grad()
    def dcp_save(
        self,
        state_dict: dict[str, Any],
        checkpoint_id: str,
        async_mode: AsyncMode,
        enable_garbage_collection: bool = False,
        to_hf: bool = False,
    ) -> Any:
        """Writes one checkpoint.

        Raises:
            ConfigError: the operating system refuses, e.g. because the disk is full. Earlier checkpoints are intact.
        """
        start = time.perf_counter()
        state_dict = {**state_dict, KEY: self.describe(self._base).to_json()}
        if async_mode == AsyncMode.ASYNC_WITH_PINNED_MEM:
            # Copied by a thread in a stream of its own, which does not wait for the optimizer's kernels: torch 2.14,
            # distributed/checkpoint/staging.py, DefaultStager._stage. Several ranks wait in a collective before it.
            torch.accelerator.synchronize()
        try:
            self._make_incomplete(checkpoint_id)
            if dist.get_world_size() == 1 and async_mode == AsyncMode.DISABLED and not to_hf:
                # Collectives with oneself cost more than they look: gloo's threads run OpenMP, and with more OpenMP
                # threads than cores the training is 17 % slower from the first checkpoint on (benchmarks/cpu.py).
                result: Any = save(state_dict, checkpoint_id=checkpoint_id, no_dist=True)
            else:
                result = super().dcp_save(state_dict, checkpoint_id, async_mode, enable_garbage_collection, to_hf)
        except (Exception, CheckpointException) as error:  # the latter is no Exception
            raise _not_written(checkpoint_id, error) from error
        word = "saved " if async_mode == AsyncMode.DISABLED else "saving in the background:"
        logger.info("%s %s in %.1f s", word, checkpoint_id, time.perf_counter() - start)
        return result

    def _save(self, curr_step: int, last_step: bool = False) -> bool:
        saved: bool = super()._save(curr_step, last_step)
        if saved and self._exports is not None and (last_step or curr_step % self._export_interval == 0):
            self._exports.start(Path(self._create_checkpoint_id(curr_step)), self.save_future)
        return saved

    def wait_for_exports(self) -> None:
        """Waits for the exports under way; call it when no other rank waits for this one."""
        if self._exports is not None:
            self._exports.close()

    def _base_of(self, checkpoint_id: str, *, began: bool) -> Description | None:
        """Returns what the run began with: the loaded model where it `began` now, else what that one began with."""
        said: dict[str, Any] = {KEY: ""}
        with warnings.catch_warnings(action="ignore"):
            load(said, checkpoint_id=checkpoint_id, no_dist=True, planner=DefaultLoadPlanner(allow_partial_load=True))
        if not said[KEY]:  # another trainer's
            return None
        try:
            loaded = Description.from_json(said[KEY])
        except ConfigError as error:
            raise ConfigError(f"{checkpoint_id} was {error}") from None
        return loaded if began else loaded.base

    def _make_incomplete(self, checkpoint_id: str) -> None:
        """Unmarks a checkpoint that is about to be overwritten: a kill in the middle must not leave a mix."""
        if filesystem.is_remote(checkpoint_id):
            return
        if dist.get_rank() == 0:
            (Path(checkpoint_id) / ".metadata").unlink(missing_ok=True)
        if dist.get_world_size() > 1:
            dist.barrier()

    def _wait_for_saving(self) -> None:
        try:
            super()._wait_for_saving()
        except (Exception, CheckpointException) as error:
            raise _not_written(self.folder, error) from error

    def dcp_load(self, state_dict: dict[str, Any], checkpoint_id: str, from_hf: bool, from_quantized: bool) -> None:
        """Reads one checkpoint into `state_dict`, on any mesh.

        Raises:
            ConfigError: it is damaged, of another model, or its data can't be continued.
        """
        try:
            self._base = self._base_of(checkpoint_id, began="dataloader" not in state_dict)
            if "dataloader" in state_dict:
                # Compared before any tensor is loaded: a changed global batch would only show as a wrong size.
                saved: dict[str, Any] = {"dataloader": {"identity": ""}}
                with warnings.catch_warnings(action="ignore"):
                    load(saved, checkpoint_id=checkpoint_id, no_dist=True)
                self.states["dataloader"].check_identity(saved["dataloader"]["identity"])
            if dist.get_world_size() == 1 and not from_hf:
                load(state_dict, checkpoint_id=checkpoint_id, no_dist=True)
                self.states["model"].load_state_dict(state_dict)
            else:
                super().dcp_load(state_dict, checkpoint_id, from_hf, from_quantized)
        except ConfigError:
            raise
        except (Exception, CheckpointException) as error:
            logger.warning("loading failed", exc_info=True, extra={"for_log": True})
            advice = (
                "it is what checkpoint.initial_load_path names: name another, or set [model] and the tokenizer as there"
                if checkpoint_id == self.initial_load_path
                else "if it is of another model, set another --dump_folder; if it is damaged, remove it, and the run "
                "goes on from the one before"
            )
            raise ConfigError(f"{checkpoint_id} can't be loaded: {reason(error)}; {advice}") from error
