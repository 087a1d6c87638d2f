"""From the trace of three blocks to a whole run: memory of every pipeline rank, a step's time, and what that makes."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

from codetitan.config import degrees
from codetitan.models.code.stages import EMBEDDING, HEAD, modules_per_stage
from codetitan.plan.gpus import GIB, GPU
from codetitan.plan.ledger import Cost, Segment
from codetitan.plan.roofline import MEMORY_SHARE, Roofline
from codetitan.plan.schedule import Pass, order, play
from codetitan.plan.topology import Topology
from codetitan.plan.trace import Shards, Trace, trace
from codetitan.training.trainer import CodeTrainer

# What a process holds on a GPU outside of torch's allocator (CUDA's context, NCCL's buffers, cuBLAS's workspace), and
# what the allocator's blocks waste. Assumed.
RESERVED, FRAGMENTATION = 2 * GIB, 0.03
CAUSAL = 0.5


@dataclass(frozen=True)
class Stage:
    """A pipeline stage: the modules' names, and how many of them are blocks."""

    modules: tuple[str, ...]

    @property
    def blocks(self) -> int:
        """Number of blocks."""
        return sum(name.startswith("layers.") for name in self.modules)

    @property
    def first(self) -> bool:
        """Whether it has the embedding."""
        return EMBEDDING in self.modules

    @property
    def last(self) -> bool:
        """Whether it has the head."""
        return HEAD in self.modules

    def forward(self, segments: Sequence[Segment]) -> list[Segment]:
        """Returns the segments of its forward pass, the head's with the loss."""
        by_name = {segment.name: segment for segment in segments}
        names = ["block 1"] * self.blocks
        if self.blocks and self.last:
            names[-1] = "block 2"
        if self.blocks and self.first:
            names[0] = "block 0"
        names = ["embedding"] * self.first + names + ["head"] * self.last
        return [by_name[name] for name in names]

    def backward(self, segments: Sequence[Segment]) -> list[Segment]:
        """Returns the segments of its backward pass, in order of time."""
        by_name = {segment.name: segment for segment in segments}
        names = [segment.name for segment in self.forward(segments) if segment.name != "head"]
        return [by_name[f"{name} backward"] for name in reversed(names)]


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


@dataclass(frozen=True)
class Traffic:
    """What a rank receives of a degree in a step: bytes, collectives, the link, and seconds alone on it."""

    degree: str
    received: float
    calls: float
    link: str
    seconds: float
    overlapped: bool


@dataclass(frozen=True)
class Estimate:
    """What `codetitan plan` says of a configuration on N GPUs; times in seconds, memory in bytes."""

    topology: Topology
    gpu: GPU
    stages: list[Stage]
    memory: list[Memory]
    traffic: list[Traffic]
    step_s: float
    waiting_s: float
    optimizer_s: float
    bubble: float
    tokens_per_step: int
    steps: int
    flops_per_token: dict[str, float]
    peak_flops: float
    precision: str

    @property
    def fits(self) -> bool:
        """Whether every rank has room."""
        return all(memory.needed <= self.gpu.memory for memory in self.memory)

    @property
    def fullest(self) -> Memory:
        """The rank that needs most."""
        return max(self.memory, key=lambda memory: memory.peak)

    @property
    def tok_per_s_per_gpu(self) -> float:
        """Tokens a second and GPU."""
        return self.tokens_per_step / self.step_s / self.topology.world_size

    def mfu(self, attention: str) -> float:
        """Model FLOPs utilization; `attention` is a key of flops_per_token."""
        return self.tok_per_s_per_gpu * self.flops_per_token[attention] / self.peak_flops

    @property
    def seconds(self) -> float:
        """Of the whole run."""
        return self.steps * self.step_s


