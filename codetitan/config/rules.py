"""Ranges, and what depends on several keys or on the number of processes: a rule a function.

`model`, `data` and `degrees` have those of their sections. `machine` is asked after these, and not for another machine.

Each raises ConfigError with the key, its value, the rule and a fix. They run before a process group starts, on a
configuration whose types are right.
"""

import inspect
import math
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from codetitan.config import data, degrees, model
from codetitan.errors import ConfigError, did_you_mean
from codetitan.models.code.spec import model_config
from codetitan.titan import MemoryBudgetAC, canonical_fqn
from codetitan.training.trainer import CodeTrainer

Config = CodeTrainer.Config

# key → (holds, the rule in words)
_AT_LEAST_ONE: tuple[Callable[[float], bool], str] = (lambda x: x >= 1, "must be at least 1")
_POSITIVE: tuple[Callable[[float], bool], str] = (lambda x: x > 0, "must be above 0")
_NOT_NEGATIVE: tuple[Callable[[float], bool], str] = (lambda x: x >= 0, "must not be negative")
_SHARE: tuple[Callable[[float], bool], str] = (lambda x: 0 <= x <= 1, "must lie between 0 and 1")
_RANGES: dict[str, tuple[Callable[[float], bool], str]] = {
    "training.steps": _AT_LEAST_ONE,
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
    "checkpoint.export_every_k": _AT_LEAST_ONE,
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
    "model.rope.low_freq_factor": _POSITIVE,
    "model.rope.high_freq_factor": _POSITIVE,
    "model.dim": _AT_LEAST_ONE,
    "model.n_layers": _AT_LEAST_ONE,
    "model.n_heads": _AT_LEAST_ONE,
    "model.n_kv_heads": _AT_LEAST_ONE,
    "model.ffn_dim": _AT_LEAST_ONE,
    "model.vocab_size": _AT_LEAST_ONE,
    "model.norm_eps": _POSITIVE,
    "loss.num_chunks": _AT_LEAST_ONE,
    "comm.init_timeout_seconds": _AT_LEAST_ONE,
    "comm.train_timeout_seconds": _AT_LEAST_ONE,
}


_OPTIMIZERS = ["AdamW", "Adam"]
_STATES: list[str | None] = ["optimizer", "lr_scheduler", "dataloader", "train_state"]
_BALANCERS: list[str | None] = ["headtail", "ptrr", None]


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
        ("compile.backend", [config.compile.backend], ["inductor", "aot_eager"]),
        ("parallelism.context_parallel_load_balancer", [config.parallelism.context_parallel_load_balancer], _BALANCERS),
    ):
        for value in values:
            if value not in known:
                names = ", ".join("none" if name is None else name for name in known)
                hint = did_you_mean(str(value), [name for name in known if name is not None])
                raise ConfigError(f'{key}: "{value}" must be one of {names}{hint}')
    if config.comm.mode not in ("default", "torchcomms"):
        raise ConfigError(
            f'comm.mode = "{config.comm.mode}" is for torchtitan\'s own dry runs; must be one of default, torchcomms'
        )
    for name, instead in (
        ("last_save_in_hf", "export the checkpoint: checkpoint.export_every_k, or codetitan export"),
        ("initial_load_in_hf", "import the model first: codetitan import"),
    ):
        if getattr(config.checkpoint, name):
            raise ConfigError(f"checkpoint.{name} = true is not supported; set it to false, and {instead}")
    if config.checkpoint.export_every_k is not None and "://" in config.dump_folder + config.checkpoint.folder:
        raise ConfigError(
            f"checkpoint.export_every_k = {config.checkpoint.export_every_k} needs checkpoints on a disk of this "
            "machine; remove it, or set another dump_folder"
        )
    if config.checkpoint.export_every_k is not None and not config.checkpoint.enable:
        raise ConfigError(
            f"checkpoint.export_every_k = {config.checkpoint.export_every_k} has no effect where checkpoint.enable = "
            "false; remove it"
        )
    if config.training.enable_cpu_offload and config.optimizer.implementation == "fused_opt_states_bf16":
        raise ConfigError(
            'optimizer.implementation = "fused_opt_states_bf16" does not work with training.enable_cpu_offload = true, '
            'whose optimizer runs on the CPU; use "fused"'
        )
    betas = config.optimizer.betas
    if len(betas) != 2 or not all(0 <= beta < 1 for beta in betas):
        raise ConfigError(f"optimizer.betas = {betas} must be two numbers from 0 to below 1, such as [0.9, 0.95]")
    degree = config.parallelism.data_parallel_shard_degree
    if degree != -1 and degree < 1:
        raise ConfigError(
            f"parallelism.data_parallel_shard_degree = {degree} must be at least 1, or -1 to have it worked out"
        )


def check_optimizer(config: Config) -> None:
    """The user's own parameter groups match parameters, and have options that the optimizer knows."""
    groups = config.optimizer.param_groups
    if not groups:
        return
    import torch

    whole = model_config(config.model.shape(), seed=0)
    for layer in whole.layers:
        layer.attention.rope = replace(layer.attention.rope, max_seq_len=2)
    with torch.device("meta"):
        names = [canonical_fqn(name) for name, _ in whole.build().named_parameters()]
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
    model.check_model(config)
    data.check(config, config.model.shape().vocab_size)
    degrees.check(config, world_size)
    model.check_rope(config)
    model.check_flex_options(config)
    model.check_float8(config)
    check_optimizer(config)
