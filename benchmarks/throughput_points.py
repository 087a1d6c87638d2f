"""What throughput.py measures: a sweep or a list as points, each checked before anything runs."""

import dataclasses
import hashlib
import itertools
import json
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import tomli

from codetitan.config import degrees
from codetitan.config.render import render
from codetitan.config.resolve import Resolved, resolve
from codetitan.config.schema import hints, split
from codetitan.data.sources.open import Directory
from codetitan.errors import ConfigError, did_you_mean
from codetitan.models.code.attention import CAUSAL
from codetitan.models.code.shape import Block, Flavor
from codetitan.plan.estimate import causal_share
from codetitan.training.trainer import CodeTrainer

TRAINERS = ("codetitan", "torchtitan", "pytorch")
_DEGREES = {
    "fsdp": "data_parallel_shard_degree",
    "replicate": "data_parallel_replicate_degree",
    "tp": "tensor_parallel_degree",
    "pp": "pipeline_parallel_degree",
    "cp": "context_parallel_degree",
}
# trainer → the axes that it does not have, each with the overrides that switch it off
_WITHOUT = {
    "codetitan": {},
    "torchtitan": {"float8": ["--float8.recipe", "none"]},
    "pytorch": {"float8": ["--float8.recipe", "none"], "ac": ["--activation_checkpoint.name", "none"]},
}
_SOURCES = "--dataloader.sources"


@dataclasses.dataclass(frozen=True)
class Point:
    """A trainer, and a configuration with `overrides` (words of a command line); `name` tells it from the others."""

    name: str
    trainer: str
    config: Path
    overrides: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Checked:
    """A point that the rules were asked about.

    Attributes:
        point: its overrides completed, so that they can be run.
        settings: what the table says of it; of a refused one, only what its name says.
        refused: the rule that it breaks.
        key: changes with anything that may change its speed; empty where it is refused.
        notes: what was done that nobody asked for.
    """

    point: Point
    settings: dict[str, Any] = dataclasses.field(default_factory=dict)
    refused: str | None = None
    key: str = ""
    notes: tuple[str, ...] = ()


def activation_checkpoint_choice() -> Any:
    """Returns the names of activation checkpointing (codetitan.config.choice.Choice)."""
    return split(hints(CodeTrainer.Config)["activation_checkpoint"])[1]


def mesh_overrides(mesh: str) -> list[str]:
    """Turns e.g. `tp=2,fsdp=4` into overrides: degrees left out are 1, but FSDP takes what is left.

    Raises:
        ConfigError: it is no mesh.
    """
    degrees_ = {name: "-1" if name == "fsdp" else "1" for name in _DEGREES}
    for part in mesh.split(","):
        name, _, degree = part.partition("=")
        if name not in _DEGREES or not degree.isdecimal() or int(degree) < 1:
            hint = did_you_mean(name, _DEGREES) if name not in _DEGREES else ""
            raise ConfigError(f'--meshes {mesh}: "{part}" must be one of {", ".join(_DEGREES)} = DEGREE{hint}')
        degrees_[name] = degree
    return [word for name, degree in degrees_.items() for word in (f"--parallelism.{_DEGREES[name]}", degree)]


# option → (what its value says in a point's name, its overrides)
AXES: dict[str, tuple[Callable[[Any], str], Callable[[Any], list[str]]]] = {
    "flavors": (str, lambda value: ["--model.flavor", value]),
    "seq_lens": (lambda value: f"T {value}", lambda value: ["--training.seq_len", str(value)]),
    "meshes": (str, mesh_overrides),
    "ac": (lambda value: f"AC {value}", lambda value: ["--activation_checkpoint.name", value]),
    "compile": (
        lambda value: "compile" if value == "true" else "eager",
        lambda value: ["--compile.enable", value],
    ),
    "float8": (
        lambda value: "no FP8" if value == "none" else f"FP8 {value}",
        lambda value: ["--float8.recipe", value],
    ),
    "microbatches": (lambda value: f"micro {value}", lambda value: ["--training.local_batch_size", str(value)]),
}


def read_list(file: Path) -> list[tuple[Path, list[str]]]:
    """Reads `[[point]]` tables: a `config` and `overrides`, one string as on a command line.

    Raises:
        ConfigError: no such file, not TOML, or something else in it.
    """
    try:
        content = tomli.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomli.TOMLDecodeError) as error:
        raise ConfigError(f"--points {file}: {error}") from None
    tables = content.pop("point", [])
    if content or not isinstance(tables, list) or not tables or not all(isinstance(table, dict) for table in tables):
        raise ConfigError(f"--points {file}: expected tables [[point]] and nothing else")
    points = []
    for i, table in enumerate(tables):
        for key, value in table.items():
            if key not in ("config", "overrides"):
                raise ConfigError(
                    f"--points {file}: point.{i}.{key}: unknown{did_you_mean(key, ['config', 'overrides'])}"
                )
            if not isinstance(value, str):
                raise ConfigError(
                    f'--points {file}: point.{i}.{key} must be a string, such as "--training.seq_len 4096"'
                )
        if "config" not in table:
            raise ConfigError(f"--points {file}: point.{i}.config: missing")
        points.append((Path(table["config"]), shlex.split(table.get("overrides", ""))))
    return points


