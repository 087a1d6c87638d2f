"""What depends on several keys or on the number of processes: a rule a function. `data` has those of the data.
`machine`, which resolve calls after these, has those of the machine.

Each raises ConfigError with the key, its value, the rule and a fix. They run before a process group starts, on a
configuration whose types are right.
"""

import inspect
import math
import re
from collections.abc import Callable
from dataclasses import replace
from math import gcd, lcm, prod
from pathlib import Path
from typing import Any

from codetitan.config import data
from codetitan.errors import ConfigError, did_you_mean
from codetitan.models.code.attention import CAUSAL
from codetitan.models.code.flavors import FLAVORS
from codetitan.models.code.pipeline import is_looped, is_v_shaped
from codetitan.models.code.spec import model_config
from codetitan.models.code.stages import blocks_per_stage, modules_per_stage
from codetitan.titan import ChunkedLossWrapper, MemoryBudgetAC, canonical_fqn
from codetitan.trainer import CodeTrainer

Config = CodeTrainer.Config

# key → (holds, the rule in words)
_AT_LEAST_ONE: tuple[Callable[[float], bool], str] = (lambda x: x >= 1, "must be at least 1")
_POSITIVE: tuple[Callable[[float], bool], str] = (lambda x: x > 0, "must be above 0")
_NOT_NEGATIVE: tuple[Callable[[float], bool], str] = (lambda x: x >= 0, "must not be negative")
_SHARE: tuple[Callable[[float], bool], str] = (lambda x: 0 <= x <= 1, "must lie between 0 and 1")
_RANGES: dict[str, tuple[Callable[[float], bool], str]] = {
    "training.steps": _AT_LEAST_ONE,
    "training.seq_len": (lambda x: x >= 2, "must be at least 2"),
    "training.local_batch_size": _AT_LEAST_ONE,
    "training.max_norm": _POSITIVE,
    "training.gc_freq": _AT_LEAST_ONE,
    "optimizer.lr": _POSITIVE,
    "optimizer.eps": _POSITIVE,
    "optimizer.weight_decay": _NOT_NEGATIVE,
    "lr_scheduler.warmup_steps": _NOT_NEGATIVE,
    "lr_scheduler.warmup_ratio": _SHARE,
    "lr_scheduler.total_steps": _AT_LEAST_ONE,
    "lr_scheduler.decay_ratio": _SHARE,
    "lr_scheduler.min_lr_factor": _SHARE,
    "metrics.log_freq": _AT_LEAST_ONE,
    "checkpoint.interval": _AT_LEAST_ONE,
    "parallelism.data_parallel_replicate_degree": _AT_LEAST_ONE,
    "parallelism.tensor_parallel_degree": _AT_LEAST_ONE,
    "parallelism.pipeline_parallel_degree": _AT_LEAST_ONE,
    "parallelism.context_parallel_degree": _AT_LEAST_ONE,
    "parallelism.pipeline_parallel_layers_per_stage": _AT_LEAST_ONE,
    "parallelism.pipeline_parallel_microbatch_size": _AT_LEAST_ONE,
    "model.rope.theta": _POSITIVE,
    "model.rope.factor": _AT_LEAST_ONE,
    "model.rope.original_seq_len": _AT_LEAST_ONE,
    "model.rope.beta_fast": _POSITIVE,
    "model.rope.beta_slow": _POSITIVE,
    "model.dim": _AT_LEAST_ONE,
    "model.n_layers": _AT_LEAST_ONE,
    "model.n_heads": _AT_LEAST_ONE,
    "model.n_kv_heads": _AT_LEAST_ONE,
    "model.ffn_dim": _AT_LEAST_ONE,
    "model.vocab_size": _AT_LEAST_ONE,
    "loss.num_chunks": _AT_LEAST_ONE,
    "comm.init_timeout_seconds": _AT_LEAST_ONE,
    "comm.train_timeout_seconds": _AT_LEAST_ONE,
}


_OPTIMIZERS = ["AdamW", "Adam"]
_STATES: list[str | None] = ["optimizer", "lr_scheduler", "dataloader", "train_state"]
_BALANCERS: list[str | None] = ["headtail", "ptrr", None]
_SCHEDULES = [
    "1F1B",
    "GPipe",
    "Interleaved1F1B",
    "InterleavedZeroBubble",
    "LoopedBFS",
    "ZBVZeroBubble",
    "DualPipeV",
]


