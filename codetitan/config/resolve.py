"""From a file and a command line to the configuration that torchtitan trains: read, check, complete."""

import contextlib
import dataclasses
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from codetitan import device
from codetitan.config import data, degrees, epochs, machine, rules, schema
from codetitan.config.load import Setting, Tree, load
from codetitan.config.values import number_of_tokens
from codetitan.data.held_out import HeldOutConfig
from codetitan.errors import ConfigError
from codetitan.models.code.spec import model_spec
from codetitan.objectives.config import conversations
from codetitan.training import intact
from codetitan.training.trainer import CodeTrainer


@dataclass(frozen=True)
class Resolved:
    """A configuration that can be run.

    Attributes:
        config: complete, with the model's spec.
        tree: the settings that somebody wrote.
        adapted: key → why codetitan set it.
        world_size: processes that it was checked for.
    """

    config: CodeTrainer.Config
    tree: Tree
    adapted: dict[str, str]
    world_size: int


@contextlib.contextmanager
def _without_upstream_warnings() -> Iterator[None]:
    # torchtitan's CheckpointManager.Config warns about its own defaults, on the root logger, each time it is built.
    root = logging.getLogger()
    before, root.disabled = root.disabled, True
    try:
        yield
    finally:
        root.disabled = before


def _init_timeout_is_written(tree: Tree) -> bool:
    comm = tree.get("comm")
    return isinstance(comm, dict) and "init_timeout_seconds" in comm


_LENGTHS = ("steps", "tokens", "epochs")


def _one_length(tree: Tree) -> None:
    """Of the keys of [training] that say how long a run is the one that was written later holds: the others are taken
    out.

    Raises:
        ConfigError: one file, or the command line, has two.
    """
    training = tree.get("training")
    if not isinstance(training, dict):
        return
    given = {name: setting for name in _LENGTHS if isinstance(setting := training.get(name), Setting)}
    lengths = {name: setting for name, setting in given.items() if setting.value != schema.NONE}
    last = max((setting.layer for setting in lengths.values()), default=0)
    latest = [name for name, setting in lengths.items() if setting.layer == last]
    if len(latest) > 1:
        both = " and ".join(f"training.{name} = {lengths[name].value}" for name in latest)
        raise ConfigError(f"{both} ({lengths[latest[1]].origin}): give one of them")
    for name in lengths.keys() - latest:
        del training[name]


