"""torchtitan's trainer, with our data, metrics and model; its configuration is the root of every TOML file."""

import contextlib
import dataclasses
import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, Any, Literal

import torch
import torch.distributed as dist

from codetitan.config.choice import Choice
from codetitan.config.data import BatchConfig, DataConfig
from codetitan.config.schema import HIDDEN
from codetitan.data.rows.loader import Served
from codetitan.errors import ConfigError
from codetitan.models.code.attention import CAUSAL
from codetitan.models.code.flavors import FLAVORS, Flavor
from codetitan.models.code.float8 import Float8Config
from codetitan.models.code.float8_linear import precompute_scales
from codetitan.models.code.kernels import Kernels
from codetitan.models.code.pipeline import TiedAcrossStages, is_v_shaped
from codetitan.models.code.rope import RopeConfig
from codetitan.titan import (
    BaseLoss,
    ChunkedLossWrapper,
    CommConfig,
    CrossEntropyLoss,
    DebugConfig,
    FSDPModule,
    FullAC,
    MemoryBudgetAC,
    ParallelismConfig,
    SelectiveAC,
    Trainer,
    TrainingConfig,
    logger,
)
from codetitan.tokenizer.encoding import absolute
from codetitan.training.checkpoint import CodeCheckpoints
from codetitan.training.compilation import Watch
from codetitan.training.description import Description
from codetitan.training.loader import TrainerDataLoader
from codetitan.training.metrics import CodeMetrics
from codetitan.training.optimizer import CodeLRSchedulers, CodeOptimizers
from codetitan.training.tokenizer import TrainerTokenizer


@dataclass(kw_only=True, slots=True)
class ModelConfig:
    """The model: a flavor, and what to change of it."""

    flavor: str = "debug"
    """A named size: debug, 20m, 70m, 200m, 350m, 700m, 1_3b, 3b, 7b or 15b; or a name of your own, where dim to
    tie_embeddings are all set."""

    attention: Literal["flex", "flex_flash", "varlen", "sdpa"] = "flex"
    """Kernel: flex (Triton), flex_flash (Hopper and newer) or varlen, with document masks; or sdpa (cuDNN), without."""

    dim: int | None = None
    """Width D; None: the flavor's. The same holds for the keys below."""

    n_layers: int | None = None
    """Number of blocks."""

    n_heads: int | None = None
    """Query heads."""

    n_kv_heads: int | None = None
    """Key/value heads: as many as query heads, fewer (grouped-query attention) or 1 (multi-query)."""

    ffn_dim: int | None = None
    """Inner width of SwiGLU."""

    vocab_size: int | None = None
    """Rows of the embedding; at least the tokenizer's ids."""

    tie_embeddings: bool | None = None
    """Whether the head shares the embedding's weight."""

    norm_eps: float | None = None
    """What RMSNorm adds to the mean square."""

    rope: RopeConfig = field(default_factory=RopeConfig)

    fused_qkv: bool = True
    """Whether q, k and v are one matmul: faster; without checkpointing it keeps their concatenated weight."""

    fused_ffn: bool = False
    """Whether SwiGLU's two projections of the input are one matmul."""

    flex_options: dict[str, Any] = field(default_factory=dict)
    """Options of flex's kernels, such as { USE_TMA = true }: torch.nn.attention.flex_attention.FlexKernelOptions."""

    def kernels(self) -> Kernels:
        """Returns how it is computed."""
        return Kernels(
            attention=self.attention,
            flex_options=self.flex_options,
            fused_qkv=self.fused_qkv,
            fused_ffn=self.fused_ffn,
        )

    def changes(self) -> dict[str, Any]:
        """Returns what is set of the shape: field of `Flavor` → value."""
        values = {f.name: getattr(self, f.name, None) for f in dataclasses.fields(Flavor)}
        values["rope_theta"] = self.rope.theta
        return {name: value for name, value in values.items() if value is not None}

    def shape(self) -> Flavor:
        """Returns the flavor with the changes; of a flavor that is not one of ours, the changes are all there is."""
        if self.flavor in FLAVORS:
            return dataclasses.replace(FLAVORS[self.flavor], **self.changes())
        return Flavor(**self.changes())