def check_ranges(config: Config) -> None:
    """Each number lies in its range."""
    for key, (holds, rule) in _RANGES.items():
        value: Any = config
        for name in key.split("."):
            value = getattr(value, name, None)
        if value is not None and not holds(value):
            raise ConfigError(f"{key} = {value} {rule}")
    total, steps = config.lr_scheduler.total_steps, config.training.steps
    if total is not None and total < steps:
        raise ConfigError(f"lr_scheduler.total_steps = {total} must be at least training.steps = {steps}")
    if config.debug.seed is None:
        raise ConfigError("debug.seed: must be a whole number: the same TOML gives the same weights")
    if not math.isfinite(config.optimizer.lr):
        raise ConfigError(f"optimizer.lr = {config.optimizer.lr} must be finite")
    budget = config.activation_checkpoint
    if isinstance(budget, MemoryBudgetAC.Config) and not 0 <= budget.memory_budget <= 1:
        raise ConfigError(f"activation_checkpoint.memory_budget = {budget.memory_budget} must lie between 0 and 1")
    for key, values, known in (
        ("checkpoint.exclude_from_loading", config.checkpoint.exclude_from_loading, _STATES),
        ("compile.components", config.compile.components, ["model", "loss"]),
        ("parallelism.context_parallel_load_balancer", [config.parallelism.context_parallel_load_balancer], _BALANCERS),
    ):
        for value in values:
            if value not in known:
                names = ", ".join("none" if name is None else name for name in known)
                hint = did_you_mean(str(value), [name for name in known if name is not None])
                raise ConfigError(f'{key}: "{value}" must be one of {names}{hint}')
    betas = config.optimizer.betas
    if len(betas) != 2 or not all(0 <= beta < 1 for beta in betas):
        raise ConfigError(f"optimizer.betas = {betas} must be two numbers from 0 to below 1, such as [0.9, 0.95]")
    for key, degree in (
        ("training.global_batch_size", config.training.global_batch_size),
        ("parallelism.data_parallel_shard_degree", config.parallelism.data_parallel_shard_degree),
    ):
        if degree != -1 and degree < 1:
            raise ConfigError(f"{key} = {degree} must be at least 1, or -1 to have it worked out")


def check_model(config: Config) -> None:
    """The flavor exists, and its shape (with the changes of [model]) is one that can be built."""
    flavor = config.model.flavor
    if flavor not in FLAVORS:
        raise ConfigError(
            f'model.flavor = "{flavor}" must be one of {", ".join(FLAVORS)}{did_you_mean(flavor, FLAVORS)}'
        )
    shape = config.model.shape()
    if shape.dim % shape.n_heads or shape.head_dim % 2:
        raise ConfigError(
            f"model.dim = {shape.dim} must be an even multiple of model.n_heads = {shape.n_heads}: heads of even width"
        )
    if shape.n_heads % shape.n_kv_heads:
        fitting = [n for n in range(1, shape.n_heads + 1) if shape.n_heads % n == 0]
        raise ConfigError(
            f"model.n_kv_heads = {shape.n_kv_heads} must divide model.n_heads = {shape.n_heads}; "
            f"fitting: {', '.join(map(str, fitting))}"
        )


def smallest_world_size(config: Config) -> int:
    """Returns the fewest processes that the degrees allow."""
    p = config.parallelism
    degrees = (
        p.data_parallel_replicate_degree,
        max(1, p.data_parallel_shard_degree),
        p.context_parallel_degree,
        p.tensor_parallel_degree,
        p.pipeline_parallel_degree,
    )
    return prod(max(1, degree) for degree in degrees)