def topology_of(config: CodeTrainer.Config, world_size: int, nodes_of: int) -> Topology:
    """Returns the mesh of a configuration that has been checked for `world_size` processes."""
    p = config.parallelism
    dp = degrees.data_parallel_degree(config, world_size)
    return Topology(
        {
            "pp": p.pipeline_parallel_degree,
            "dp_replicate": p.data_parallel_replicate_degree,
            "dp_shard": dp // p.data_parallel_replicate_degree,
            "cp": p.context_parallel_degree,
            "tp": p.tensor_parallel_degree,
        },
        nodes_of,
    )


def stages_of(config: CodeTrainer.Config) -> list[Stage]:
    """Returns the pipeline stages; one with everything where there is no pipeline."""
    modules = degrees.pipeline_stages(config) or modules_per_stage([config.model.shape().n_layers])
    return [Stage(tuple(names)) for names in modules]


def _above(segments: Sequence[Segment]) -> int:
    """Returns the peak of segments, one after the other, above where the first starts."""
    level = top = 0
    for segment in segments:
        top = max(top, level + segment.above)
        level += segment.kept
    return top


def _kept(segments: Sequence[Segment]) -> int:
    return sum(segment.kept for segment in segments)


def _held(own: Sequence[Stage], traced: Trace, tied: bool) -> tuple[Shards, Shards]:
    """Returns the parameters of a rank's stages, and those of them that the optimizer knows.

    Tied embeddings are one parameter; the last of several stages has a copy, which is not optimized.
    """
    shards = traced.parameters
    held = optimized = Shards(0, 0)
    tied_here = tied and any(stage.first and stage.last for stage in own)
    for stage in own:
        body = shards["block"] * stage.blocks
        body += shards["embedding"] * stage.first + shards["norm"] * stage.last
        head = shards["head"] * stage.last
        held = held + body + head * (not tied_here)
        optimized = optimized + body + head * (not tied)
    return held, optimized


def _activations(own: Sequence[Stage], passes: Sequence[Pass], traced: Trace, stages: Sequence[Stage]) -> int:
    """Returns the peak of a rank's step above its gathered weights and gradients: `passes` in their order."""
    kept = {stage: _kept(stage.forward(traced.next)) for stage in own}
    level = top = 0
    for p in passes:
        stage = stages[p.stage]
        if p.kind == "forward":
            top = max(top, level + _above(stage.forward(traced.next)))
            level += kept[stage]
        else:
            top = max(top, level + _above(stage.backward(traced.next)))
            level -= 0 if p.kind == "input" else kept[stage]  # the weights' half needs them
    return top


def _rank_memory(
    config: CodeTrainer.Config,
    own: list[int],
    stages: Sequence[Stage],
    passes: Sequence[Pass],
    traced: Trace,
    rank: int,
) -> Memory:
    held_stages = [stages[i] for i in own]
    held, optimized = _held(held_stages, traced, config.model.shape().tie_embeddings)
    narrow = config.optimizer.implementation == "fused_opt_states_bf16" and config.training.dtype == "float32"
    optimizer = optimized.bytes * (1 if narrow else 2) + _STEP_BYTES * optimized.tensors
    # What a microbatch leaves: gradients, and what FSDP keeps whole, in a pipeline the sums of gradients too.
    left = sum(_kept(stage.forward(traced.first) + stage.backward(traced.first)) for stage in held_stages)
    gathered = max(0, left - optimized.bytes)
    if len(stages) == 1:
        first, following = (_above(stages[0].forward(s) + stages[0].backward(s)) for s in (traced.first, traced.next))
        activations = max(first, left + following if len(passes) > 2 else 0) - optimized.bytes - gathered
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


_STEP_BYTES = 4  # torch's AdamW counts the steps of each parameter in a float32
# Over PCIe 5.0 x16, one direction, at the same share as the other links. Source: PCI-SIG, 64 GB/s.
_PCIE = 0.8 * 63e9


