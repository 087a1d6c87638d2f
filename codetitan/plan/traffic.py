"""What a rank receives of each degree in a step, over which link, and how long it waits for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

from codetitan.plan.gpus import GPU
from codetitan.plan.stage import Stage, parameters_held
from codetitan.plan.topology import Topology
from codetitan.plan.tracing.ledger import Cost, Segment
from codetitan.plan.tracing.trace import Trace, reduces_once
from codetitan.training.trainer import CodeTrainer


@dataclass(frozen=True)
class Traffic:
    """What a rank receives of a degree in a step: bytes, collectives, the link, and seconds alone on it."""

    degree: str
    received: float
    calls: float
    link: str
    seconds: float
    overlapped: bool


def sum_cost(segments: Sequence[Segment]) -> Cost:
    """Returns the work of all segments."""
    return reduce(lambda total, segment: total + segment.cost, segments, Cost())


def seconds_of(segment: Segment, topology: Topology, gpu: GPU, overlapped: frozenset[str]) -> tuple[float, float]:
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


def traffic_of(
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
            if reduces_once(config, topology):
                cost = cost + reduction(stage, traced, topology, config) * rounds
            if pipelined:
                tensors = ((not stage.first) + (not stage.last)) * microbatches * rounds
                cost = cost + Cost(0.0, 0.0, {"pp": tensors * traced.hidden}, {"pp": tensors})
        for degree, received in cost.received.items():
            most[degree] = max(most.get(degree, (0.0, 0.0)), (received, cost.calls[degree]))
    return [
        Traffic(
            degree, received, calls, topology.link(degree, gpu), topology.seconds(degree, received, calls, gpu),
            degree in overlapped or degree == "pp",
        )
        for degree, (received, calls) in sorted(most.items(), key=lambda item: -item[1][0])
        if received
    ]  # fmt: skip


def once(own: Sequence[Stage], traced: Trace, topology: Topology, config: CodeTrainer.Config) -> Cost:
    """Returns what a pipeline rank receives of FSDP once a step: gathers of the first microbatch, and reductions."""
    total = Cost()
    for stage in own:
        first, following = (sum_cost(stage.forward(s) + stage.backward(s)) for s in (traced.first, traced.next))
        more = {k: first.received.get(k, 0) - following.received.get(k, 0) for k in ("fsdp", "replicate")}
        calls = {k: max(0, first.calls.get(k, 0) - following.calls.get(k, 0)) for k in more}
        gathers = Cost(0.0, 0.0, {k: max(0.0, n) for k, n in more.items()}, calls)
        total = total + gathers + reduction(stage, traced, topology, config)
    return total


def reduction(stage: Stage, traced: Trace, topology: Topology, config: CodeTrainer.Config) -> Cost:
    """Returns the collectives that reduce a stage's gradients once a step, a call for each of FSDP's groups."""
    held, _ = parameters_held([stage], traced, tied=False)
    shards, copies = topology.size("fsdp"), topology.size("replicate")
    calls = stage.blocks + stage.first + stage.last
    size = held.bytes * (1 if config.training.dtype == "float32" else 2)  # reduced in float32
    received = {"fsdp": size * (shards - 1.0), "replicate": 2.0 * size * (copies - 1) / copies}
    return Cost(0.0, 0.0, received, {"fsdp": calls if shards > 1 else 0, "replicate": calls if copies > 1 else 0})
