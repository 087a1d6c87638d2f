"""torchtitan's trainer, with our data, metrics and model; its configuration is the root of every TOML file."""

import contextlib
import dataclasses
import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, Any

import torch
import torch.distributed as dist

from codetitan.config.choice import Choice
from codetitan.config.data import BatchConfig, DataConfig
from codetitan.config.schema import HIDDEN
from codetitan.data.rows.loader import Served
from codetitan.errors import ConfigError
from codetitan.models.code.attention import CAUSAL
from codetitan.models.code.float8 import Float8Config
from codetitan.models.code.float8_linear import precompute_scales
from codetitan.models.code.freezing import trains
from codetitan.models.code.pipeline import TiedAcrossStages, is_v_shaped
from codetitan.models.code.shape import EMBEDDING
from codetitan.objectives.config import DPO, OBJECTIVES, NextToken, Objective
from codetitan.objectives.loss import ObjectiveLoss, with_objective
from codetitan.titan import (
    BaseLoss,
    ChunkedLossWrapper,
    CommConfig,
    CrossEntropyLoss,
    DebugConfig,
    FSDPModule,
    FullAC,
    MemoryBudgetAC,
    SelectiveAC,
    Trainer,
    logger,
)
from codetitan.tokenizer.encoding import absolute
from codetitan.training import evaluations, reference, resume
from codetitan.training.checkpoint import CodeCheckpoints
from codetitan.training.compilation import Watch
from codetitan.training.description import Description
from codetitan.training.finite import FiniteGradients
from codetitan.training.loader import TrainerDataLoader
from codetitan.training.metrics import CodeMetrics
from codetitan.training.optimizer import CodeLRSchedulers, CodeOptimizers
from codetitan.training.sections import CodeTrainingConfig, ModelConfig
from codetitan.training.stopping import Stopping
from codetitan.training.tokenizer import TrainerTokenizer
from codetitan.training.validation import Validation, ValidationConfig


