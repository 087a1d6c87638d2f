"""Sections of the configuration that are ours or have keys of ours, and the keys of torchtitan's that lead nowhere."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Literal

from codetitan import stop
from codetitan.config.schema import HIDDEN, hints
from codetitan.models.code.flavors import FLAVORS
from codetitan.models.code.kernels import Kernels
from codetitan.models.code.rope import RopeConfig
from codetitan.models.code.shape import Flavor
from codetitan.titan import (
    ChunkedLossWrapper,
    CrossEntropyLoss,
    DebugConfig,
    ParallelismConfig,
    Trainer,
    TrainingConfig,
)
from codetitan.training.checkpoint import CodeCheckpoints
from codetitan.training.loader import TrainerDataLoader
from codetitan.training.metrics import CodeMetrics
from codetitan.training.optimizer import CodeOptimizers


@dataclass(kw_only=True, slots=True)
class ModelConfig:
    """The model: a flavor, and what to change of it."""

    flavor: str = "debug"
    """A named size: debug, 20m, 70m, 200m, 350m, 700m, 1_3b, 3b, 7b, 15b, or a published model's (`codetitan flavors`);
    or a name of your own, where dim to tie_embeddings are all set."""

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
    """Inner width of the MLP."""

    vocab_size: int | None = None
    """Rows of the embedding; at least the tokenizer's ids."""

    tie_embeddings: bool | None = None
    """Whether the head shares the embedding's weight."""

    norm_eps: float | None = None
    """What norms add to the mean square, or to the variance."""

    head_dim: int | None = None
    """Width of a head where it is not dim / n_heads."""

    norm: Literal["rmsnorm", "layernorm"] | None = None
    """LayerNorm has a bias."""

    mlp: Literal["swiglu", "gelu"] | None = None
    """w2(silu(w1 x) · w3 x), or w2(gelu(w1 x)), approximated by tanh."""

    qkv_bias: bool | None = None
    """Whether the projections to q, k and v have biases."""

    out_bias: bool | None = None
    """Whether the attention's last projection has one."""

    mlp_bias: bool | None = None
    """Whether the MLP's projections have biases."""

    qk_norm: bool | None = None
    """Whether each head of q and k goes through an RMSNorm before it is rotated."""

    sliding_window: int | None = None
    """How many tokens a token attends to, itself among them; 0: all before it."""

    export_as: str | None = None
    """Class of the exports in transformers, such as "MistralForCausalLM"; None: the first with such blocks."""

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
        changes = {name: value for name, value in values.items() if value is not None}
        if self.sliding_window == 0:
            changes["sliding_window"] = None
        return changes

    def shape(self) -> Flavor:
        """Returns the flavor with the changes; of a flavor that is not one of ours, the changes are all there is."""
        if self.flavor in FLAVORS:
            shape = dataclasses.replace(FLAVORS[self.flavor], **self.changes())
        else:
            shape = Flavor(**self.changes())
        # The same model has the same shape, however it is written.
        usual = shape.head_dim is not None and shape.head_dim * shape.n_heads == shape.dim
        return dataclasses.replace(shape, head_dim=None) if usual else shape


@dataclass(kw_only=True, slots=True)
class CodeTrainingConfig(TrainingConfig):
    """torchtitan's section, with the length in tokens, what is reduced when, and what ends a run early."""

    tokens: str | int | float | None = None
    """In place of steps: how many tokens to train on, such as "7B", "400M" or 1.5e12."""

    epochs: int | None = None
    """In place of steps: how often each source is served. The steps are counted before the run, by reading the data."""

    train_layers: str | None = None
    """Train the last or the first blocks and that end of the model alone, such as "last:4"; None: all of it."""

    gradient_sync: Literal["auto", "each-microbatch", "last-microbatch"] = "auto"
    """When FSDP reduces gradients, where a step has several microbatches. last-microbatch keeps them whole until then:
    less traffic, more memory. auto: last-microbatch where each rank holds all of the weights anyway."""

    on_nonfinite: Literal["stop", "skip"] = "stop"
    """A step whose gradients are not finite changes no weight. It stops the run, or is skipped."""

    max_skipped_steps: int = 10
    """How many steps may be skipped one after the other."""

    max_time: str | None = None
    """Stop after this time, such as "3h50m", counted from the start of the command: save, and exit with 75."""

    def max_seconds(self) -> float | None:
        """Returns `max_time` in seconds."""
        return None if self.max_time is None else stop.seconds(self.max_time)

    def syncs_once(self, shards: int) -> bool:
        """Returns whether gradients are reduced in the last microbatch only, where FSDP has `shards` shards.

        A CUDA graph stands for every microbatch, and offloading is for want of memory: auto is each-microbatch then.
        """
        if self.gradient_sync != "auto":
            return self.gradient_sync == "last-microbatch"
        return bool(shards == 1 and self.disable_cuda_graphs and not self.enable_cpu_offload)


HIDDEN[TrainerDataLoader.Config] = frozenset({"dataset", "dataset_path", "rows", "held_out", "conversations"})
HIDDEN[CodeCheckpoints.Config] = frozenset({"create_seed_checkpoint"})  # models/code/initial_values.py needs none
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
HIDDEN[CodeOptimizers.Config] = frozenset({"optimizer_factory_kwargs_by_name"})  # objects, for DistMuon
HIDDEN[hints(Trainer.Config)["profiler"]] = frozenset({"trace_post_processor"})  # a function
HIDDEN[CrossEntropyLoss.Config] = frozenset({"global_vocab_size"})
HIDDEN[ChunkedLossWrapper.Config] = frozenset({"loss_fn"})