def _with_steps_for_tokens(config: CodeTrainer.Config, world_size: int) -> CodeTrainer.Config:
    """Returns the configuration with the steps that serve `training.tokens`, where those are set."""
    training = config.training
    if training.tokens is None:
        return config
    tokens = number_of_tokens(training.tokens)
    rows = data.global_rows(training, degrees.data_parallel_degree(config, world_size))
    steps = -(-tokens // (rows * training.seq_len))
    return dataclasses.replace(config, training=dataclasses.replace(training, steps=steps))  # type: ignore[call-arg]


def _with_last_checkpoint(config: CodeTrainer.Config) -> CodeTrainer.Config:
    """Returns the configuration with a checkpoint to begin with, where a run or its folder of checkpoints is named."""
    path = config.checkpoint.initial_load_path
    if not path or "://" in path:
        return config
    for folder in (Path(path), Path(path) / "checkpoint"):
        if steps := intact.complete_steps(folder):
            last = str(folder / f"step-{steps[-1]}")
            checkpoint = dataclasses.replace(config.checkpoint, initial_load_path=last)  # type: ignore[call-arg]
            return dataclasses.replace(config, checkpoint=checkpoint)
    return config


def _with_steps_for_epochs(config: CodeTrainer.Config, world_size: int) -> CodeTrainer.Config:
    """Returns the configuration with sources of `training.epochs` epochs, and the steps that serve them."""
    dataloader = dataclasses.replace(config.dataloader, sources=epochs.sources_for(config))
    config = dataclasses.replace(config, dataloader=dataloader)
    rows = data.global_rows(config.training, degrees.data_parallel_degree(config, world_size))
    training = dataclasses.replace(config.training, steps=epochs.steps_for(config, rows))  # type: ignore[call-arg]
    return dataclasses.replace(config, training=training)


def _no_cuda_graphs(config: CodeTrainer.Config, *, here: bool) -> str | None:
    """Returns why a step can't be captured in CUDA graphs; None: it can."""
    if here and device.device_type() == "cpu":
        return "there is no GPU"
    if config.parallelism.pipeline_parallel_degree > 1:
        return "a pipeline's step is no one graph"
    if config.model.attention == "varlen":
        return "varlen needs the longest document's length on the CPU"
    if config.float8.recipe == "tensorwise" and config.float8.fsdp_all_gather:
        return "the scales of gathered FP8 weights are new tensors after each step"
    if config.training.enable_cpu_offload:
        return "offloaded weights are copied from the CPU"
    return None


def resolve(file: Path, overrides: Sequence[str], *, world_size: int | None, here: bool = True) -> Resolved:
    """Reads, checks and completes a configuration for `world_size` processes; None: for as few as its degrees allow.

    Where it is not to be run `here`, this machine's devices and folders are not asked.

    Raises:
        ConfigError: whatever is wrong with it, in one line.
    """
    tree = load(file, overrides)
    _one_length(tree)
    adapted: dict[str, str] = {}
    with _without_upstream_warnings():
        config: CodeTrainer.Config = schema.build(CodeTrainer.Config, tree, "", CodeTrainer.Config)
    world_size = degrees.smallest_world_size(config) if world_size is None else world_size
    config = _with_steps_for_tokens(config, world_size)
    if config.training.tokens is not None:
        adapted["training.steps"] = "codetitan: training.tokens / (global batch · seq_len), rounded up"
    if here:
        config = _with_last_checkpoint(config)
    if config.training.epochs is not None and here:
        config = _with_steps_for_epochs(config, world_size)
    if config.training.epochs is not None:
        adapted["training.steps"] = "codetitan: what serves training.epochs, counted where the data is"
    rules.check(config, world_size)
    if here:
        machine.check(config)
    dp = degrees.data_parallel_degree(config, world_size)
    if config.training.global_batch_size == -1:
        adapted["training.global_batch_size"] = "codetitan: local_batch_size · data-parallel degree"
    rows = data.global_rows(config.training, dp)
    shape = config.model.shape()
    seed = config.debug.seed
    assert seed is not None, "checked by codetitan.config.rules"
    comm = config.comm
    if config.parallelism.pipeline_parallel_degree > 1 and config.compile.enable and not _init_timeout_is_written(tree):
        # torch infers shapes stage after stage (stage.py), and each one compiles while the next waits for it.
        comm = dataclasses.replace(comm, init_timeout_seconds=1800)
        adapted["comm.init_timeout_seconds"] = "codetitan: stages compile one after the other"
    rope = config.model.rope
    if rope.scaling != "none" and rope.factor is None:
        assert rope.original_seq_len is not None, "checked by codetitan.config.rules"
        rope = dataclasses.replace(rope, factor=config.training.seq_len / rope.original_seq_len)
        adapted["model.rope.factor"] = "codetitan: training.seq_len / original_seq_len"
    no_cuda_graphs = config.training.disable_cuda_graphs
    if not no_cuda_graphs and (why_not := _no_cuda_graphs(config, here=here)):
        no_cuda_graphs = True
        adapted["training.disable_cuda_graphs"] = f"codetitan: {why_not}"
    complete = dataclasses.replace(  # type: ignore[call-arg]  # model_spec is a field of torchtitan's
        config,
        training=dataclasses.replace(config.training, global_batch_size=rows, disable_cuda_graphs=no_cuda_graphs),  # type: ignore[call-arg]
        comm=comm,
        dataloader=dataclasses.replace(
            config.dataloader,
            rows=rows,
            held_out=HeldOutConfig(share=config.validation.share, by=config.validation.by),
            conversations=conversations(config.objective),
        ),
        model=dataclasses.replace(config.model, rope=rope),
        model_spec=model_spec(
            config.model.flavor,
            shape,
            seed=seed,
            kernels=config.model.kernels(),
            rope=rope,
            stages=degrees.pipeline_stages(config),
            float8=config.float8,
            train_layers=config.training.train_layers,
        ),
    )
    return Resolved(complete, tree, adapted, world_size)
