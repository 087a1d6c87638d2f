"""From the trace of three blocks to a whole run: memory of every pipeline rank, a step's time, and what that makes."""

from dataclasses import dataclass

from codetitan.config import degrees
from codetitan.config.values import number_of_tokens
from codetitan.plan.gpus import GPU
from codetitan.plan.memory import Memory, rank_memory
from codetitan.plan.schedule import Pass, order, play
from codetitan.plan.stage import Stage, stages_of
from codetitan.plan.topology import Topology
from codetitan.plan.tracing.roofline import MEMORY_SHARE, Roofline
from codetitan.plan.tracing.trace import Trace, reduces_once, trace
from codetitan.plan.traffic import Traffic, once, seconds_of, traffic_of
from codetitan.training.trainer import CodeTrainer

# Over PCIe 5.0 x16, one direction, at the same share as the other links. Source: PCI-SIG, 64 GB/s.
_PCIE = 0.8 * 63e9


def causal_share(seq_len: int, window: int | None) -> float:
    """Returns the share of the L × L attention that is not masked, in the limit of many tokens, without documents.

    Half of it; with a sliding window the part of the triangle below the diagonal that is at most `window` tokens away.
    """
    outside = 0.0 if window is None else 1 - min(window, seq_len) / seq_len
    return (1 - outside**2) / 2


@dataclass(frozen=True)
class Estimate:
    """What `codetitan plan` says of a configuration on N GPUs; times in seconds, memory in bytes.

    `steps` are not those of `epochs`, where these are set: what serves them is counted where the data is. `rounds` of
    validation take `round_s` for `round_tokens` each.
    """

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
    epochs: int | None
    rounds: int
    round_s: float
    round_tokens: int
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
        return self.steps * self.step_s + self.rounds * self.round_s


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
        document_share: share of the full L × L attention inside documents; None: of a causal mask.
        traced: of a configuration that differs in nothing that a microbatch of one rank shows; None: traced here.
    """
    topology, stages = topology_of(config, world_size, nodes_of), stages_of(config)
    p, training, shape = config.parallelism, config.training, config.model.shape()
    causal = causal_share(training.seq_len, shape.sliding_window)
    share = causal if document_share is None else document_share
    if traced is None:
        traced = trace(config, topology, Roofline(gpu, config.model.attention), share)
    pp, pipelined = p.pipeline_parallel_degree, p.pipeline_parallel_degree > 1
    accumulated = training.global_batch_size // (training.local_batch_size * topology.data_parallel)
    microbatches = training.local_batch_size // p.pipeline_parallel_microbatch_size if pipelined else accumulated
    passes = order(p.pipeline_parallel_schedule, pp, len(stages), microbatches)
    own = [sorted({one.stage for one in rank}) for rank in passes]
    memory = [rank_memory(config, own[i], stages, passes[i], traced, topology.rank({"pp": i})) for i in range(pp)]

    overlapped = frozenset({"fsdp", "replicate"} | ({"tp"} if config.compile.enable_async_tensor_parallel else set()))
    forward = [[seconds_of(s, topology, gpu, overlapped) for s in stage.forward(traced.next)] for stage in stages]
    backward = [[seconds_of(s, topology, gpu, overlapped) for s in stage.backward(traced.next)] for stage in stages]
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
    traffic = traffic_of(config, topology, gpu, stages, own, traced, microbatches, rounds, overlapped)
    # Nothing is left to hide the reductions behind a pipeline's last backward pass, nor, at its start, the gathers.
    # Without a pipeline each block's are hidden behind the backward of the one before, as in every microbatch else.
    at_once = reduces_once(config, topology)
    whole = [once([stages[i] for i in numbers], traced, topology, config) for numbers in own] if at_once else []
    reduced_s = max(
        (sum(topology.seconds(k, n, cost.calls[k], gpu) for k, n in cost.received.items()) for cost in whole),
        default=0.0,
    )
    if not pipelined:
        reduced_s = max(0.0, reduced_s - sum(part[0] for part in backward[0]))
    fullest = max(memory, key=lambda one: one.parameters)
    moved = 2 * fullest.parameters + 2 * fullest.gradients + 2 * fullest.optimizer
    optimizer_s = moved / (MEMORY_SHARE * gpu.memory_bandwidth)
    if training.enable_cpu_offload:
        # Weights come for both passes of each microbatch and gradients go back; AdamW on the CPU is not counted.
        optimizer_s = rounds * microbatches * (2 * fullest.parameters + fullest.gradients) / _PCIE
    waiting_s = sum(part[1] for parts in (forward, backward) for stage in parts for part in stage)
    attention = shape.flops_per_token(training.seq_len) - shape.flops_per_token(0)
    validation = config.validation
    rounds_ = 0 if validation.interval is None else -(-training.steps // validation.interval)
    of_text = validation.share or validation.sources
    round_tokens = number_of_tokens(validation.tokens, "validation.tokens") if of_text else 0
    groups = -(-round_tokens // (training.seq_len * training.local_batch_size * topology.data_parallel))
    only_forward = play([[one for one in rank if one.kind == "forward"] for rank in passes], seconds, transfer_s)
    # `passes` are those of all microbatches where there is no pipeline.
    round_s = groups * only_forward.seconds / (1 if pipelined else microbatches)
    full = float(shape.flops_per_token(training.seq_len))
    flops = {"full": full, "causal": full - (1 - causal) * attention}
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
        epochs=training.epochs,
        rounds=rounds_,
        round_s=round_s,
        round_tokens=round_tokens,
        flops_per_token=flops,
        peak_flops=gpu.fp8_flops if fp8 else gpu.bf16_flops,
        precision="fp8" if fp8 else "bf16",
    )  # fmt: skip
