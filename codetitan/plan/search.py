"""`codetitan plan --search`: the degrees, microbatches and checkpointing that the rules allow, ranked by the estimate.

A microbatch is traced with one row and with two, once for each tensor and context parallelism, with and without stages,
and each checkpointing policy; more rows cost in proportion, and FSDP's shards follow from their number. The best few
are then traced as they are.
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from tqdm import tqdm

from codetitan.config import degrees, model
from codetitan.errors import ConfigError
from codetitan.plan import forks
from codetitan.plan.estimate import Estimate, causal_share, estimate, topology_of
from codetitan.plan.gpus import GPU
from codetitan.plan.topology import Topology
from codetitan.plan.tracing.ledger import Cost, Segment
from codetitan.plan.tracing.roofline import Roofline
from codetitan.plan.tracing.trace import Shards, Trace, reduces_once, trace
from codetitan.titan import FullAC, SelectiveAC
from codetitan.training.trainer import CodeTrainer

CHECKPOINTING = {"none": None, "selective": SelectiveAC.Config, "full": FullAC.Config}
_LONG = 16384  # from here on context parallelism is tried
_FINALISTS = 4


@dataclass(frozen=True)
class Candidate:
    """Settings to try. `rows` is a microbatch's; `shard` FSDP's ranks, over which weights are sharded."""

    tp: int
    cp: int
    pp: int
    shard: int
    replicate: int
    rows: int
    checkpointing: str

    def settings(self, global_batch_size: int, schedule: str) -> dict[str, Any]:
        """Returns key → value of the configuration."""
        per_rank = global_batch_size // (self.shard * self.replicate)
        keys: dict[str, Any] = {
            "training.global_batch_size": global_batch_size,
            "parallelism.data_parallel_replicate_degree": self.replicate,
            "parallelism.data_parallel_shard_degree": self.shard,
            "parallelism.tensor_parallel_degree": self.tp,
            "parallelism.context_parallel_degree": self.cp,
            "parallelism.pipeline_parallel_degree": self.pp,
            "training.local_batch_size": per_rank if self.pp > 1 else self.rows,
            "activation_checkpoint.name": self.checkpointing,
        }
        if self.pp > 1:
            keys |= {
                "parallelism.pipeline_parallel_microbatch_size": self.rows,
                "parallelism.pipeline_parallel_schedule": schedule,
            }
        return keys


def _powers_of_two(limit: int) -> list[int]:
    return [1 << i for i in range(limit.bit_length()) if 1 << i <= limit]


def candidates(config: CodeTrainer.Config, world_size: int, nodes_of: int) -> Iterator[Candidate]:
    """Yields the settings that fill the GPUs: TP and CP inside a node, FSDP over all the rest or inside a node."""
    training, own = config.training, config.parallelism
    lengths = {1, own.context_parallel_degree} | ({2, 4} if training.seq_len >= _LONG else set())
    for tp in _powers_of_two(min(nodes_of, world_size)):
        for cp in sorted(lengths):
            for pp in sorted({1, 2, 4, 8, own.pipeline_parallel_degree}):
                if world_size % (tp * cp * pp) or tp * cp > nodes_of:
                    continue
                dp = world_size // (tp * cp * pp)
                if training.global_batch_size % dp:
                    continue
                inside = nodes_of // (tp * cp)
                layouts = {dp} | ({inside} if dp > inside and dp % inside == 0 else set())
                for shard in layouts:
                    for rows in _powers_of_two(training.global_batch_size // dp):
                        if training.global_batch_size // dp % rows == 0:
                            for name in CHECKPOINTING:
                                yield Candidate(tp, cp, pp, shard, dp // shard, rows, name)


def apply(config: CodeTrainer.Config, candidate: Candidate, world_size: int) -> CodeTrainer.Config | None:
    """Returns the configuration with a candidate's settings; None where the rules of degrees and FP8 refuse them."""
    per_rank = config.training.global_batch_size // (candidate.shard * candidate.replicate)
    policy = CHECKPOINTING[candidate.checkpointing]
    try:
        changed = replace(  # type: ignore[call-arg]  # fields of torchtitan's
            config,
            parallelism=replace(
                config.parallelism,
                data_parallel_replicate_degree=candidate.replicate,
                data_parallel_shard_degree=candidate.shard,
                tensor_parallel_degree=candidate.tp,
                context_parallel_degree=candidate.cp,
                pipeline_parallel_degree=candidate.pp,
                pipeline_parallel_microbatch_size=candidate.rows if candidate.pp > 1 else 1,
                module_fqns_per_model_part=None,
                pipeline_parallel_layers_per_stage=None,
            ),
            training=replace(config.training, local_batch_size=per_rank if candidate.pp > 1 else candidate.rows),  # type: ignore[call-arg]
            activation_checkpoint=None if policy is None else policy(),
        )
        degrees.check(changed, world_size)
        model.check_float8(changed)
    except (ConfigError, ValueError):
        return None
    shallow = copy.copy(config.model_spec.model)
    shallow.stages = degrees.pipeline_stages(changed)
    changed.model_spec = replace(config.model_spec, model=shallow)
    return changed


