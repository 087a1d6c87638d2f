"""What a pipeline rank holds: what stays, and the peak of a step."""

from collections.abc import Sequence
from dataclasses import dataclass

from codetitan.plan.gpus import GIB
from codetitan.plan.schedule import Pass
from codetitan.plan.stage import Stage, parameters_held
from codetitan.plan.tracing.ledger import Segment
from codetitan.plan.tracing.trace import Trace
from codetitan.training.trainer import CodeTrainer

# What a process holds on a GPU outside of torch's allocator (CUDA's context, NCCL's buffers, cuBLAS's workspace), and
# what the allocator's blocks waste. Assumed.
RESERVED, FRAGMENTATION = 2 * GIB, 0.03
_STEP_BYTES = 4  # torch's AdamW counts the steps of each parameter in a float32


@dataclass(frozen=True)
class Memory:
    """Bytes of a pipeline rank's GPU (its largest shard): what stays, and the peak of a step.

    Attributes:
        rank: the global rank at this place whose other coordinates are 0.
        stages: numbers of its pipeline stages.
        offloaded: whether parameters, gradients and optimizer states lie in the node's memory instead.
        gathered: what FSDP keeps besides the shards: whole weights, and a pipeline's whole gradients.
        buffers: of a pipeline's communication.
        activations: most that a step holds besides all of these.
    """

    rank: int
    stages: list[int]
    parameters: int
    gradients: int
    optimizer: int
    gathered: int
    buffers: int
    activations: int
    offloaded: bool

    @property
    def peak(self) -> int:
        """Most bytes that torch's allocator holds in a step."""
        static = 0 if self.offloaded else self.parameters + self.gradients + self.optimizer
        return static + self.gathered + self.buffers + self.activations

    @property
    def needed(self) -> int:
        """Bytes that the GPU must have: with what lies outside of the allocator, and what it wastes."""
        return int(self.peak * (1 + FRAGMENTATION)) + RESERVED


def above(segments: Sequence[Segment]) -> int:
    """Returns the peak of segments, one after the other, above where the first starts."""
    level = top = 0
    for segment in segments:
        top = max(top, level + segment.above)
        level += segment.kept
    return top


def kept(segments: Sequence[Segment]) -> int:
    return sum(segment.kept for segment in segments)


def _activations(own: Sequence[Stage], passes: Sequence[Pass], traced: Trace, stages: Sequence[Stage]) -> int:
    """Returns the peak of a rank's step above its gathered weights and gradients: `passes` in their order."""
    left = {stage: kept(stage.forward(traced.next)) for stage in own}
    level = top = 0
    for p in passes:
        stage = stages[p.stage]
        if p.kind == "forward":
            top = max(top, level + above(stage.forward(traced.next)))
            level += left[stage]
        else:
            top = max(top, level + above(stage.backward(traced.next)))
            level -= 0 if p.kind == "input" else left[stage]  # the weights' half needs them
    return top


def rank_memory(
    config: CodeTrainer.Config,
    own: list[int],
    stages: Sequence[Stage],
    passes: Sequence[Pass],
    traced: Trace,
    rank: int,
) -> Memory:
    held_stages = [stages[i] for i in own]
    held, optimized = parameters_held(held_stages, traced, config.model.shape().tie_embeddings)
    narrow = config.optimizer.implementation == "fused_opt_states_bf16" and config.training.dtype == "float32"
    optimizer = optimized.bytes * (1 if narrow else 2) + _STEP_BYTES * optimized.tensors
    # What a microbatch leaves: gradients, and what FSDP keeps whole, in a pipeline the sums of gradients too.
    left = sum(kept(stage.forward(traced.first) + stage.backward(traced.first)) for stage in held_stages)
    gathered = max(0, left - optimized.bytes)
    if len(stages) == 1:
        first, following, last = (
            above(stages[0].forward(s) + stages[0].backward(s)) for s in (traced.first, traced.next, traced.last)
        )
        activations = max(first, left + max(following, last) if len(passes) > 2 else 0) - optimized.bytes - gathered
        buffers = 0
    else:
        activations = _activations(held_stages, passes, traced, stages)
        microbatches = sum(p.kind == "forward" for p in passes) // len(own)
        received = sum((not stage.first) + (not stage.last) for stage in held_stages)
        buffers = received * microbatches * traced.hidden  # torch's stages have one for each microbatch
    return Memory(
        rank, own, held.bytes, optimized.bytes, optimizer, gathered, buffers, activations,
        offloaded=config.training.enable_cpu_offload,
    )  # fmt: skip
