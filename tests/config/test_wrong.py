"""Wrong configurations, generated from the schema: each key with values of every kind, misspelt, and in another section.

Whatever a value is, it is accepted or refused in one line that names the key; what can't be meant is always refused. The
plain run takes an even sample of the cases, `pytest -m slow` all of them.
"""

import dataclasses
import datetime
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Union, get_args, get_origin

import pytest

from codetitan.config import schema
from codetitan.config.resolve import resolve
from codetitan.config.values import RANGES
from codetitan.errors import ConfigError
from codetitan.training.trainer import CodeTrainer
from tests.conftest import REPOSITORY

DEBUG = REPOSITORY / "train_configs" / "debug.toml"
VALUES: list[Any] = [
    True, 0, -1, -7, 1, 2**40, 2**70, 10**400, 0.5, -0.5, 1e300, math.nan, math.inf, -math.inf, "", " ", "x", "a\nb", "\0", "none",
    [], ["x"], [1], [[]], [{}], {}, {"x": 1}, datetime.date(2020, 1, 1),
]  # fmt: skip
# Numbers that are no slip although they are 0 or infinite.
MAY_BE_0 = {
    "checkpoint.keep_latest_k", "comm.trace_buf_size", "dataloader.seed", "dataloader.workers", "debug.seed",
    "lr_scheduler.warmup_steps", "profiler.profiler_repeat", "profiler.profiler_skip_first",
    "profiler.profiler_skip_first_wait", "profiler.profiler_warmup", "dataloader.sources.*.repo_depth",
    "validation.sources.*.repo_depth", "objective.label_smoothing",
    "optimizer.weight_decay", "lr_scheduler.warmup_ratio", "lr_scheduler.decay_ratio", "lr_scheduler.min_lr_factor",
    "dataloader.fim.rate", "dataloader.fim.spm", "dataloader.fim.spans.line", "dataloader.fim.spans.syntax",
    "dataloader.metadata.repo", "dataloader.metadata.path", "dataloader.metadata.stars",
    "dataloader.metadata.repository_level", "activation_checkpoint.memory_budget",
}  # fmt: skip
MAY_BE_MINUS_1 = {
    "training.global_batch_size", "parallelism.data_parallel_shard_degree", "checkpoint.load_step",
}  # fmt: skip
MAY_BE_INFINITE = {"training.max_norm"}


@dataclass(frozen=True)
class Leaf:
    """A key, its type, and what must be set for it to be there."""

    key: str
    hint: Any
    needs: tuple[tuple[str, Any], ...] = ()

    @property
    def general(self) -> str:
        return self.key.replace(".0.", ".*.")

    def kinds(self) -> set[Any]:
        arms = get_args(self.hint) if get_origin(self.hint) in (Union, type(int | None)) else (self.hint,)
        return {get_origin(arm) or arm for arm in arms}

    def overrides(self, value: Any, key: str | None = None) -> dict[str, Any]:
        """The settings that give the key (or another in its place) a value."""
        key = key or self.key
        settings: dict[str, Any] = dict(self.needs)
        if settings.get("activation_checkpoint.name") == "memory-budget":
            settings["compile.enable"] = True
        if key.startswith("dataloader.sources.0."):
            (source,) = settings["dataloader.sources"]
            return {"dataloader.sources": [{**source, key.rpartition(".")[2]: value}]}
        return {**settings, key: value}


def leaves(cls: Any, prefix: str = "", needs: tuple[tuple[str, Any], ...] = ()) -> Iterator[Leaf]:
    """Every key of the configuration, those of components by name and of sources with what chooses them."""
    for name, hint in schema.hints(cls).items():
        base, choice = schema.split(hint)
        key = prefix + name
        if choice is None and dataclasses.is_dataclass(base):
            yield from leaves(base, f"{key}.", needs)
        elif choice is None:
            yield Leaf(key, base, needs)
        else:
            in_list = get_origin(base) is list
            yield Leaf(key, list, needs) if in_list else Leaf(f"{key}.{choice.key}", str, needs)
            for option, component in choice.options.items():
                if component is None:
                    continue
                if in_list:
                    source = {choice.key: option} | {
                        field.name: "x"
                        for field in dataclasses.fields(component)
                        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
                    }
                    yield from leaves(component, f"{key}.0.", (*needs, (key, [source])))
                else:
                    yield from leaves(component, f"{key}.", (*needs, (f"{key}.{choice.key}", option)))


LEAVES = list(leaves(CodeTrainer.Config))


def message(overrides: dict[str, Any] | list[str]) -> str | None:
    """The line that refuses; None: accepted. Any other exception is a failure."""
    try:
        resolve(DEBUG, overrides, world_size=1)  # type: ignore[arg-type]
    except ConfigError as error:
        return str(error)
    return None


