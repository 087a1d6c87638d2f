"""What depends on several keys or on the number of processes: a rule a function. `data` has those of the data,
`machine` those of the machine.

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

from codetitan.config import data, machine
from codetitan.errors import ConfigError, did_you_mean
from codetitan.models.code.flavors import FLAVORS
from codetitan.models.code.float8 import block_size
from codetitan.models.code.float8_linear import linear_layers
from codetitan.models.code.spec import model_config
from codetitan.titan import (
    ChunkedLossWrapper,
    Linear,
    MemoryBudgetAC,
    PipelineScheduleSingle,
    canonical_fqn,
    get_schedule_class,
)
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
    "parallelism.expert_parallel_degree": (lambda x: x == 1, "must be 1: the code family has no experts"),
    "model.dim": _AT_LEAST_ONE,
    "model.n_layers": _AT_LEAST_ONE,
    "model.n_heads": _AT_LEAST_ONE,
    "model.n_kv_heads": _AT_LEAST_ONE,
    "model.ffn_dim": _AT_LEAST_ONE,
    "model.vocab_size": _AT_LEAST_ONE,
    "model.rope_theta": _POSITIVE,
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
        section, name = key.split(".")
        value = getattr(getattr(config, section), name, None)
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


def check_tensor_parallel(config: Config) -> None:
    """The heads and the SwiGLU width split over the tensor-parallel ranks."""
    tp, shape = config.parallelism.tensor_parallel_degree, config.model.shape()
    sizes = {"n_heads": shape.n_heads, "n_kv_heads": shape.n_kv_heads, "ffn_dim": shape.ffn_dim}
    for name, size in sizes.items():
        if size % tp:
            largest = gcd(*sizes.values())
            fitting = [n for n in range(1, largest + 1) if largest % n == 0]
            raise ConfigError(
                f"parallelism.tensor_parallel_degree = {tp} must divide model.{name} = {size} of "
                f"{config.model.flavor}; fitting: {', '.join(map(str, fitting))}"
            )


def check_float8(config: Config) -> None:
    """Some layer gains from FP8, and what a rank multiplies has the widths that FP8 matmuls take."""
    recipe, p, training = config.float8.recipe, config.parallelism, config.training
    if recipe == "none":
        return
    model = model_config(config.model.shape(), seed=0, attention=config.model.attention)
    in_float8 = [name for name, converted in linear_layers(model, config.float8).items() if converted]
    if not in_float8 and config.float8.skip_small_layers:
        raise ConfigError(
            f'float8.recipe = "{recipe}": every layer of {config.model.flavor} is too small to gain; set it to "none", '
            "or float8.skip_small_layers = false to have FP8 all the same"
        )
    block, tp = block_size(recipe), p.tensor_parallel_degree
    if not in_float8:
        raise ConfigError(
            f'float8.recipe = "{recipe}": no layer of {config.model.flavor} has widths that are multiples of {block}; '
            'set it to "none"'
        )
    linears = {name: linear for name, linear, _, _ in model.traverse(Linear.Config)}
    for name in in_float8:
        # The projections that write to the residual stream are split by their inputs, the others by their outputs.
        width = linears[name].in_features if name.endswith((".wo", ".w2")) else linears[name].out_features
        if width // tp % block:
            raise ConfigError(
                f"parallelism.tensor_parallel_degree = {tp} leaves a rank {width // tp} of the {width} features of "
                f'{name}; float8.recipe = "{recipe}" needs a multiple of {block}: lower the degree'
            )
    rows = p.pipeline_parallel_microbatch_size if p.pipeline_parallel_degree > 1 else training.local_batch_size
    tokens = rows * training.seq_len // p.context_parallel_degree
    if tokens % block:
        nearest = max(block, round(training.seq_len / block) * block)
        raise ConfigError(
            f"training.seq_len = {training.seq_len} makes {tokens} tokens a matmul; "
            f'float8.recipe = "{recipe}" needs a multiple of {block}; nearest: {nearest}'
        )
    if not config.float8.emulate and training.mixed_precision_param != "bfloat16":
        raise ConfigError(
            f'training.mixed_precision_param = "{training.mixed_precision_param}" must be "bfloat16" with '
            f'float8.recipe = "{recipe}": FP8 matmuls have bfloat16 results'
        )


def check_pipeline_parallel(config: Config) -> None:
    """The schedule exists, there is a layer for every stage, and the embeddings are not tied across stages."""
    p, shape = config.parallelism, config.model.shape()
    pp, schedule = p.pipeline_parallel_degree, p.pipeline_parallel_schedule
    try:
        get_schedule_class(schedule)
    except ValueError:
        raise ConfigError(
            f'parallelism.pipeline_parallel_schedule = "{schedule}" must be one of {", ".join(_SCHEDULES)}'
            f"{did_you_mean(schedule, _SCHEDULES)}"
        ) from None
    if pp == 1:
        return
    if p.pipeline_parallel_schedule_csv and not Path(p.pipeline_parallel_schedule_csv).is_file():
        raise ConfigError(
            f'parallelism.pipeline_parallel_schedule_csv = "{p.pipeline_parallel_schedule_csv}": no such file'
        )
    if shape.tie_embeddings:
        raise ConfigError(
            f"parallelism.pipeline_parallel_degree = {pp}: {config.model.flavor} ties its embeddings, which the first "
            "and the last stage can't share; set model.tie_embeddings = false, or use data, tensor or context "
            "parallelism"
        )
    # As torchtitan splits: the embedding and the head count as layers, and no stage is without a block.
    ends = (p.pipeline_parallel_first_stage_less_layers, p.pipeline_parallel_last_stage_less_layers)
    layers, per_stage = shape.n_layers + sum(ends), p.pipeline_parallel_layers_per_stage
    looped = not issubclass(get_schedule_class(schedule), PipelineScheduleSingle)
    stages = pp * (2 if looped else 1) if per_stage is None else -(-layers // per_stage)
    counted = f"the {layers} layers of {config.model.flavor} (embedding and head counted)"
    if stages % pp or (stages // pp > 1) != looped:
        needs = f"a multiple of {pp}, two or more a rank" if looped else f"{pp}"
        raise ConfigError(
            f"parallelism.pipeline_parallel_layers_per_stage = {per_stage} makes {stages} stages of {counted}; "
            f"{schedule} needs {needs}"
        )
    if layers // stages < max(1, *ends):
        fitting = [n for n in range(2, pp) if layers // (stages // pp * n) >= max(1, *ends)]
        raise ConfigError(
            f"parallelism.pipeline_parallel_degree = {pp} with {schedule} makes {stages} stages of {counted}: too many"
            f"; fitting: {', '.join(map(str, fitting)) or 'none'}"
        )
    size = p.pipeline_parallel_microbatch_size
    if config.training.local_batch_size // size < stages:
        raise ConfigError(
            f"training.local_batch_size = {config.training.local_batch_size} makes fewer pipeline microbatches of "
            f"{size} than the {stages} stages of {schedule}; set it to {stages * size} or more"
        )


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
    check_sequence(config)
    check_tensor_parallel(config)
    check_float8(config)
    check_pipeline_parallel(config)
    check_optimizer(config)
    machine.check_attention(config)
    machine.check_float8(config)
    machine.check_device(config)
    machine.check_checkpoint(config)
