"""What a changed key does to a run that goes on: the table of docs/resume.md, and who keeps it."""

from dataclasses import fields
from fnmatch import fnmatchcase
from typing import Any, Literal

import tomli

from codetitan.errors import ConfigError
from codetitan.models.code.rope import RopeConfig
from codetitan.models.code.shape import Flavor
from codetitan.training.description import Description

Effect = Literal["refused", "data", "applied", "too late", "free"]

MEANING: dict[Effect, str] = {
    "refused": "refused by name: it would be another model",
    "data": "refused by name where it changes the tokens; the data begins anew with "
    "`--checkpoint.exclude_from_loading dataloader`",
    "applied": "holds from the next step on, and is said at the start",
    "too late": "changes nothing any more, which is said at the start",
    "free": "may change: no loss depends on it, but for rounding",
}

# Pattern of keys → what a change does; the first that fits holds (every key fits one: tests/training/test_resume.py).
EFFECTS: dict[str, Effect] = {
    # The kernels, not the model.
    "model.attention": "applied",  # sdpa has no document masks
    "model.fused_*": "free",
    "model.flex_options": "free",
    "model.flavor": "free",  # a name; its shape is compared
    "model.export_as": "free",  # the class of what is exported
    "model.*": "refused",
    "hf_assets_path": "data",
    "tokenizer.*": "data",
    "dataloader.workers": "free",
    "dataloader.prefetch": "free",
    "dataloader.pin_memory": "free",
    "dataloader.*": "data",
    "validation.share": "data",
    "validation.by": "data",
    "validation.*": "free",  # other tokens are said when they are measured
    "training.seq_len": "data",
    "training.global_batch_size": "data",
    "training.local_batch_size": "free",
    "training.train_layers": "refused",
    "training.steps": "applied",
    "training.max_norm": "applied",
    "training.dtype": "applied",
    "training.mixed_precision_*": "applied",
    "training.*": "free",
    "objective.learn": "data",
    "objective.*": "applied",
    "optimizer.implementation": "free",
    "optimizer.*": "applied",
    "lr_scheduler.*": "applied",
    "float8.*": "applied",
    "loss.*": "free",
    "debug.seed": "too late",
    "checkpoint.initial_load_*": "too late",
    "checkpoint.*": "free",
    "dump_folder": "free",
    "parallelism.*": "free",
    "activation_checkpoint.*": "free",
    "compile.*": "free",
    "comm.*": "free",
    "debug.*": "free",
    "metrics.*": "free",
    "profiler.*": "free",
}


def effect_of(key: str) -> Effect:
    """Returns what a change of a key does. Raises KeyError: the table has no row for it."""
    for pattern, effect in EFFECTS.items():
        if fnmatchcase(key, pattern):
            return effect
    raise KeyError(key)


def model_changes(saved: Description, shape: Flavor, rope: RopeConfig) -> list[str]:
    """Returns each key in which the model of a checkpoint differs from this one: what it was and what it is."""
    changed = [
        f"model.{'rope.theta' if name == 'rope_theta' else name} was {was}, is {now}"
        for name in (field.name for field in fields(Flavor) if effect_of(f"model.{field.name}") == "refused")
        if (was := getattr(saved.shape, name)) != (now := getattr(shape, name))
    ]
    return changed + [
        f"model.rope.{name} was {was}, is {now}"
        for name in (field.name for field in fields(RopeConfig) if field.name != "theta")  # it is in the shape
        if (was := getattr(saved.rope, name)) != (now := getattr(rope, name))
    ]


def check_model(saved: Description, shape: Flavor, rope: RopeConfig, train_layers: str | None, where: str) -> None:
    """Compares the model of a checkpoint with the one that shall go on from it, and what is trained of it.

    Raises:
        ConfigError: they are two; names each key, what it was and what it is. Or other layers are trained, of which the
            checkpoint has no moments.
    """
    was = _flat(tomli.loads(saved.config)).get("training.train_layers")
    if (before := None if was == "none" else was) != train_layers:
        raise ConfigError(
            f"{where} trained other layers: training.train_layers was {_shown(before)}, is {_shown(train_layers)}; "
            f"restore it, or set another --dump_folder and --checkpoint.initial_load_path {where}"
        )
    if changed := model_changes(saved, shape, rope):
        raise ConfigError(
            f"{where} is of another model: {'; '.join(changed)}; restore it, or set another --dump_folder, and to "
            f"begin with these weights --checkpoint.initial_load_path {where}"
        )


def changes(saved: Description, toml: str) -> list[str]:
    """Returns a line for each key that is not what it was when `saved` was written, and is not free to change.

    Args:
        saved: of the checkpoint.
        toml: the configuration of the run that goes on, as `saved.config` is that of the one before.
    """
    before, now = _flat(tomli.loads(saved.config)), _flat(tomli.loads(toml))
    lines = []
    for key in {**before, **now}:
        was, is_ = before.get(key), now.get(key)
        # The data's own check has gone before, by what the tokens depend on: a path may change, a file's content not.
        if was == is_ or effect_of(key) not in ("applied", "too late"):
            continue
        note = "; too late, the run has begun" if effect_of(key) == "too late" else ""
        lines.append(f"{key} was {_shown(was)}, is {_shown(is_)}{note}")
    return lines


def _flat(value: Any, key: str = "") -> dict[str, Any]:
    if not isinstance(value, dict):
        return {key: value}
    found: dict[str, Any] = {}
    for name, item in value.items():
        found |= _flat(item, f"{key}.{name}" if key else name)
    return found


def _shown(value: Any) -> str:
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