def names(line: str, key: str) -> bool:
    """Whether a line says which key is meant."""
    section, _, name = key.rpartition(".")
    return key in line or (section in line and name in line)


def must_be_refused(leaf: Leaf, value: Any) -> bool:
    """Whether nobody can mean the value; of the others either is right."""
    kinds = leaf.kinds()
    if isinstance(value, datetime.date) or value == "\0":
        return True
    if value == "none" and type(None) in kinds:
        return False
    if isinstance(value, str):
        return (not value.strip() and leaf.key != "comm.save_traces_file_prefix") or not kinds - {
            int, float, bool, list, dict, type(None)
        }  # fmt: skip
    if isinstance(value, bool):
        return bool not in kinds
    if isinstance(value, int | float):
        if not kinds & {int, float}:
            return True
        if float not in kinds and isinstance(value, float):
            return True
        small = {0: MAY_BE_0, -1: MAY_BE_MINUS_1}.get(value)
        if small is not None:
            return leaf.general not in small
        if value == math.inf:
            return leaf.key not in MAY_BE_INFINITE
        return not value > 0 or (float not in kinds and value > 2**63)
    return (list if isinstance(value, list) else dict) not in kinds and bool(
        kinds & {int, float, bool, str, list, dict}
    )


def as_text(value: Any) -> str | None:
    """A value as the command line has it; None: it has no such form."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {as_text(item)}" for name, item in value.items()) + "}"
    return (
        json.dumps(value).replace("NaN", "nan").replace("Infinity", "inf")
        if not isinstance(value, datetime.date)
        else str(value)
    )


def cases() -> Iterator[tuple[Leaf, Any, bool]]:
    """(key, value, whether it comes from the command line)"""
    for i, leaf in enumerate(LEAVES):
        for j, value in enumerate(VALUES):
            yield leaf, value, (i + j) % 2 == 0 and not leaf.needs


def wrong(leaf: Leaf, value: Any, from_command_line: bool) -> str | None:
    """What is wrong with how a case is answered."""
    overrides: Any = leaf.overrides(value)
    if from_command_line:
        overrides = [f"--{leaf.key}={as_text(value)}"]
    try:
        line = message(overrides)
    except Exception as error:
        return f"{overrides}: {error!r}"
    if line is None:
        text_of_a_list = from_command_line and isinstance(value, str) and list in leaf.kinds()
        if must_be_refused(leaf, value) and not text_of_a_list and not (from_command_line and str in leaf.kinds()):
            return f"{overrides}: accepted"
        return None
    if "\n" in line or not names(line, leaf.key):
        return f"{overrides}: {line}"
    return None


CASES = list(cases())


def test_a_sample_of_wrong_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    sample = CASES[:: len(CASES) // 250]
    assert len(sample) >= 200
    assert [found for case in sample if (found := wrong(*case))] == []


@pytest.mark.slow
def test_every_wrong_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert [found for case in CASES if (found := wrong(*case))] == []


def test_every_misspelt_key_is_named_with_a_suggestion() -> None:
    """A letter twice, a letter less: the line has what was written, and what is meant."""
    lost = []
    for leaf in LEAVES:
        section, _, name = leaf.key.rpartition(".")
        for slip in (name[:1] + name, name[:-1]):
            key = f"{section}.{slip}" if section else slip
            if any(other.key == key for other in LEAVES):
                continue
            line = message(leaf.overrides("none", key)) or "accepted"
            if (
                not names(line, key)
                or "unknown key" not in line
                or (len(name) > 4 and f'"{leaf.key}"' not in line and "did you mean" not in line)
            ):
                lost.append((key, line))
    assert lost == []


def test_a_key_of_another_section_is_named() -> None:
    lost = []
    sections = sorted({leaf.key.partition(".")[0] for leaf in LEAVES if "." in leaf.key})
    for i, leaf in enumerate(LEAVES):
        key = f"{sections[i % len(sections)]}.{leaf.key.rpartition('.')[2]}"
        if any(other.key == key for other in LEAVES):
            continue
        line = message({key: 1}) or "accepted"
        if not names(line, key) or "unknown key" not in line:
            lost.append((key, line))
    assert lost == []


def test_every_number_has_a_range() -> None:
    """Of the schema's numbers, those of the data's sections apart, whose rules are in config.data."""
    numbers = {leaf.general for leaf in LEAVES if leaf.kinds() & {int, float}}
    assert {
        key for key in numbers - RANGES.keys() if not key.startswith(("dataloader.", "validation.sources."))
    } == set()
    assert RANGES.keys() <= numbers
