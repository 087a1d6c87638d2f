"""What an evaluation found, as results.json has it: read by `codetitan compare`, and by people's scripts."""

import dataclasses
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from codetitan.errors import ConfigError
from codetitan.evaluate.scores import Score

NAME = "results.json"
FORMAT = 1
"""Rises when a reader of the old form would misread the new one."""


@dataclass(frozen=True, kw_only=True)
class TaskResult:
    """One task's numbers.

    Attributes:
        protocol: what two results must have in common to be compared: harness, protocol's name, prompt's end, stops,
            samples, temperature, top_p, max_new_tokens, seed, limit, data with its SHA-256, what else the task asks.
        problems: how many were asked.
        completions: how many were generated; 0 of what is only scored.
        scores: `pass@1`, `exact`, `syntax`, `bits_per_byte`, … → number; the first is the one to show.
        groups: what it is grouped by (`language`, `kind`) → group → scores.
        reasons: why completions passed or failed → how many.
        truncated: prompts whose beginning did not fit into the model's context.
        left_out: reason → files and records that were looked at and are no problem.
        samples: name of the file beside results.json with every completion; None where there is none.
    """

    protocol: dict[str, Any]
    problems: int
    completions: int
    scores: dict[str, Score]
    groups: dict[str, dict[str, dict[str, Score]]] = field(default_factory=dict)
    reasons: dict[str, int] = field(default_factory=dict)
    truncated: int = 0
    left_out: dict[str, int] = field(default_factory=dict)
    samples: str | None = None


@dataclass(frozen=True, kw_only=True)
class Results:
    """All of an output folder.

    Attributes:
        model: path, step (of a checkpoint; else None), fingerprint, tokenizer, dialect, context.
        engine: back_end, device, dtype, batch_tokens (those that it ran with), versions.
        tasks: name → what was found.
        codetitan: the version that wrote it.
    """

    model: dict[str, Any]
    engine: dict[str, Any]
    tasks: dict[str, TaskResult]
    codetitan: str


def to_json(results: Results) -> str:
    """Returns the text of results.json."""
    return json.dumps({"format": FORMAT, **dataclasses.asdict(results)}, indent=2, ensure_ascii=False) + "\n"


def read(folder: Path) -> Results:
    """Reads results.json of an output folder.

    Raises:
        ConfigError: there is none, or it is not one of ours or of a later version.
    """
    file = folder / NAME
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        if values["format"] > FORMAT:
            raise ConfigError(f"{file} was written by codetitan {values['codetitan']}, a later one; update codetitan")
        tasks = {name: _task(task) for name, task in values["tasks"].items()}
        return Results(model=values["model"], engine=values["engine"], tasks=tasks, codetitan=values["codetitan"])
    except OSError as error:
        raise ConfigError(f"{file} can't be read: {error.strerror}; codetitan evaluate --output writes it") from None
    except ConfigError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError):
        raise ConfigError(f"{file} is not what codetitan evaluate writes; remove it or choose another folder") from None


def _task(values: dict[str, Any]) -> TaskResult:
    groups = {
        by: {group: _scores(scores) for group, scores in groups.items()} for by, groups in values["groups"].items()
    }
    return TaskResult(**values | {"scores": _scores(values["scores"]), "groups": groups})


def _scores(values: dict[str, dict[str, Any]]) -> dict[str, Score]:
    return {name: Score(**score) for name, score in values.items()}


def write(file: Path, text: str) -> None:
    """Writes a file that is there whole or as it was.

    Raises:
        ConfigError: the disk is full or does not let us.
    """
    partial = file.with_name(f".{file.name}.{os.getpid()}.partial")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(file)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise ConfigError(f"{file} can't be written: {error.strerror}") from None
