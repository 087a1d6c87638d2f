"""What `codetitan plan` prints of a configuration: tables of memory, traffic and time, and what to change."""

from dataclasses import asdict
from typing import Any

from codetitan.config.choice import Choice
from codetitan.config.schema import hints, split
from codetitan.plan.estimate import Estimate
from codetitan.plan.gpus import GIB
from codetitan.plan.memory import FRAGMENTATION, RESERVED, Memory
from codetitan.plan.report.drawing import contents, draw
from codetitan.plan.report.tables import columns, count, gib
from codetitan.titan import FullAC, SelectiveAC
from codetitan.training.console import count as count_tokens
from codetitan.training.metrics import duration
from codetitan.training.trainer import CodeTrainer


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
        rows.append([name, *map(gib, values)])
    shown = [i for i in range(len(rows[0])) if i < 4 or i > 5 or any(row[i] != "0.00" for row in rows[1:])]
    table = columns([[row[i] for i in shown] for row in rows])
    lines = ["memory  GiB a GPU, of the rank with the largest shards", *table]
    if any(one.offloaded for one in plan.memory):
        lines.append("  parameters, gradients and optimizer states lie in the node's memory, and are not in the peak")
    fullest = plan.fullest
    share = 100 * fullest.needed / plan.gpu.memory
    verdict = "fits" if plan.fits else "DOES NOT FIT"
    lines.append(
        f"  {verdict}: {gib(fullest.needed)} of {gib(plan.gpu.memory)} GiB ({share:.0f} %); assumed of it: "
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
    return ["traffic of a GPU and step", *columns(rows)]


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
    length = f"{plan.steps:,} steps"
    if plan.epochs is not None:
        length = f"the steps of training.epochs = {plan.epochs} are counted where the data is; {length}"
    return [
        *lines,
        f"time    {plan.step_s:.3f} s a step of {plan.tokens_per_step:,} tokens; {', '.join(parts)}",
        f"  {plan.tok_per_s_per_gpu:,.0f} tok/s/GPU, {plan.tok_per_s_per_gpu * gpus:,.0f} tok/s in all",
        *_validation(plan),
        f"  MFU of {plan.peak_flops / 1e12:,.0f} TFLOP/s ({plan.precision.upper()}): {mfu}",
        f"  {length}, {count_tokens(plan.steps * plan.tokens_per_step)} tokens: {duration(plan.seconds)} "
        f"({hours:,.1f} h, {hours * gpus:,.0f} GPU-hours)",
        "  assumed: shares of the peaks (plan/tracing/roofline.py, plan/topology.py); no stragglers, saving, loading",
    ]


def _validation(plan: Estimate) -> list[str]:
    if not plan.rounds or not plan.round_tokens:
        return []
    share = plan.rounds * plan.round_s / plan.seconds
    return [
        f"  validation: {count(plan.rounds, 'round')} of {plan.round_tokens:,} tokens, {plan.round_s:.2f} s each: "
        f"{100 * share:.1f} % of the time"
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
    """Returns what to change where it does not fit, the cheapest first, or where much of the memory lies idle."""
    if plan.fits and plan.fullest.needed < plan.gpu.memory / 3:
        share = 100 * plan.fullest.needed / plan.gpu.memory
        return [
            f"change  {share:.0f} % of the memory is used; larger microbatches or less checkpointing may be faster: "
            "--search"
        ]
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
    return [f"change  {gib(missing)} GiB are missing; one of:", *(f"  {tip}" for tip in tips), "  or ask: --search"]


def text(plan: Estimate, config: CodeTrainer.Config, no_share: str) -> str:
    """Returns the report; `no_share` says why no documents were counted."""
    shape, training = config.model.shape(), config.training
    p = config.parallelism
    rows = p.pipeline_parallel_microbatch_size if p.pipeline_parallel_degree > 1 else training.local_batch_size
    precision = f"FP8 {config.float8.recipe}" if config.float8.recipe != "none" else training.mixed_precision_param
    head = [
        f"plan    {config.model.flavor}, {shape.n_params / 1e6:,.1f}M parameters, on {plan.topology.world_size} × "
        f"{plan.gpu.name}",
        f"  {training.global_batch_size} × {training.seq_len:,} tokens a step, microbatches of {count(rows, 'row')}",
        f"  {precision}, {config.model.attention} attention, activation checkpointing "
        f"{_choice(config, 'activation_checkpoint')}, compile {'on' if config.compile.enable else 'off'}",
    ]
    stages = []
    if len(plan.stages) > 1:
        stages = [f"stages  {p.pipeline_parallel_schedule}"]
        for i, stage in enumerate(plan.stages):
            rank = next(r for r, one in enumerate(plan.memory) if i in one.stages)
            stages.append(f"  stage {i} on pipeline rank {rank}: {contents(stage)}")
    sections = [
        head,
        draw(plan.topology, plan.gpu),
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
            "validation_rounds": plan.rounds,
            "validation_round_s": plan.round_s,
            "hours": plan.seconds / 3600,
            "gpu_hours": plan.seconds / 3600 * plan.topology.world_size,
        },
    }
