"""What depends on several keys or on the number of processes: a rule a function; `values` has the single ones.

`model`, `data`, `degrees` and `validation` have those of their sections. `machine` is asked after these, and not for
another machine.

Each raises ConfigError with the key, its value, the rule and a fix. They run before a process group starts, on a
configuration whose types are right.
"""

import inspect
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from codetitan import device
from codetitan.config import data, degrees, evaluation, freezing, model, objective, validation
from codetitan.config.schema import BEFORE, hints
from codetitan.errors import ConfigError, did_you_mean
from codetitan.hf.architectures.table import check_exportable
from codetitan.models.code.spec import model_config
from codetitan.titan import MemoryBudgetAC, canonical_fqn
from codetitan.training.trainer import CodeTrainer

Config = CodeTrainer.Config

_OPTIMIZERS = ["AdamW", "Adam"]


def _before_compile(values: Mapping[str, Any]) -> None:
    if values["enable_async_tensor_parallel"] and not (values["enable"] and "model" in values["components"]):
        raise ConfigError(
            "compile.enable_async_tensor_parallel = true needs compile.enable = true, with model among "
            "compile.components; set it to false, or compile"
        )


def _before_parallelism(values: Mapping[str, Any]) -> None:
    if values["enable_fsdp_symm_mem"] and device.device_type() == "cpu":
        raise ConfigError("parallelism.enable_fsdp_symm_mem = true needs a GPU, and there is none; set it to false")


def _before_all(values: Mapping[str, Any]) -> None:
    compile_, training, p = values["compile"], values["training"], values["parallelism"]
    policy = values["activation_checkpoint"]
    if isinstance(policy, MemoryBudgetAC.Config) and not (compile_.enable and "model" in compile_.components):
        raise ConfigError(
            'activation_checkpoint.name = "memory-budget" needs compile.enable = true, with model among '
            'compile.components; compile, or use "selective"'
        )
    if p.pipeline_parallel_degree > 1 and training.local_batch_size % p.pipeline_parallel_microbatch_size:
        raise ConfigError(
            f"training.local_batch_size = {training.local_batch_size} must be a multiple of "
            f"parallelism.pipeline_parallel_microbatch_size = {p.pipeline_parallel_microbatch_size}"
        )


BEFORE[hints(Config)["compile"]] = _before_compile
BEFORE[hints(Config)["parallelism"]] = _before_parallelism
BEFORE[Config] = _before_all


def check_sections(config: Config) -> None:
    """What torchtitan's own types can't say of a section."""
    total, steps = config.lr_scheduler.total_steps, config.training.steps
    if total is not None and total < steps:
        raise ConfigError(f"lr_scheduler.total_steps = {total} must be at least training.steps = {steps}")
    if config.debug.seed is None:
        raise ConfigError("debug.seed: must be a whole number: the same TOML gives the same weights")
    if config.comm.mode not in ("default", "torchcomms"):
        raise ConfigError(
            f'comm.mode = "{config.comm.mode}" is for torchtitan\'s own dry runs; must be one of default, torchcomms'
        )
    if config.checkpoint.initial_load_path and not config.checkpoint.enable:
        # The run would begin with initial values, and say so in one line of many.
        raise ConfigError(
            f'checkpoint.initial_load_path = "{config.checkpoint.initial_load_path}" is not read where '
            "checkpoint.enable = false; set it to true, or remove the path"
        )
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
    profiler = config.profiler
    cycle = profiler.profiler_warmup + profiler.profiler_active
    if profiler.enable_profiling and profiler.profile_freq < cycle:
        raise ConfigError(
            f"profiler.profile_freq = {profiler.profile_freq} must be at least profiler.profiler_warmup + "
            f"profiler.profiler_active = {cycle}"
        )
    betas = config.optimizer.betas
    if len(betas) != 2 or not all(0 <= beta < 1 for beta in betas):
        raise ConfigError(f"optimizer.betas = {betas} must be two numbers from 0 to below 1, such as [0.9, 0.95]")


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
        try:
            getattr(torch.optim, group.optimizer_name)([torch.zeros(1)], **group.optimizer_kwargs)
        except (ValueError, TypeError, RuntimeError) as error:
            raise ConfigError(f"{key}.optimizer_kwargs = {group.optimizer_kwargs}: {error}") from None


def check(config: Config, world_size: int) -> None:
    """Runs every rule that needs nothing but the configuration and the number of processes."""
    check_sections(config)
    model.check_model(config)
    model.check_blocks(config)
    exports = config.checkpoint.export_every_k is not None or config.checkpoint.evaluate_every_k is not None
    if exports or config.model.export_as is not None:
        check_exportable(config.model.shape())
    data.check(config, config.model.shape().vocab_size)
    degrees.check(config, world_size)
    model.check_rope(config)
    model.check_flex_options(config)
    model.check_float8(config)
    validation.check(config)
    objective.check(config)
    freezing.check(config)
    evaluation.check(config)
    check_optimizer(config)