def expand(
    bases: Sequence[tuple[Path, Sequence[str]]],
    axes: Mapping[str, Sequence[Any] | None],
    trainers: Sequence[str],
    overrides: Sequence[str],
) -> list[Point]:
    """Returns every base with every combination of the axes for every trainer.

    A later word wins: `overrides` of the command line, the axes, then the base's own.
    """
    swept = [[(name, value) for value in values] for name, values in axes.items() if values]
    points = []
    for (config, own), combination in itertools.product(bases, itertools.product(*swept)):
        words = [word for name, value in combination for word in AXES[name][1](value)]
        own_said = [re.sub(r"^--(?:\w+\.)*", "", " ".join(own))] if own else []
        for trainer in trainers:
            said = [AXES[name][0](value) for name, value in combination if name not in _WITHOUT[trainer]]
            name = " · ".join([trainer, config.stem, *said, *own_said])
            points.append(Point(name, trainer, config, (*overrides, *words, *own)))
    return points


def settings_of(resolved: Resolved) -> dict[str, Any]:
    """Returns what a table of results states; FLOPs are those of training on a token."""
    config, shape = resolved.config, resolved.config.model.shape()
    p, training, float8 = config.parallelism, config.training, config.float8
    seq_len, full = training.seq_len, shape.flops_per_token(training.seq_len)
    low = {"bfloat16": "BF16", "float32": "FP32"}[training.mixed_precision_param]
    emulated = ", emulated" if float8.emulate else ""
    dp = degrees.data_parallel_degree(config, resolved.world_size)
    attention = full - shape.flops_per_token(0)
    return {
        "flavor": config.model.flavor,
        "n_params": shape.n_params,
        "shape": dataclasses.asdict(shape),
        "attention": config.model.attention,
        "mixed_precision": low,
        "precision": low if float8.recipe == "none" else f"FP8 {float8.recipe}{emulated}",
        "peak": "bf16" if float8.recipe == "none" or float8.emulate else "fp8",
        "devices": resolved.world_size,
        "global_batch": training.global_batch_size,
        "micro_batch": p.pipeline_parallel_microbatch_size
        if p.pipeline_parallel_degree > 1
        else training.local_batch_size,
        "seq_len": seq_len,
        "replicate": p.data_parallel_replicate_degree,
        "fsdp": dp // p.data_parallel_replicate_degree,
        "tp": p.tensor_parallel_degree,
        "pp": p.pipeline_parallel_degree,
        "cp": p.context_parallel_degree,
        "ac": activation_checkpoint_choice().name_of(config.activation_checkpoint),
        "compile": config.compile.enable,
        "flops_per_token": full,
        "causal_flops_per_token": full - round((1 - causal_share(seq_len, shape.sliding_window)) * attention),
    }


def check_llama(shape: Flavor) -> None:
    """The baselines have Llama's blocks, and no others.

    Raises:
        ConfigError: the shape has others.
    """
    other = [field.name for field in dataclasses.fields(Block) if getattr(shape, field.name) != field.default]
    other += ["head_dim"] if shape.head_dim is not None else []
    if other:
        value = json.dumps(getattr(shape, other[0]))
        raise ConfigError(
            f"model.{other[0]} = {value}: the baselines have Llama's blocks; compare a flavor that has them"
        )


def check(point: Point, world_size: int, steps: int, identity: Mapping[str, Any]) -> Checked:
    """Resolves a point for this machine; `identity` (versions, device, …) enters its key beside its settings.

    A folder of source files that is not there is replaced by the standard library, unless the point itself names it.
    """
    words, notes = [*point.overrides, *itertools.chain(*_WITHOUT[point.trainer].values())], []
    words += ["--training.steps", str(steps), "--metrics.log_freq", "1", "--metrics.enable_tensorboard", "false"]
    words += ["--checkpoint.enable", "false"]
    # The folder is another one in each run, and no part of what is measured.
    anywhere = ["--dump_folder", "outputs/throughput"]
    try:
        resolved = resolve(point.config, [*words, *anywhere], world_size=world_size)
        missing = [
            source.path
            for source in resolved.config.dataloader.sources
            if isinstance(source, Directory) and not Path(source.path).expanduser().is_dir()
        ]
        if missing and not any(word.startswith(_SOURCES) for word in words):
            notes.append(f"{point.config}: there is no folder {missing[0]}; trained on the Python standard library")
            words += [_SOURCES, "python-stdlib"]
            resolved = resolve(point.config, [*words, *anywhere], world_size=world_size)
        if point.trainer != "codetitan":
            check_llama(resolved.config.model.shape())
        if point.trainer == "torchtitan" and resolved.config.model.attention == CAUSAL:
            raise ConfigError(
                'torchtitan\'s Llama-3 has no model.attention = "sdpa" (it raises): compare "flex" or "varlen"'
            )
        if point.trainer == "pytorch" and world_size > 1:
            raise ConfigError(f"plain PyTorch trains on one device, not {world_size}: NGPU=1")
    except ConfigError as error:
        return Checked(point, refused=str(error))
    settings = settings_of(resolved)
    values = [re.sub(r"\s+# [^\"]*$", "", line) for line in render(resolved).splitlines()]  # without origins
    content = json.dumps([point.trainer, settings, values, steps, identity], sort_keys=True)
    key = hashlib.sha256(content.encode()).hexdigest()[:16]
    return Checked(dataclasses.replace(point, overrides=tuple(words)), settings, None, key, tuple(notes))