def _line(one: float, two: float, rows: int) -> float:
    return one + (rows - 1) * (two - one)


def _cost(one: Cost, two: Cost, rows: int) -> Cost:
    return Cost(
        _line(one.seconds, two.seconds, rows),
        _line(one.flops, two.flops, rows),
        {k: _line(n, two.received.get(k, n), rows) for k, n in one.received.items()},
        {k: _line(n, two.calls.get(k, n), rows) for k, n in one.calls.items()},
    )


def of_rows(one: Trace, two: Trace, rows: int) -> Trace:
    """Returns the trace of a microbatch of `rows` rows, on the line through those of one and two."""

    def segments(a: list[Segment], b: list[Segment]) -> list[Segment]:
        return [
            Segment(
                x.name,
                round(_line(x.kept, y.kept, rows)),
                round(_line(x.above, y.above, rows)),
                _cost(x.cost, y.cost, rows),
            )
            for x, y in zip(a, b, strict=True)
        ]

    return Trace(
        segments(one.first, two.first),
        segments(one.next, two.next),
        segments(one.last, two.last),
        one.parameters,
        round(_line(one.hidden, two.hidden, rows)),
    )


def resharded(traced: Trace, before: Topology, after: Topology, *, reduces_once: bool) -> Trace:
    """Returns the trace with FSDP's shards of another mesh, which has the same tensor and context parallelism.

    Shards, the gradients that come in a step's first microbatch, and what gathering and reducing them moves change.
    Where both meshes reduce once a step, no microbatch does, and gradients stay whole.
    """
    was, now, copies = before.size("fsdp"), after.size("fsdp"), after.size("replicate")
    shards = {name: Shards(round(held.bytes * was / now), held.tensors) for name, held in traced.parameters.items()}
    gather = (now - 1) / now / ((was - 1) / was) if was > 1 else 0.0
    reduced = {"block": "block", "embed": "embedding", "head": "head"}  # by a segment's first letters

    def segment(one: Segment, *, first: bool) -> Segment:
        name = next((name for start, name in reduced.items() if one.name.startswith(start)), "")
        received, calls = dict(one.cost.received), dict(one.cost.calls)
        if "fsdp" in received:
            received["fsdp"] *= gather
        grows = 0
        if not reduces_once and (one.name.endswith("backward") or name == "head"):
            held = shards[name]
            if copies > 1:
                received["replicate"], calls["replicate"] = 2 * held.bytes * (copies - 1) / copies, 1
            grows = held.bytes - traced.parameters[name].bytes if first else 0
        cost = replace(one.cost, received=received, calls=calls)
        return replace(one, kept=one.kept + grows, above=one.above + max(0, grows), cost=cost)

    return replace(
        traced,
        first=[segment(one, first=True) for one in traced.first],
        next=[segment(one, first=False) for one in traced.next],
        last=[segment(one, first=False) for one in traced.last],
        parameters=shards,
    )


