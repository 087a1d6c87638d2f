"""What `codetitan plan` prints: the mesh drawn, tables of memory, traffic and time, and what to change."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from codetitan.config.choice import Choice
from codetitan.config.schema import hints, split
from codetitan.plan.estimate import FRAGMENTATION, RESERVED, Estimate, Memory, Stage
from codetitan.plan.gpus import GIB
from codetitan.plan.search import Found
from codetitan.plan.topology import DEGREES, DIMENSIONS, Topology
from codetitan.titan import FullAC, SelectiveAC
from codetitan.training.metrics import duration
from codetitan.training.trainer import CodeTrainer

_NAMES = {"pp": "PP", "dp_replicate": "replicate", "dp_shard": "FSDP", "cp": "CP", "tp": "TP"}


def _gib(size: float) -> str:
    return f"{size / GIB:.2f}"


def _columns(rows: Sequence[Sequence[str]], indent: str = "  ") -> list[str]:
    """Aligns columns: the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        (
            indent
            + "  ".join(
                f"{cell:<{w}}" if i == 0 else f"{cell:>{w}}"
                for i, (cell, w) in enumerate(zip(row, widths, strict=True))
            )
        ).rstrip()
        for row in rows
    ]


def _ranges(numbers: Sequence[int]) -> str:
    """Returns e.g. `0-3` or `0,4,8,…`."""
    if len(numbers) > 1 and list(numbers) == list(range(numbers[0], numbers[-1] + 1)):
        return f"{numbers[0]}-{numbers[-1]}"
    shown = [str(n) for n in numbers[:4]]
    return ",".join(shown) + (",…" if len(numbers) > 4 else "")


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def draw(topology: Topology) -> list[str]:
    """Draws the first node (at most 16 ranks a line), a cell a rank, and says where each degree's groups reach."""
    active = [name for name in DIMENSIONS if topology.degrees[name] > 1]
    shape = " · ".join(f"{_NAMES[name]} {topology.degrees[name]}" for name in active) or "one process"
    nodes = -(-topology.world_size // topology.nodes_of)
    ranks = list(range(min(topology.world_size, topology.nodes_of)))
    lines = [
        f"mesh    {shape} = {_count(topology.world_size, 'GPU')} on {_count(nodes, 'node')} of {topology.nodes_of}"
    ]
    if active:
        cells = [["rank", *map(str, ranks)]]
        for name in active:
            cells.append([_NAMES[name], *(str(topology.coordinates(rank)[name]) for rank in ranks)])
        lines.append("  node 0" + ("; the other nodes go on in this order" if nodes > 1 else ""))
        for first in range(1, len(ranks) + 1, 16):
            lines += _columns([[row[0], *row[first : first + 16]] for row in cells], "    ")
    for degree, dimensions in DEGREES.items():
        size = topology.size(degree)
        if size == 1 or (degree == "cp" and topology.degrees["cp"] == 1):
            continue
        reach, group = topology.nodes(degree), topology.group_of_0(degree)
        where = "inside a node" if reach == 1 else f"over {reach} nodes"
        name = " · ".join(_NAMES[d] for d in dimensions if topology.degrees[d] > 1)
        label = f"{name} (sharded weights)" if degree == "fsdp" and topology.degrees["cp"] > 1 else name
        lines.append(f"  {label}: groups of {size} {where}, {topology.link(degree)} (ranks {_ranges(group)})")
    return lines


def _contents(stage: Stage) -> str:
    blocks = [int(name.split(".")[1]) for name in stage.modules if name.startswith("layers.")]
    parts = ["embedding"] * stage.first
    if blocks:
        parts.append(f"blocks {_ranges(blocks)}" if len(blocks) > 1 else f"block {blocks[0]}")
    parts += ["norm and head"] * stage.last
    return ", ".join(parts)


def _memory(plan: Estimate) -> list[str]:
    rows = [
        ["rank", "parameters", "gradients", "optimizer", "FSDP's whole", "buffers", "activations", "peak", "needed"]
    ]
    for one in plan.memory:
        name = f"{one.rank}" if len(plan.memory) == 1 else f"{one.rank} (stage {', '.join(map(str, one.stages))})"
        values = (
            one.parameters,
            one.gradients,
            one.optimizer,
            one.gathered,
            one.buffers,
            one.activations,
            one.peak,
            one.needed,
        )
        rows.append([name, *map(_gib, values)])
    shown = [i for i in range(len(rows[0])) if i < 4 or i > 5 or any(row[i] != "0.00" for row in rows[1:])]
    table = _columns([[row[i] for i in shown] for row in rows])
    lines = ["memory  GiB a GPU, of the rank with the largest shards", *table]
    if any(one.offloaded for one in plan.memory):
        lines.append("  parameters, gradients and optimizer states lie in the node's memory, and are not in the peak")
    fullest = plan.fullest
    share = 100 * fullest.needed / plan.gpu.memory
    verdict = "fits" if plan.fits else "DOES NOT FIT"
    lines.append(
        f"  {verdict}: {_gib(fullest.needed)} of {_gib(plan.gpu.memory)} GiB ({share:.0f} %); assumed of it: "
        f"{RESERVED / GIB:.0f} GiB for CUDA and NCCL, {100 * FRAGMENTATION:.0f} % for fragmentation"
    )
    return lines


def _traffic(plan: Estimate) -> list[str]:
    if not plan.traffic:
        return []
    rows = [["degree", "received", "collectives", "over", "alone it takes", ""]]
    for link in plan.traffic:
        rows.append(
            [
                link.degree.upper() if link.degree != "replicate" else link.degree,
                f"{link.received / 1e9:,.2f} GB",
                f"{link.calls:,.0f}",
                link.link,
                f"{1e3 * link.seconds:,.1f} ms",
                "overlapped" if link.overlapped else "waited for",
            ]
        )
    return ["traffic of a GPU and step", *_columns(rows)]


def _time(plan: Estimate, no_share: str) -> list[str]:
    flops = plan.flops_per_token
    kinds = {"full": "full attention", "causal": "causal", "documents": "inside documents"}
    lines = ["FLOPs   a token: " + ", ".join(f"{kinds[k]} {n / 1e9:,.2f} G" for k, n in flops.items())]
    if "documents" not in flops:
        lines.append(f"  documents were not counted: {no_share}")
    parts = [
        f"optimizer {1e3 * plan.optimizer_s:.1f} ms",
        f"waiting for links {100 * plan.waiting_s / plan.step_s:.1f} %",
    ]
    if plan.topology.degrees["pp"] > 1:
        parts.append(f"pipeline bubble {100 * plan.bubble:.1f} %")
    mfu = ", ".join(f"{kinds[k]} {100 * plan.mfu(k):.1f} %" for k in ("full", "causal"))
    hours, gpus = plan.seconds / 3600, plan.topology.world_size
    return [
        *lines,
        f"time    {plan.step_s:.3f} s a step of {plan.tokens_per_step:,} tokens; {', '.join(parts)}",
        f"  {plan.tok_per_s_per_gpu:,.0f} tok/s/GPU, {plan.tok_per_s_per_gpu * gpus:,.0f} tok/s in all",
        f"  MFU of {plan.peak_flops / 1e12:,.0f} TFLOP/s ({plan.precision.upper()}): {mfu}",
        f"  {plan.steps:,} steps, {plan.steps * plan.tokens_per_step / 1e9:,.1f}B tokens: {duration(plan.seconds)} "
        f"({hours:,.1f} h, {hours * gpus:,.0f} GPU-hours)",
        "  assumed: shares of the peaks (codetitan/plan/roofline.py, topology.py); no stragglers, saving, data loading",
    ]


def built(plan: Estimate, rank: int, held: int, seconds: float) -> str:
    """Returns the line about the rank that was built: `held` bytes of parameters, in `seconds`."""
    degrees_ = plan.topology.degrees
    place = ", ".join(f"{name} {i}" for name, i in plan.topology.coordinates(rank).items() if degrees_[name] > 1)
    return (
        f"dry run rank {rank}{f' ({place})' if place else ''} of {plan.topology.world_size} was built by the trainer's "
        f"own code, on fake process groups: {held / 2**20:,.1f} MiB of parameters; {seconds:.1f} s"
    )


def advice(plan: Estimate, config: CodeTrainer.Config) -> list[str]:
    """Returns what to change where it does not fit, the cheapest first; nothing where it fits."""
    if plan.fits:
        return []
    fullest, p, training = plan.fullest, config.parallelism, config.training
    missing = fullest.needed - plan.gpu.memory
    tips = []
    if fullest.activations > missing / 2:
        pipelined = p.pipeline_parallel_degree > 1
        if not pipelined and training.local_batch_size > 1:
            tips.append(f"training.local_batch_size = {training.local_batch_size // 2} or so (more accumulation steps)")
        if isinstance(config.activation_checkpoint, SelectiveAC.Config):
            tips.append('activation_checkpoint.name = "full" (recomputes each block)')
        elif not isinstance(config.activation_checkpoint, FullAC.Config):
            tips.append('activation_checkpoint.name = "selective"')
        if config.model.attention == "flex" and plan.topology.world_size > 1:
            tips.append(f"parallelism.context_parallel_degree = {2 * p.context_parallel_degree}")
    static = fullest.parameters + fullest.gradients + fullest.optimizer
    if static + fullest.gathered > min(missing, plan.gpu.memory / 2) or not tips:
        if p.data_parallel_replicate_degree > 1:
            tips.append("parallelism.data_parallel_replicate_degree = 1 (shards over all ranks)")
        tips.append(f"more GPUs, with parallelism.tensor_parallel_degree = {2 * p.tensor_parallel_degree} if need be")
        if not training.enable_cpu_offload:
            tips.append("training.enable_cpu_offload = true (slow)")
    return [f"change  {_gib(missing)} GiB are missing; one of:", *(f"  {tip}" for tip in tips), "  or ask: --search"]


def text(plan: Estimate, config: CodeTrainer.Config, no_share: str) -> str:
    """Returns the report; `no_share` says why no documents were counted."""
    shape, training = config.model.shape(), config.training
    p = config.parallelism
    rows = p.pipeline_parallel_microbatch_size if p.pipeline_parallel_degree > 1 else training.local_batch_size
    precision = f"FP8 {config.float8.recipe}" if config.float8.recipe != "none" else training.mixed_precision_param
    head = [
        f"plan    {config.model.flavor}, {shape.n_params / 1e6:,.1f}M parameters, on {plan.topology.world_size} × "
        f"{plan.gpu.name}",
        f"  {training.global_batch_size} × {training.seq_len:,} tokens a step, microbatches of {_count(rows, 'row')}",
        f"  {precision}, {config.model.attention} attention, activation checkpointing "
        f"{_choice(config, 'activation_checkpoint')}, compile {'on' if config.compile.enable else 'off'}",
    ]
    stages = []
    if len(plan.stages) > 1:
        stages = [f"stages  {p.pipeline_parallel_schedule}"]
        for i, stage in enumerate(plan.stages):
            rank = next(r for r, one in enumerate(plan.memory) if i in one.stages)
            stages.append(f"  stage {i} on pipeline rank {rank}: {_contents(stage)}")
    sections = [
        head,
        draw(plan.topology),
        stages,
        _memory(plan),
        advice(plan, config),
        _traffic(plan),
        _time(plan, no_share),
    ]
    return "\n".join(line for section in sections for line in section)


def _choice(config: CodeTrainer.Config, name: str) -> str:
    _, choice = split(hints(type(config))[name])
    assert isinstance(choice, Choice)
    return choice.name_of(getattr(config, name))


def as_json(plan: Estimate, config: CodeTrainer.Config, no_share: str, rank: int, held: int) -> dict[str, Any]:
    """Returns a plan as plain data: bytes, seconds, FLOPs; `held` bytes of parameters were built on `rank`."""

    def memory(one: Memory) -> dict[str, Any]:
        return asdict(one) | {"peak_bytes": one.peak, "needed_bytes": one.needed}

    return {
        "flavor": config.model.flavor,
        "parameters": config.model.shape().n_params,
        "world_size": plan.topology.world_size,
        "nodes_of": plan.topology.nodes_of,
        "degrees": dict(plan.topology.degrees),
        "gpu": asdict(plan.gpu),
        "stages": [list(stage.modules) for stage in plan.stages],
        "memory": {
            "fits": plan.fits,
            "peak_bytes": plan.fullest.peak,
            "reserved_bytes": int(plan.fullest.peak * (1 + FRAGMENTATION)),
            "needed_bytes": plan.fullest.needed,
            "ranks": [memory(one) for one in plan.memory],
        },
        "traffic": [asdict(link) for link in plan.traffic],
        "flops_per_token": plan.flops_per_token,
        "documents_not_counted": no_share or None,
        "dry_run": {"rank": rank, "parameter_bytes": held},
        "tokens_per_step": plan.tokens_per_step,
        "steps": plan.steps,
        "time": {
            "step_s": plan.step_s,
            "optimizer_s": plan.optimizer_s,
            "waiting_s": plan.waiting_s,
            "bubble": plan.bubble,
            "tok_per_s_per_gpu": plan.tok_per_s_per_gpu,
            "mfu_full": plan.mfu("full"),
            "mfu_causal": plan.mfu("causal"),
            "mfu_peak": plan.precision,
            "hours": plan.seconds / 3600,
            "gpu_hours": plan.seconds / 3600 * plan.topology.world_size,
        },
    }


def ranking(found: Sequence[Found], compared: int) -> str:
    """Returns the table of a search, the best first."""
    settings = ["FSDP", "replicate", "TP", "CP", "PP", "microbatch", "checkpointing"]
    rows = [["", *settings, "GiB", "tok/s/GPU", "MFU", "waiting", "bubble"]]
    for i, one in enumerate(found, start=1):
        c, plan = one.candidate, one.plan
        degrees_ = map(str, (c.shard, c.replicate, c.tp, c.cp, c.pp, c.rows))
        shares = (plan.mfu("full"), plan.waiting_s / plan.step_s, plan.bubble)
        speed = f"{plan.tok_per_s_per_gpu:,.0f}"
        gib = f"{plan.fullest.needed / GIB:.1f}"
        rows.append([str(i), *degrees_, c.checkpointing, gib, speed, *(f"{100 * share:.1f} %" for share in shares)])
    lines = _columns(rows)
    return "\n".join(
        [f"search  {compared} valid settings were compared; those that fit, by estimated tokens a second", *lines]
    )


def fragment(
    best: Found, searched: CodeTrainer.Config, file: Path, overrides: Sequence[str], world_size: int, folder: Path
) -> str:
    """Returns a TOML file for `folder` that extends `file` with the best settings; `overrides` are in a comment."""
    tables: dict[str, list[str]] = {}
    settings = best.candidate.settings(
        best.config.training.global_batch_size, best.config.parallelism.pipeline_parallel_schedule
    )
    written = best.config.parallelism
    for name in ("module_fqns_per_model_part", "pipeline_parallel_layers_per_stage"):
        if getattr(searched.parallelism, name) != getattr(written, name):
            settings[f"parallelism.{name}"] = "none"  # stages are placed by cost
    for key, value in settings.items():
        section, name = key.split(".")
        tables.setdefault(section, []).append(f"{name} = {json.dumps(value)}")
    lines = [
        f"# codetitan plan --search for {world_size} × {best.plan.gpu.name}: an estimated "
        f"{best.plan.tok_per_s_per_gpu:,.0f} tok/s/GPU",
        *([f"# The search had these options, which are not in this file: {' '.join(overrides)}"] if overrides else []),
        f"extends = {json.dumps(os.path.relpath(file, folder))}",
    ]
    for section, settings_ in tables.items():
        lines += ["", f"[{section}]", *settings_]
    return "\n".join(lines) + "\n"