@dataclass(kw_only=True, slots=True)
class CodeTrainingConfig(TrainingConfig):
    """torchtitan's section, with what is reduced when."""

    gradient_sync: Literal["auto", "each-microbatch", "last-microbatch"] = "auto"
    """When FSDP reduces gradients, where a step has several microbatches. last-microbatch keeps them whole until then:
    less traffic, more memory. auto: last-microbatch where each rank holds all of the weights anyway."""

    def syncs_once(self, shards: int) -> bool:
        """Returns whether gradients are reduced in the last microbatch only, where FSDP has `shards` shards.

        A CUDA graph stands for every microbatch, and offloading is for want of memory: auto is each-microbatch then.
        """
        if self.gradient_sync != "auto":
            return self.gradient_sync == "last-microbatch"
        return bool(shards == 1 and self.disable_cuda_graphs and not self.enable_cpu_offload)


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
        super().__init__(config)
        # torchtitan gives it to the group of all ranks. Those of the meshes have torch's ten minutes (DeviceMesh passes
        # no timeout), in which a pipeline's stages must have compiled, one after the other.
        if config.comm.mode == "default":
            for mesh in self.parallel_dims.get_all_one_dimensional_meshes().values():
                dist.set_timeout(timedelta(seconds=config.comm.init_timeout_seconds), mesh.get_group())
        self.before_first_step = before_first_step
        self._toml = toml
        self.checkpointer.describe = self.describe
        self.dataloader.place(self.parallel_dims.get_optional_mesh("batch"), self.device)
        self.metrics_processor.served = self.served
        self._compilation = Watch()
        dims = self.parallel_dims
        self._syncs_once = not dims.pp_enabled and config.training.syncs_once(dims.dp_shard * dims.cp)
        self._microbatches_left = 0  # of the step under way
        self._tied: TiedAcrossStages | None = None
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
            step=self.step,
            sources=served.sources,
            languages=served.languages,
            licences=self.dataloader.licences(),
            config=self._toml,
            base=base,
        )

    def batch_generator(self, data_iterable: Iterable[Any]) -> Iterator[Any]:
        """torchtitan's, which starts when the checkpoint is loaded: so the clock and the metrics start here."""
        if self._tied is not None:
            self._tied.copy_weight()  # both ends may come from a checkpoint in which they differ
        self.before_first_step()
        precompute_scales(self.model_parts)
        if self.config.checkpoint.enable:
            # Reads documents. At the first save the others would wait for it in a collective, whose time is limited.
            self.dataloader.licences()
        self.metrics_processor.start(first_step=self.step)
        if self.step > 1:
            logger.info("goes on from step %d of %s", self.step - 1, self.checkpointer.folder)
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
        """torchtitan's, which adds the document masks; without these a sample is one text, and so are its positions."""
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
        if self._tied is not None:
            self._tied.add_gradient()
        return loss

    def train_step(self, data_iterator: Iterator[Any]) -> None:
        """torchtitan's: one optimizer step, logged where it is due."""
        self._microbatches_left = self.gradient_accumulation_steps
        super().train_step(data_iterator)
        self._compilation.after_step(self.step)

    def _data_has_ended(self) -> bool:
        """Whether no rank has a row with something left; a collective over the data-parallel ranks."""
        left = torch.tensor(0 if self.dataloader.exhausted else 1, device=self.device)
        mesh = self.parallel_dims.get_optional_mesh("batch")
        if mesh is not None:
            dist.all_reduce(left, group=mesh.get_group())
        return int(left) == 0

    def should_continue_training(self) -> bool:
        """Whether there are steps left."""
        goes_on = bool(super().should_continue_training())
        if not goes_on and self.metrics_processor.first_step is None:
            logger.info(
                "%s has its %d steps: nothing left to do; more with --training.steps N",
                self.config.dump_folder, self.step,
            )  # fmt: skip
        return goes_on


HIDDEN[CodeTrainer.Config] = frozenset({"model_spec", "override", "validator"})
HIDDEN[TrainerDataLoader.Config] = frozenset({"dataset", "dataset_path", "rows"})
HIDDEN[CodeCheckpoints.Config] = frozenset({"create_seed_checkpoint"})  # initial values need none: init.py
HIDDEN[CodeMetrics.Config] = frozenset(
    {"disable_color_printing", "save_for_all_ranks"}
)  # of a console and a log that are not ours
HIDDEN[ParallelismConfig] = frozenset(
    {
        "expert_parallel_degree",  # no experts
        "context_parallel_ptrr_mask_key",  # one mask
        "pipeline_parallel_schedule_csv",  # of schedules that have no name
        # stages are placed by cost: models/code/stages.py
        "pipeline_parallel_first_stage_less_layers",
        "pipeline_parallel_last_stage_less_layers",
    }
)
HIDDEN[DebugConfig] = frozenset(
    {
        "spmd_typechecking",  # for whoever writes modules; it can't follow the masks
        "moe_force_load_balance",
        "batch_invariant",
    }
)
HIDDEN[CrossEntropyLoss.Config] = frozenset({"global_vocab_size"})
HIDDEN[ChunkedLossWrapper.Config] = frozenset({"loss_fn"})