def data_parallel_degree(config: Config, world_size: int) -> int:
    """Returns R = replicate × shard.

    Raises:
        ConfigError: the degrees do not multiply to the number of processes.
    """
    p = config.parallelism
    names = [
        "data_parallel_replicate_degree",
        "context_parallel_degree",
        "tensor_parallel_degree",
        "pipeline_parallel_degree",
    ]
    fixed = prod(getattr(p, name) for name in names)
    shard = p.data_parallel_shard_degree
    if shard == -1 and world_size % fixed == 0:
        return int(p.data_parallel_replicate_degree * (world_size // fixed))
    if shard != -1 and fixed * shard == world_size:
        return int(p.data_parallel_replicate_degree * shard)
    used = {name: getattr(p, name) for name in [*names, "data_parallel_shard_degree"]}
    shown = " · ".join(f"{name} {degree}" for name, degree in used.items() if degree not in (1, -1)) or "all 1"
    product = fixed * (shard if shard != -1 else 1)
    processes = "1 process" if world_size == 1 else f"{world_size} processes"
    need = f"must divide the {processes}" if shard == -1 else f"must be the {processes}"
    raise ConfigError(
        f"parallelism: the degrees ({shown}) multiply to {product}, which {need}; start NGPU={product} processes or "
        "change a degree (parallelism.data_parallel_shard_degree = -1 takes what is left)"
    )


def check_batch(config: Config, world_size: int) -> None:
    """The global batch splits into microbatches over the data-parallel ranks, and those over the pipeline."""
    dp = data_parallel_degree(config, world_size)
    local, rows = config.training.local_batch_size, config.training.global_batch_size
    if rows != -1 and rows % (local * dp):
        step = local * dp
        nearest = max(step, round(rows / step) * step)
        per_rank = f"; or training.local_batch_size = {gcd(rows // dp, local)}" if rows % dp == 0 else ""
        raise ConfigError(
            f"training.global_batch_size = {rows} must be a multiple of training.local_batch_size · data-parallel "
            f"degree = {local} · {dp} = {step}; nearest: {nearest}{per_rank}"
        )
    p = config.parallelism
    if p.pipeline_parallel_degree > 1 and local % p.pipeline_parallel_microbatch_size:
        raise ConfigError(
            f"training.local_batch_size = {local} must be a multiple of parallelism.pipeline_parallel_microbatch_size "
            f"= {p.pipeline_parallel_microbatch_size}"
        )


def check_sequence(config: Config) -> None:
    """The sequence splits over context and tensor parallel ranks and into the loss's chunks."""
    p, seq_len = config.parallelism, config.training.seq_len
    cp, tp = p.context_parallel_degree, p.tensor_parallel_degree
    rule: list[str] = []
    divisor = 1
    if cp > 1:
        # torch splits a block mask at blocks of 128 (and the head-tail load balancer at 2·cp, which that includes).
        rule, divisor = [*rule, "128·cp"], divisor * 128 * cp
    if tp > 1 and p.enable_sequence_parallel:
        rule, divisor = [*rule, "tp"], lcm(divisor, (2 * cp if cp > 1 else 1) * tp)
    if seq_len % divisor:
        nearest = max(divisor, round(seq_len / divisor) * divisor)
        raise ConfigError(
            f"training.seq_len = {seq_len} must divide by {divisor} ({' and '.join(rule)}); nearest: {nearest}"
        )
    if isinstance(config.loss, ChunkedLossWrapper.Config) and (seq_len // cp) % config.loss.num_chunks:
        chunks = config.loss.num_chunks
        nearest = max(chunks * cp, round(seq_len / (chunks * cp)) * chunks * cp)
        raise ConfigError(
            f"training.seq_len = {seq_len} must divide by loss.num_chunks{'·cp' if cp > 1 else ''} = {chunks * cp}; "
            f"nearest: {nearest}; or loss.num_chunks = {gcd(seq_len // cp, chunks)}"
        )


def check_rope(config: Config) -> None:
    """A scaling knows what it scales, and reaches training.seq_len."""
    rope, seq_len = config.model.rope, config.training.seq_len
    if rope.scaling == "none":
        for name in ("factor", "original_seq_len"):
            if getattr(rope, name) is not None:
                raise ConfigError(f'model.rope.{name} has no effect where model.rope.scaling = "none"; remove it')
        return
    if rope.original_seq_len is None:
        raise ConfigError(
            f'model.rope.original_seq_len: missing; model.rope.scaling = "{rope.scaling}" needs the sequence length of '
            "the pre-training, such as 4096"
        )
    if rope.factor is None and seq_len < rope.original_seq_len:
        raise ConfigError(
            f"model.rope.original_seq_len = {rope.original_seq_len} must not exceed training.seq_len = {seq_len}; "
            "for a shorter context set model.rope.factor to that of the pre-training"
        )
    if rope.factor is not None and rope.factor * rope.original_seq_len < seq_len:
        raise ConfigError(
            f"model.rope.factor = {rope.factor} · original_seq_len = {rope.original_seq_len} must reach "
            f"training.seq_len = {seq_len}; set it to {seq_len / rope.original_seq_len:g} or more, or leave it out"
        )


def check_attention(config: Config) -> None:
    """Context parallelism splits the document mask of flex; the other kernels have none that could be split."""
    name, cp = config.model.attention, config.parallelism.context_parallel_degree
    if cp > 1 and name in ("varlen", CAUSAL):
        raise ConfigError(
            f'model.attention = "{name}" does not work under parallelism.context_parallel_degree = {cp}; use "flex"'
        )


def check_tensor_parallel(config: Config) -> None:
    """The heads, the SwiGLU width and the vocabulary split over the ranks; K/V heads split or are replicated."""
    p, shape = config.parallelism, config.model.shape()
    tp = p.tensor_parallel_degree
    sizes = {"n_heads": shape.n_heads, "ffn_dim": shape.ffn_dim, "vocab_size": shape.vocab_size}
    fitting = [
        n
        for n in range(1, shape.n_heads + 1)
        if all(size % n == 0 for size in sizes.values()) and (shape.n_kv_heads % n == 0 or n % shape.n_kv_heads == 0)
    ]
    if tp not in fitting:
        name, size = next(((k, v) for k, v in sizes.items() if v % tp), ("n_kv_heads", shape.n_kv_heads))
        rule = "must divide" if size % tp and name != "n_kv_heads" else "must divide, or be a multiple of,"
        raise ConfigError(
            f"parallelism.tensor_parallel_degree = {tp} {rule} model.{name} = {size} of {config.model.flavor}; "
            f"fitting: {', '.join(map(str, fitting))}"
        )
    if tp == 1 and config.compile.enable_async_tensor_parallel:
        raise ConfigError(
            "compile.enable_async_tensor_parallel = true has no effect with parallelism.tensor_parallel_degree = 1; "
            "set it to false"
        )


def _stages(config: Config) -> int:
    """Returns the number of pipeline stages."""
    p = config.parallelism
    if p.module_fqns_per_model_part is not None:
        return len(p.module_fqns_per_model_part)
    if p.pipeline_parallel_layers_per_stage is not None:
        return -(-config.model.shape().n_layers // int(p.pipeline_parallel_layers_per_stage))
    return int(p.pipeline_parallel_degree) * (2 if is_looped(p.pipeline_parallel_schedule) else 1)


def pipeline_stages(config: Config) -> list[list[str]]:
    """Returns the names of each stage's modules, as written, else placed by cost; nothing without stages."""
    p = config.parallelism
    if p.pipeline_parallel_degree == 1:
        return []
    if p.module_fqns_per_model_part is not None:
        return list(p.module_fqns_per_model_part)
    return modules_per_stage(blocks_per_stage(config.model.shape(), config.training.seq_len, _stages(config)))


def check_pipeline_parallel(config: Config) -> None:
    """The schedule exists, its stages hold the whole model, none is empty, and the microbatches fill it."""
    p, shape = config.parallelism, config.model.shape()
    pp, schedule = p.pipeline_parallel_degree, p.pipeline_parallel_schedule
    if schedule not in _SCHEDULES:
        raise ConfigError(
            f'parallelism.pipeline_parallel_schedule = "{schedule}" must be one of {", ".join(_SCHEDULES)}'
            f"{did_you_mean(schedule, _SCHEDULES)}"
        )
    if pp == 1:
        return
    if p.pipeline_parallel_schedule_csv and not Path(p.pipeline_parallel_schedule_csv).is_file():
        raise ConfigError(
            f'parallelism.pipeline_parallel_schedule_csv = "{p.pipeline_parallel_schedule_csv}": no such file'
        )
    stages, looped, v_shaped = _stages(config), is_looped(schedule), is_v_shaped(schedule)
    per_rank = "2" if v_shaped else "2 or more" if looped else "1"
    if stages % pp or (stages // pp > 1) != looped or (v_shaped and stages != 2 * pp):
        key = "module_fqns_per_model_part" if p.module_fqns_per_model_part else "pipeline_parallel_layers_per_stage"
        shown = "" if p.module_fqns_per_model_part else f" = {p.pipeline_parallel_layers_per_stage}"
        raise ConfigError(
            f"parallelism.{key}{shown} makes {stages} stages; {schedule} on {pp} ranks needs {per_rank} a rank"
        )
    if p.module_fqns_per_model_part is not None:
        _check_modules(config)
    elif shape.n_layers < stages - 2:
        largest = (shape.n_layers + 2) // (stages // pp)
        raise ConfigError(
            f"parallelism.pipeline_parallel_degree = {pp} with {schedule} makes {stages} stages of the "
            f"{shape.n_layers} blocks, the embedding and the head of {config.model.flavor}: too many; "
            f"fitting: {', '.join(str(n) for n in range(2, largest + 1)) or 'none'}"
        )
    size = p.pipeline_parallel_microbatch_size
    if config.training.local_batch_size // size < stages:
        raise ConfigError(
            f"training.local_batch_size = {config.training.local_batch_size} makes fewer pipeline microbatches of "
            f"{size} than the {stages} stages of {schedule}; set it to {stages * size} or more"
        )


def _check_modules(config: Config) -> None:
    """The stages that somebody wrote hold every module once, in order."""
    stages = config.parallelism.module_fqns_per_model_part
    written = [name for stage in stages for name in stage]
    expected = [name for stage in modules_per_stage([config.model.shape().n_layers]) for name in stage]
    for i, name in enumerate(expected):
        if i >= len(written) or written[i] != name:
            there = written[i] if i < len(written) else "the end"
            raise ConfigError(
                f"parallelism.module_fqns_per_model_part: {there} stands where {name} must; the stages together are "
                f"{', '.join(expected[:2])}, …, {', '.join(expected[-3:])}"
            )
    if len(written) > len(expected) or not all(stages):
        wrong = f"{written[len(expected)]} is no module" if len(written) > len(expected) else "a stage is empty"
        raise ConfigError(f"parallelism.module_fqns_per_model_part: {wrong}")


def check_optimizer(config: Config) -> None:
    """The user's own parameter groups match parameters, and have options that the optimizer knows."""
    groups = config.optimizer.param_groups
    if not groups:
        return
    import torch

    model = model_config(config.model.shape(), seed=0, attention=config.model.attention)
    for layer in model.layers:
        layer.attention.rope = replace(layer.attention.rope, max_seq_len=2)
    with torch.device("meta"):
        names = [canonical_fqn(name) for name, _ in model.build().named_parameters()]
    for i, group in enumerate(groups):
        key = f"optimizer.param_groups.{i}"
        try:
            pattern = re.compile(group.pattern)
        except re.error as error:
            raise ConfigError(f'{key}.pattern = "{group.pattern}" is no regular expression: {error}') from None
        if not any(pattern.search(name) for name in names):
            example = ", ".join([names[0], names[1], names[-1]])
            raise ConfigError(f'{key}.pattern = "{group.pattern}" matches no parameter; there are {example}, …')
        if group.optimizer_name not in _OPTIMIZERS:
            hint = did_you_mean(group.optimizer_name, _OPTIMIZERS)
            raise ConfigError(
                f'{key}.optimizer_name = "{group.optimizer_name}" must be one of {", ".join(_OPTIMIZERS)}{hint}'
            )
        known = list(inspect.signature(getattr(torch.optim, group.optimizer_name)).parameters)[1:]
        for name in group.optimizer_kwargs:
            if name not in known:
                raise ConfigError(f"{key}.optimizer_kwargs.{name}: unknown key{did_you_mean(name, known)}")


def check(config: Config, world_size: int) -> None:
    """Runs every rule that needs nothing but the configuration and the number of processes."""
    check_ranges(config)
    check_model(config)
    data.check(config)
    check_batch(config, world_size)
    check_tensor_parallel(config)
    check_sequence(config)
    check_rope(config)
    check_pipeline_parallel(config)
    check_optimizer(config)
    check_attention(config)