def _seconds(segment: Segment, topology: Topology, gpu: GPU, overlapped: frozenset[str]) -> tuple[float, float]:
    """Returns a segment's seconds, and how many of them it waits for the links.

    Collectives of tensor and context parallelism are waited for; FSDP's, in streams of their own, where they last
    longer than the segment's own work.
    """
    links = {
        degree: topology.seconds(degree, received, segment.cost.calls[degree], gpu)
        for degree, received in segment.cost.received.items()
    }
    waited = sum(seconds for degree, seconds in links.items() if degree not in overlapped)
    work = segment.cost.seconds + waited
    waited += max(0.0, sum(seconds for degree, seconds in links.items() if degree in overlapped) - work)
    return segment.cost.seconds + waited, waited


def estimate(
    config: CodeTrainer.Config,
    world_size: int,
    gpu: GPU,
    *,
    nodes_of: int,
    document_share: float | None = None,
    traced: Trace | None = None,
) -> Estimate:
    """Works out what a configuration holds, sends and takes.

    Args:
        config: complete, and checked for `world_size` processes.
        world_size: GPUs.
        gpu: which.
        nodes_of: GPUs of a node.
        document_share: share of the full L × L attention inside documents; None: half, without document masks.
        traced: of a configuration that differs in nothing that a microbatch of one rank shows; None: traced here.
    """
    topology, stages = topology_of(config, world_size, nodes_of), stages_of(config)
    p, training, shape = config.parallelism, config.training, config.model.shape()
    share = CAUSAL if document_share is None else document_share
    if traced is None:
        traced = trace(config, topology, Roofline(gpu, config.model.attention), share)
    pp, pipelined = p.pipeline_parallel_degree, p.pipeline_parallel_degree > 1
    accumulated = training.global_batch_size // (training.local_batch_size * topology.data_parallel)
    microbatches = training.local_batch_size // p.pipeline_parallel_microbatch_size if pipelined else accumulated
    passes = order(p.pipeline_parallel_schedule, pp, len(stages), microbatches)
    own = [sorted({one.stage for one in rank}) for rank in passes]
    memory = [_rank_memory(config, own[i], stages, passes[i], traced, topology.rank({"pp": i})) for i in range(pp)]

    overlapped = frozenset({"fsdp", "replicate"} | ({"tp"} if config.compile.enable_async_tensor_parallel else set()))
    forward = [[_seconds(s, topology, gpu, overlapped) for s in stage.forward(traced.next)] for stage in stages]
    backward = [[_seconds(s, topology, gpu, overlapped) for s in stage.backward(traced.next)] for stage in stages]
    halves = {
        "forward": (forward, 1.0),
        "backward": (backward, 1.0),
        "input": (backward, 0.5),
        "weight": (backward, 0.5),
    }

    def seconds(one: Pass) -> float:
        parts, factor = halves[one.kind]
        return factor * sum(part[0] for part in parts[one.stage])

    transfer_s = topology.seconds("pp", traced.hidden, 1, gpu)
    played = play(passes, seconds, transfer_s)
    rounds = accumulated if pipelined else 1
    traffic = _traffic(config, topology, gpu, stages, own, traced, microbatches, rounds, overlapped)
    # Nothing is left to hide the reductions behind a pipeline's last backward pass, nor, at its start, the gathers.
    once = [_once([stages[i] for i in numbers], traced, topology, config) for numbers in own] if pipelined else []
    reduced_s = max(
        (sum(topology.seconds(k, n, cost.calls[k], gpu) for k, n in cost.received.items()) for cost in once),
        default=0.0,
    )
    fullest = max(memory, key=lambda one: one.parameters)
    moved = 2 * fullest.parameters + 2 * fullest.gradients + 2 * fullest.optimizer
    optimizer_s = moved / (MEMORY_SHARE * gpu.memory_bandwidth)
    if training.enable_cpu_offload:
        # Weights come for both passes of each microbatch and gradients go back; AdamW on the CPU is not counted.
        optimizer_s = rounds * microbatches * (2 * fullest.parameters + fullest.gradients) / _PCIE
    waiting_s = sum(part[1] for parts in (forward, backward) for stage in parts for part in stage)
    attention = shape.flops_per_token(training.seq_len) - shape.flops_per_token(0)
    full = float(shape.flops_per_token(training.seq_len))
    flops = {"full": full, "causal": full - (1 - CAUSAL) * attention}
    if document_share is not None:
        flops["documents"] = full - (1 - document_share) * attention
    fp8 = config.float8.recipe != "none" and not config.float8.emulate
    return Estimate(
        topology, gpu, stages, memory, traffic,
        step_s=rounds * (played.seconds + reduced_s) + optimizer_s,
        waiting_s=rounds * (microbatches * waiting_s / pp + reduced_s),
        optimizer_s=optimizer_s,
        bubble=played.bubble if pipelined else 0.0,
        tokens_per_step=training.global_batch_size * training.seq_len,
        steps=training.steps,
        flops_per_token=flops,
        peak_flops=gpu.fp8_flops if fp8 else gpu.bf16_flops,
        precision="fp8" if fp8 else "bf16",
    )  # fmt: skip


