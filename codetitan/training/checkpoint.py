"""torchtitan's checkpoints, for a night without anybody watching.

A checkpoint is complete when its `.metadata` is there, which is written last and renamed into place; torchtitan loads
the latest complete one. What is added here: a half-written one is cleared away at the next start, a disk that fills up
is one line, a single process saves without collectives, and a checkpoint says what it is of (description.py).
"""

import time
import warnings
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
import torch.distributed as dist
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.default_planner import DefaultLoadPlanner
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import AsyncCheckpointerType, async_save, save

from codetitan.errors import ConfigError
from codetitan.titan import AsyncMode, CheckpointManager, filesystem, logger
from codetitan.training import best, checksums, intact
from codetitan.training.checkpoint_error import os_error_of, reason
from codetitan.training.description import KEY, Description
from codetitan.training.exports import Exports
from codetitan.training.finite import check_saved
from codetitan.training.intact import LATEST_GOOD, half_written


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
        check_model: called on every rank with the description of the checkpoint that the run goes on from, and where
            that lies; raises ConfigError where it is of another model.
        after_save: called on every rank with each checkpoint that is saved or being saved: its step, its folder, what
            saves it in the background, if something does, and whether it is the last.
        is_best: called with a step that was saved: whether no checkpoint of the run is better.
        before_save: called on every rank before anything is saved; what it raises, it raises instead.
        loaded: the description of the checkpoint that the run goes on from, None where it begins.
        loaded_from: the folder that this lies in.
        base: the description of the model that the run began with, in place of initial values.
    """

    describe: Callable[[Description | None], Description]
    check_model: Callable[[Description, str], None] = staticmethod(lambda *_: None)
    after_save: Callable[[int, Path, "Future[object] | None", bool], None] = staticmethod(lambda *_: None)
    is_best: Callable[[int], bool] = staticmethod(lambda _: False)
    before_save: Callable[[], None] = staticmethod(lambda: None)
    loaded: Description | None = None
    loaded_from: Path | None = None

    @dataclass(kw_only=True, slots=True)
    class Config(CheckpointManager.Config):
        last_save_model_only: bool = False
        """Whether the last checkpoint holds the model alone; a run that ended so can't be continued."""

        export_every_k: int | None = None
        """Export every k-th checkpoint and the last, in export_dtype, to dump_folder/export; None: none."""

        evaluate_every_k: int | None = None
        """Evaluate every k-th checkpoint and the last, in a process of its own, beside the training; None: none."""

        evaluate_tasks: list[str] = field(default_factory=lambda: ["humaneval"])
        """What `codetitan evaluate` asks: names of tasks, NAME=PATH of those that take a file or a folder."""

        evaluate_limit: int | None = None
        """Problems of each task, evenly spread; None: all."""

        evaluate_device: Literal["cpu", "cuda"] = "cpu"
        """Where: the CPU, one thread; or the GPU of the rank that logs, beside the training."""

        keep_best: Literal["validation/loss", "validation/bits_per_byte", "validation/bits_per_byte/gold"] | None = None
        """Keep the checkpoint with the lowest value of this beside the latest, in dump_folder/best; None: none."""

        load_step: int | Literal["latest-good"] = -1
        """The step to go on from; -1: the last; latest-good: the last that is not damaged."""

        verify: bool = True
        """Whether a checkpoint's files are compared with their checksums before it is loaded."""

        def __post_init__(self) -> None:
            # torchtitan wants an absolute path; relative ones are seen from where the command runs, as dump_folder is.
            path: str | None = self.initial_load_path  # type: ignore[has-type]  # a field of torchtitan's
            if path and not filesystem.is_remote(path):
                self.initial_load_path = str(Path(path).absolute())  # type: ignore[misc]
            CheckpointManager.Config.__post_init__(self)

    def __init__(self, config: Config, **kwargs: Any) -> None:
        self._exports: Exports | None = None
        self.base: Description | None = None
        self._verify = config.verify
        self._best: Path | None = None
        self._exported = 0  # the last step of which an export was started
        self._last_step = 0  # of the checkpoint that is there; there is nothing to save of step 0
        super().__init__(config, **kwargs)
        if self.enable and not self.load_only and not filesystem.is_remote(self.folder) and dist.get_rank() == 0:
            if config.keep_best is not None:
                self._best = Path(kwargs["base_folder"]) / best.FOLDER
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
            ConfigError: a value is not finite, or the operating system refuses, e.g. because the disk is full. Earlier
                checkpoints are intact.
        """
        start = time.perf_counter()
        self.before_save()
        check_saved(state_dict, checkpoint_id)
        state_dict = {**state_dict, KEY: self.describe(self.base).to_json()}
        if async_mode == AsyncMode.ASYNC_WITH_PINNED_MEM:
            # Copied by a thread in a stream of its own, which does not wait for the optimizer's kernels: torch 2.14,
            # distributed/checkpoint/staging.py, DefaultStager._stage. Several ranks wait in a collective before it.
            torch.accelerator.synchronize()
        try:
            self._make_incomplete(checkpoint_id)
            if to_hf or filesystem.is_remote(checkpoint_id):
                result: Any = super().dcp_save(state_dict, checkpoint_id, async_mode, enable_garbage_collection, to_hf)
            else:
                result = self._write(state_dict, checkpoint_id, async_mode)
        except (Exception, CheckpointException) as error:  # the latter is no Exception
            raise _not_written(checkpoint_id, error) from error
        word = "saved " if async_mode == AsyncMode.DISABLED else "saving in the background:"
        logger.info("%s %s in %.1f s", word, checkpoint_id, time.perf_counter() - start)
        return result

    def _write(self, state_dict: dict[str, Any], checkpoint_id: str, async_mode: AsyncMode) -> Any:
        """What torchtitan's dcp_save does, with a writer that leaves checksums."""
        writer = checksums.ChecksumWriter(checkpoint_id)
        if async_mode == AsyncMode.DISABLED:
            # Collectives with oneself cost more than they look: gloo's threads run OpenMP, and with more OpenMP
            # threads than cores the training is 17 % slower from the first checkpoint on (benchmarks/cpu.py).
            alone = dist.get_world_size() == 1
            return save(state_dict, storage_writer=writer, checkpoint_id=checkpoint_id, no_dist=alone)
        how: dict[str, Any] = {"process_group": self.pg}
        if async_mode == AsyncMode.ASYNC_WITH_PINNED_MEM:
            how |= {"async_checkpointer_type": AsyncCheckpointerType.PROCESS, "async_stager": self.stager}
        return async_save(state_dict, storage_writer=writer, checkpoint_id=checkpoint_id, **how)

    def _save(self, curr_step: int, last_step: bool = False) -> bool:
        saved: bool = super()._save(curr_step, last_step)
        if saved:
            self._last_step = curr_step
        if saved:
            self._follow_up(curr_step, self.save_future, last=last_step)
        return saved

    def _follow_up(self, step: int, saving: "Future[object] | None", *, last: bool) -> None:
        """Keeps and exports a checkpoint as soon as it is saved."""
        checkpoint = Path(self._create_checkpoint_id(step))
        if self._best is not None and self.is_best(step) and not (self._best / checkpoint.name).exists():
            if saving is None:
                self._keep_best(checkpoint)
            else:
                saving.add_done_callback(lambda done: None if done.exception() else self._keep_best(checkpoint))
        if self._exports is not None and (last or step % self._export_interval == 0) and step != self._exported:
            self._exported = step
            self._exports.start(checkpoint, saving)
        self.after_save(step, checkpoint, saving, last)

    def _keep_best(self, checkpoint: Path) -> None:
        assert self._best is not None
        try:
            best.keep(checkpoint, self._best)
        except OSError as error:
            logger.warning("%s is the best, and was not kept in %s: %s", checkpoint, self._best, error.strerror)

    def _load(self, step: int | str = -1) -> bool:
        if step == LATEST_GOOD:
            if filesystem.is_remote(self.folder):
                raise ConfigError(f'checkpoint.load_step = "{LATEST_GOOD}" needs a checkpoint.folder on a file system')
            good = intact.latest_good(Path(self.folder))
            if good is None:
                self._check_files(-1)
            step = -1 if good is None else good
        elif self._verify and not filesystem.is_remote(self.folder):
            self._check_files(self._find_load_step() if step == -1 else int(step))
        own = self._find_load_step() if step == -1 else int(step)
        if own != -1 and "dataloader" in self.exclude_from_loading and self._has_this_data(own):
            # The data has begun anew before, and this is the same command again.
            others = [key for key in self.exclude_from_loading if key != "dataloader"]
            self.exclude_from_loading: list[str] = others
        loaded: bool = super()._load(int(step))
        self._last_step = self.states["train_state"].step
        return loaded

    def _has_this_data(self, step: int) -> bool:
        """Whether the data of an own checkpoint can be continued."""
        try:
            self._check_data(self._create_checkpoint_id(step))
        except (Exception, CheckpointException):  # what can't be read is said when it is loaded
            return False
        return True

    def _check_data(self, checkpoint_id: str) -> None:
        saved: dict[str, Any] = {"dataloader": {"identity": ""}}
        with warnings.catch_warnings(action="ignore"):
            load(saved, checkpoint_id=checkpoint_id, no_dist=True)
        self.states["dataloader"].check_identity(saved["dataloader"]["identity"])

    def _is_own(self, checkpoint_id: str) -> bool:
        """Whether it is one of this run, and not what the run begins with."""
        return Path(checkpoint_id).parent == Path(self.folder)

    def _check_files(self, step: int) -> None:
        """Raises ConfigError where the files of what is to be loaded are damaged, and offers what is not."""
        if step == -1:
            path = self.initial_load_path
            if path and not filesystem.is_remote(path) and (found := checksums.damage_seen_by_any(Path(path))):
                raise ConfigError(f'checkpoint.initial_load_path = "{path}" is damaged: {found}')
        else:
            intact.check(Path(self.folder), step)

    def save_now(self, step: int, *, last: bool = False) -> bool:
        """Saves a full checkpoint of `step`, unless there is one; returns whether the run saves any.

        Args:
            step: that is done.
            last: of a run that ends with it, and is not stopped.
        """
        if not self.enable or self.load_only:
            return False
        self.maybe_wait_for_saving()
        if step != self._last_step:
            states = self._flattened_model_states_sd()
            self.dcp_save(states, self._create_checkpoint_id(step), AsyncMode.DISABLED, enable_garbage_collection=True)
            self._purge_stale_checkpoints()
            self._last_step = step
            self._follow_up(step, None, last=last)
        elif last:
            self._follow_up(step, None, last=True)
        return True

    def wait_for_exports(self) -> None:
        """Waits for the exports under way; call it when no other rank waits for this one."""
        if self._exports is not None:
            self._exports.close()

    def _description_of(self, checkpoint_id: str) -> Description | None:
        """Returns what a checkpoint says of itself; None: it is another trainer's.

        Raises:
            ConfigError: it is of a later format.
        """
        said: dict[str, Any] = {KEY: ""}
        with warnings.catch_warnings(action="ignore"):
            load(said, checkpoint_id=checkpoint_id, no_dist=True, planner=DefaultLoadPlanner(allow_partial_load=True))
        if not said[KEY]:
            return None
        try:
            return Description.from_json(said[KEY])
        except ConfigError as error:
            raise ConfigError(f"{checkpoint_id} was {error}") from None

    def _make_incomplete(self, checkpoint_id: str) -> None:
        """Unmarks a checkpoint that is about to be overwritten: a kill in the middle must not leave a mix."""
        if filesystem.is_remote(checkpoint_id):
            return
        if dist.get_rank() == 0:
            # All of it: a file that is written over would change in the best checkpoint and in exports: links.
            for file in sorted(Path(checkpoint_id).glob("*"), key=lambda file: file.name != ".metadata"):
                file.unlink()
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
            description = self._description_of(checkpoint_id)
            if description is not None:
                if self._is_own(checkpoint_id):
                    self.check_model(description, checkpoint_id)
                # What goes on with the data has its counts; what begins the data has them as its base's.
                self.base = description.base if "dataloader" in state_dict else description
                if "train_state" in state_dict:
                    self.loaded, self.loaded_from = description, Path(checkpoint_id).parent
            if "dataloader" in state_dict:
                # Compared before any tensor is loaded: a changed global batch would only show as a wrong size.
                self._check_data(checkpoint_id)
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
                "if it is damaged, remove it, and the run goes on from the one before"
                if self._is_own(checkpoint_id)
                else "it is what checkpoint.initial_load_path names: name another, or set [model] and the tokenizer as "
                "there"
            )
            raise ConfigError(f"{checkpoint_id} can't be loaded: {reason(error)}; {advice}") from error