@dataclass(frozen=True)
class Found:
    """A candidate, the configuration that it makes, and what is estimated of it."""

    candidate: Candidate
    config: CodeTrainer.Config
    plan: Estimate


def search(
    config: CodeTrainer.Config, world_size: int, gpu: GPU, *, nodes_of: int, document_share: float | None, at_most: int
) -> tuple[list[Found], int]:
    """Returns the best candidates that fit, best first, and how many were compared.

    Args:
        config: complete; its degrees, microbatches and checkpointing are replaced, everything else stays.
        world_size: GPUs.
        gpu: which.
        nodes_of: GPUs of a node.
        document_share: see `codetitan.plan.estimate.estimate`.
        at_most: how many to return.
    """
    valid = [
        (candidate, changed)
        for candidate in candidates(config, world_size, nodes_of)
        if (changed := apply(config, candidate, world_size)) is not None
    ]
    groups: dict[tuple[Any, ...], list[tuple[Candidate, CodeTrainer.Config]]] = {}
    for candidate, changed in valid:
        once = reduces_once(changed, topology_of(changed, world_size, nodes_of))
        key = (candidate.tp, candidate.cp, candidate.pp > 1, candidate.checkpointing, once)
        groups.setdefault(key, []).append((candidate, changed))
    window = config.model.shape().sliding_window
    share = causal_share(config.training.seq_len, window) if document_share is None else document_share
    samples = [max(members, key=lambda member: (member[0].shard, -member[0].pp))[1] for members in groups.values()]
    meshes = [topology_of(sample, world_size, nodes_of) for sample in samples]
    traces = _trace_all(samples, meshes, Roofline(gpu, config.model.attention), share)
    found = []
    for ((*_, once), members), mesh, (one, two) in zip(groups.items(), meshes, traces, strict=True):
        for candidate, changed in members:
            traced = of_rows(one, two, candidate.rows)
            after = topology_of(changed, world_size, nodes_of)
            traced = resharded(traced, mesh, after, reduces_once=once)
            plan = estimate(changed, world_size, gpu, nodes_of=nodes_of, document_share=document_share, traced=traced)
            if plan.fits:
                found.append(Found(candidate, changed, plan))
    traced_whole: list[Candidate] = []
    while found:  # until the best of all has been traced as it is, and some others with it
        found.sort(key=lambda one: -one.plan.tok_per_s_per_gpu)
        left = [i for i, one in enumerate(found[:_FINALISTS]) if one.candidate not in traced_whole]
        if not left:
            break
        finalist = found.pop(left[0])
        traced_whole.append(finalist.candidate)
        plan = estimate(finalist.config, world_size, gpu, nodes_of=nodes_of, document_share=document_share)
        if plan.fits:
            found.append(replace(finalist, plan=plan))
    return found[:at_most], len(valid)


def _trace_all(
    samples: list[CodeTrainer.Config], meshes: list[Topology], roofline: Roofline, share: float
) -> list[tuple[Trace, Trace]]:
    """Returns the traces of one and of two rows for each sample."""
    jobs = [
        partial(trace, _with_rows(sample, rows), mesh, roofline, share)
        for sample, mesh in zip(samples, meshes, strict=True)
        for rows in (1, 2)
    ]
    done = list(tqdm(forks.run(jobs), total=len(jobs), desc="tracing", disable=None))
    return list(zip(done[::2], done[1::2], strict=True))


def _with_rows(config: CodeTrainer.Config, rows: int) -> CodeTrainer.Config:
    pipelined = config.parallelism.pipeline_parallel_degree > 1
    return replace(  # type: ignore[call-arg]
        config,
        training=replace(config.training, local_batch_size=config.training.local_batch_size if pipelined else rows),  # type: ignore[call-arg]
        parallelism=replace(config.parallelism, pipeline_parallel_microbatch_size=rows if pipelined else 1),
    )