def _traffic(
    config: CodeTrainer.Config,
    topology: Topology,
    gpu: GPU,
    stages: Sequence[Stage],
    own: Sequence[Sequence[int]],
    traced: Trace,
    microbatches: int,
    rounds: int,
    overlapped: frozenset[str],
) -> list[Traffic]:
    """Returns what the rank that receives most of a degree receives of it in a step."""
    pipelined = topology.degrees["pp"] > 1
    most: dict[str, tuple[float, float]] = {}
    for numbers in own:
        cost = Cost()
        for stage in (stages[i] for i in numbers):
            first, following = (sum_cost(stage.forward(s) + stage.backward(s)) for s in (traced.first, traced.next))
            cost = cost + (first + following * (microbatches - 1)) * rounds
            if pipelined:
                cost = cost + _reduction(stage, traced, topology, config) * rounds
                tensors = ((not stage.first) + (not stage.last)) * microbatches * rounds
                cost = cost + Cost(0.0, 0.0, {"pp": tensors * traced.hidden}, {"pp": tensors})
        for degree, received in cost.received.items():
            most[degree] = max(most.get(degree, (0.0, 0.0)), (received, cost.calls[degree]))
    return [
        Traffic(
            degree, received, calls, topology.link(degree), topology.seconds(degree, received, calls, gpu),
            degree in overlapped or degree == "pp",
        )
        for degree, (received, calls) in sorted(most.items(), key=lambda item: -item[1][0])
        if received
    ]  # fmt: skip


def sum_cost(segments: Sequence[Segment]) -> Cost:
    """Returns the work of all segments."""
    return reduce(lambda total, segment: total + segment.cost, segments, Cost())


def _once(own: Sequence[Stage], traced: Trace, topology: Topology, config: CodeTrainer.Config) -> Cost:
    """Returns what a pipeline rank receives of FSDP once a step: gathers of the first microbatch, and reductions."""
    total = Cost()
    for stage in own:
        first, following = (sum_cost(stage.forward(s) + stage.backward(s)) for s in (traced.first, traced.next))
        more = {k: first.received.get(k, 0) - following.received.get(k, 0) for k in ("fsdp", "replicate")}
        calls = {k: max(0, first.calls.get(k, 0) - following.calls.get(k, 0)) for k in more}
        gathers = Cost(0.0, 0.0, {k: max(0.0, n) for k, n in more.items()}, calls)
        total = total + gathers + _reduction(stage, traced, topology, config)
    return total


def _reduction(stage: Stage, traced: Trace, topology: Topology, config: CodeTrainer.Config) -> Cost:
    """Returns the collectives that reduce a stage's gradients once a step, a call for each of FSDP's groups."""
    held, _ = _held([stage], traced, tied=False)
    shards, copies = topology.size("fsdp"), topology.size("replicate")
    calls = stage.blocks + stage.first + stage.last
    size = held.bytes * (1 if config.training.dtype == "float32" else 2)  # reduced in float32
    received = {"fsdp": size * (shards - 1.0), "replicate": 2.0 * size * (copies - 1) / copies}
    return Cost(0.0, 0.0, received, {"fsdp": calls if shards > 1 else 0, "replicate": calls if copies > 1 else 0})