class CodeTrainer(Trainer):
    """Trains a code model; see `Trainer` of torchtitan for the loop.

    Args:
        config: complete (codetitan.config.resolve).
        before_first_step: called once, when the checkpoint is loaded and there is something left to train.
        toml: the configuration as text, kept in the checkpoints.
    """

    @dataclass(kw_only=True, slots=True)
    class Config(Trainer.Config):
        model: ModelConfig = field(default_factory=ModelConfig)
        float8: Float8Config = field(default_factory=Float8Config)
        hf_assets_path: str = DataConfig.hf_assets_path
        """The tokenizer: a folder with a tokenizer.json, a .json or .tiktoken file, a shipped name or tiktoken's."""

        dump_folder: str = "outputs"
        """Where the run leaves its checkpoints, logs and metrics."""

        metrics: CodeMetrics.Config = field(default_factory=CodeMetrics.Config)
        tokenizer: TrainerTokenizer.Config = field(default_factory=TrainerTokenizer.Config)
        dataloader: TrainerDataLoader.Config = field(default_factory=TrainerDataLoader.Config)
        validation: ValidationConfig = field(default_factory=ValidationConfig)
        objective: Annotated[Objective, Choice("name", OBJECTIVES)] = field(default_factory=NextToken)
        optimizer: CodeOptimizers.Config = field(default_factory=CodeOptimizers.Config)
        lr_scheduler: CodeLRSchedulers.Config = field(default_factory=CodeLRSchedulers.Config)
        # CUDA graphs are off until they are measured with document masks; torchtitan has them on.
        training: CodeTrainingConfig = field(
            default_factory=lambda: CodeTrainingConfig(disable_cuda_graphs=True, **dataclasses.asdict(BatchConfig()))
        )
        # torchtitan's 100 s after the first step are short for a save to slow storage, during which the others wait.
        comm: CommConfig = field(default_factory=lambda: CommConfig(train_timeout_seconds=600))
        checkpoint: CodeCheckpoints.Config = field(default_factory=CodeCheckpoints.Config)
        debug: DebugConfig = field(default_factory=lambda: DebugConfig(seed=0))
        activation_checkpoint: Annotated[
            Any,
            Choice(
                "name",
                {
                    "selective": SelectiveAC.Config,
                    "full": FullAC.Config,
                    "memory-budget": MemoryBudgetAC.Config,
                    "none": None,
                },
            ),
        ] = field(default_factory=SelectiveAC.Config)
        loss: Annotated[
            BaseLoss.Config,
            Choice(
                "name",
                {
                    "cross-entropy": CrossEntropyLoss.Config,
                    "chunked-cross-entropy": ChunkedLossWrapper.Config,
                },
            ),
        ] = field(default_factory=ChunkedLossWrapper.Config)

        def _validate_cuda_graphs(self) -> None:
            """torchtitan refuses CUDA graphs under pipeline parallelism; codetitan.config.resolve switches them off."""

    def __init__(self, config: Config, *, before_first_step: Callable[[], None] = lambda: None, toml: str = "") -> None:
        loss = with_objective(config.loss, config.objective, config.model.shape().vocab_size)
        super().__init__(dataclasses.replace(config, loss=loss))
        # What the loss is made of is no matter of the configuration.
        self.config = config
        # torchtitan gives it to the group of all ranks. Those of the meshes have torch's ten minutes (DeviceMesh passes
        # no timeout), in which a pipeline's stages must have compiled, one after the other.
        if config.comm.mode == "default":
            for mesh in self.parallel_dims.get_all_one_dimensional_meshes().values():
                dist.set_timeout(timedelta(seconds=config.comm.init_timeout_seconds), mesh.get_group())
        if isinstance(self.loss_fn, ObjectiveLoss):
            tp, cp = (self.parallel_dims.get_optional_mesh(name) for name in ("tp", "cp"))
            self.loss_fn.place(*(None if mesh is None else mesh.get_group() for mesh in (tp, cp)))
            self.metrics_processor.measured = self._measured
        self.before_first_step = before_first_step
        self._toml = toml
        self.checkpointer.describe = self.describe
        self.dataloader.place(self.parallel_dims.get_optional_mesh("batch"), self.device)
        self.metrics_processor.served = self.served
        self._compilation = Watch()
        on_gpu = self.device.type == "cuda"
        self._finite = FiniteGradients(
            self.optimizers.optimizers,
            config.training.on_nonfinite,
            most=config.training.max_skipped_steps,
            on_device=on_gpu
            and all(group["fused"] for optimizer in self.optimizers for group in optimizer.param_groups),
        )
        self.optimizers.skips = self._finite.skips
        self.metrics_processor.before_log = self._finite.settle
        self.metrics_processor.skipped = lambda: self._finite.skipped
        self.checkpointer.before_save = self._before_save
        self.checkpointer.check_model = lambda saved, where: resume.check_model(
            saved, config.model.shape(), config.model.rope, config.training.train_layers, where
        )
        self.validation = None if config.validation.interval is None else Validation(self)
        if (validation := self.validation) is not None:
            self.checkpointer.is_best = lambda step: validation.progress.saved.step == step
        self.evaluations = evaluations.beside(self)
        self._stopping = Stopping(config.training.max_seconds(), runs_ahead=self.device.type == "cuda")
        self.stopped = ""  # by what, where the run ends before its last step
        self.stop_is_saved = False
        self.ended_early = ""  # why, where the run ends before its last step, and well
        dims = self.parallel_dims
        self._syncs_once = not dims.pp_enabled and config.training.syncs_once(dims.dp_shard * dims.cp)
        self._microbatches_left = 0  # of the step under way
        self._tied: TiedAcrossStages | None = None
        self._trains_embedding = trains(EMBEDDING, config.model.shape(), config.training.train_layers)
        if self.parallel_dims.pp_enabled and config.model.shape().tie_embeddings:
            v_shaped = is_v_shaped(config.parallelism.pipeline_parallel_schedule)
            self._tied = tied = TiedAcrossStages(
                self.model_parts,
                self.parallel_dims.get_mesh("pp"),
                last_stage_rank=0 if v_shaped else self.parallel_dims.pp - 1,
            )
            self.optimizers.register_step_post_hook(lambda *_: tied.copy_weight())

    def served(self) -> Served:
        """Returns what all data-parallel ranks have served so far; a collective over them."""
        counts = self.dataloader.served_counts()
        mesh = self.parallel_dims.get_optional_mesh("batch")
        if mesh is not None:
            counts = counts.to(self.device)
            dist.all_reduce(counts, group=mesh.get_group())
        served: Served = self.dataloader.served(counts)
        return served

    def _measured(self) -> dict[str, float]:
        """Returns what the objective has measured since the last logged step, the same on every rank; a collective."""
        # Cut over data and sequence; and only a pipeline's last stage has losses.
        meshes = [self.parallel_dims.get_optional_mesh(name) for name in ("loss", "pp")]
        groups = [mesh.get_group() for mesh in meshes if mesh is not None]
        found: dict[str, float] = self.loss_fn.measured.take(groups, self.device)
        return found

    def describe(self, base: Description | None) -> Description:
        """Returns what the model is and has learnt from so far, the same on every rank; a collective.

        Args:
            base: of the model that the run began with.
        """
        served, model, tokenizer = self.served(), self.config.model, self.tokenizer
        return Description(
            flavor=model.flavor,
            shape=model.shape(),
            rope=model.rope,
            seq_len=self.config.training.seq_len,
            tokenizer=absolute(self.config.hf_assets_path),
            fingerprint=tokenizer.fingerprint,
            dialect=tokenizer.sentinels.dialect.name,
            chat=None if tokenizer.chat is None else tokenizer.chat.name,
            structured_documents=bool(tokenizer.sentinels.appended_kinds),
            step=self.step,
            skipped_steps=self._finite.skipped,
            positions=served.positions,
            sources=served.sources,
            languages=served.languages,
            licences=self.dataloader.licences(),
            config=self._toml,
            validation=self._described_validation(),
            base=base,
        )

    def _before_save(self) -> None:
        self._finite.settle()
        if self.validation is not None:
            self.validation.progress.save(self.step)

    def _described_validation(self) -> dict[str, Any]:
        if self.validation is not None:
            return self.validation.described()
        # A start without rounds in between: what was best is best.
        return {} if self.checkpointer.loaded is None else self.checkpointer.loaded.validation

    def batch_generator(self, data_iterable: Iterable[Any]) -> Iterator[Any]:
        """torchtitan's, which starts when the checkpoint is loaded: so the clock and the metrics start here."""
        if self._tied is not None:
            self._tied.copy_weight()  # both ends may come from a checkpoint in which they differ
        self.before_first_step()
        precompute_scales(self.model_parts)
        # The optimizer's state brings the learning rate of the run that saved it, and torchtitan's schedule, which
        # knows this run's, does not set it when it is loaded: the first step would be made with the other.
        for scheduler in self.lr_schedulers.schedulers:
            for group, lr in zip(scheduler.optimizer.param_groups, scheduler.get_last_lr(), strict=True):
                group["lr"] = lr
        if self.config.checkpoint.enable:
            # Reads documents. At the first save the others would wait for it in a collective, whose time is limited.
            self.dataloader.licences()
        if loaded := self.checkpointer.loaded:
            self._finite.skipped = loaded.skipped_steps
            if "dataloader" in self.checkpointer.exclude_from_loading:
                self.dataloader.positions_before = loaded.positions
        if isinstance(self.config.objective, DPO):
            self.dataloader.references = references = reference.references(self)
            if self.validation is not None:
                self.validation.compare_with(references)
        self.metrics_processor.start(first_step=self.step)
        if (base := self.checkpointer.base) and self.step == 1:
            # Of what has no tensor, such as a window or the rotation, nothing else would tell.
            for line in resume.model_changes(base, self.config.model.shape(), self.config.model.rope):
                logger.info("begins with the weights of another model: %s", line)
        if self.step > 1:
            where = self.checkpointer.loaded_from or self.checkpointer.folder
            logger.info("goes on from step %d of %s", self.step - 1, where)
            if loaded := self.checkpointer.loaded:
                if "dataloader" in self.checkpointer.exclude_from_loading:
                    logger.info("the data begins anew (checkpoint.exclude_from_loading)")
                for line in resume.changes(loaded, self._toml):
                    logger.info("changed %s", line)
        batches = super().batch_generator(data_iterable)
        for microbatch in itertools.count():
            if self.dataloader.finite and microbatch % self.dataloader.microbatches == 0 and self._data_has_ended():
                done = self.step - 1
                raise ConfigError(
                    f"dataloader.sources: every source has served its epochs after {done} steps; raise their epochs, "
                    f"or set training.steps = {done}"
                )
            yield next(batches)

    def post_dataloading_process(self, input_dict: dict[str, torch.Tensor], labels: torch.Tensor) -> Any:
        """torchtitan's, which adds the document masks; without these a sample is one text, and so are its positions.

        Where what is counted is not what is learnt, the loader yields the latter beside the inputs, as `targets`.
        """
        labels = input_dict.pop("targets", labels)
        if self.config.model.attention == CAUSAL:
            input_dict = {name: value for name, value in input_dict.items() if name != "positions"}
        return super().post_dataloading_process(input_dict, labels)

    def forward_backward_step(self, **batch: Any) -> torch.Tensor:
        """torchtitan's, which reduces gradients in every microbatch (`training.gradient_sync`)."""
        if not (self._syncs_once and self._microbatches_left):
            loss: torch.Tensor = super().forward_backward_step(**batch)
            return loss
        self._microbatches_left -= 1
        with self.gradient_sync(self._microbatches_left == 0):
            loss = super().forward_backward_step(**batch)
        return loss

    @contextlib.contextmanager
    def gradient_sync(self, on: bool) -> Iterator[None]:
        """Has FSDP reduce the gradients of the microbatches inside, or keep them whole."""
        for part in self.model_parts:
            part.set_requires_gradient_sync(on)
        # torchtitan's chunked loss switches the head's on in its last chunk, whatever it was (loss.py): tied, that is
        # the reduction of the largest parameter in every microbatch.
        heads = [] if on else [part.lm_head for part in self.model_parts if isinstance(part.lm_head, FSDPModule)]
        for head in heads:
            head.set_requires_gradient_sync = lambda *_, **__: None  # type: ignore[method-assign]
        try:
            yield
        finally:
            for head in heads:
                del head.set_requires_gradient_sync

    def pp_forward_backward_step(self, **batch: Any) -> torch.Tensor:
        """torchtitan's, and the gradient of an embedding that both ends of the pipeline use."""
        loss: torch.Tensor = super().pp_forward_backward_step(**batch)
        if self._tied is not None and self._trains_embedding:
            self._tied.add_gradient()
        return loss

    def train_step(self, data_iterator: Iterator[Any]) -> None:
        """torchtitan's: one optimizer step, logged where it is due."""
        self._microbatches_left = self.gradient_accumulation_steps
        lr = self.lr_schedulers.get_metrics()
        try:
            with self._finite.watch(self.step):
                super().train_step(data_iterator)
        except RuntimeError as error:
            if not str(error).startswith("Loss is not finite"):  # torchtitan's check, before it logs the step
                raise
            self._finite.settle()
            if not self._finite.last_was_skipped:
                raise ConfigError(f"step {self.step}: the loss is not finite, but its gradients are") from None
            self.metrics_processor.log(self.step, math.nan, math.nan, math.nan, extra_metrics=lr)
        self._compilation.after_step(self.step)
        if self.validation is not None and self.validation.due(self.step):
            # Before the checkpoint is saved, which keeps what came of it.
            self._finite.settle()
            with self._compilation.apart(), self.metrics_processor.apart():
                values = self.validation.round(self.step)
            self.metrics_processor.log_validation(self.step, values, self.validation)

    def _data_has_ended(self) -> bool:
        """Whether no rank has a row with something left; a collective over the data-parallel ranks."""
        left = torch.tensor(0 if self.dataloader.exhausted else 1, device=self.device)
        mesh = self.parallel_dims.get_optional_mesh("batch")
        if mesh is not None:
            dist.all_reduce(left, group=mesh.get_group())
        return int(left) == 0

    def should_continue_training(self) -> bool:
        """Whether there are steps left, and nobody has asked for an end; where somebody has, the state is saved."""
        goes_on = bool(super().should_continue_training())
        if self.validation is not None and self.checkpointer.loaded:
            self.validation.go_on(self.checkpointer.loaded.validation)
        if not goes_on:
            self._finite.settle()  # of the last step
        if goes_on and self._stopping.due(self.step):
            self.stop_is_saved = self.checkpointer.save_now(self.step)
            self.stopped = self._stopping.why
            return False
        if goes_on and self.validation is not None and (why := self.validation.out_of_patience):
            self.ended_early = why
            if self.metrics_processor.first_step is not None:  # else it is what was loaded
                self.checkpointer.save_now(self.step, last=True)
            return False
        if not goes_on and self.metrics_processor.first_step is None:
            logger.info(
                "%s has its %d steps: nothing left to do; more with --training.steps N",
                self.config.dump_folder, self.step,
            )  # fmt: skip
        return goes_on


HIDDEN[CodeTrainer.Config] = frozenset({"model_spec", "override", "validator"})
