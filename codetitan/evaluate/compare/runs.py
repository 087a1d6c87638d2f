"""What a folder has to compare: a run's validation rounds and evaluations, or what `codetitan evaluate` wrote."""

import hashlib
import json
import os
import re
import tomllib
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from codetitan.errors import ConfigError
from codetitan.evaluate import results
from codetitan.evaluate.folder import asked_tasks
from codetitan.evaluate.results import Results, TaskResult

METRICS = "metrics.jsonl"
EVALUATIONS = "evaluation"
"""Folder of a run in which step-N has what an evaluation of that checkpoint wrote."""

ERROR = "/standard_error"
"""Ends the name of a score's standard error in metrics.jsonl."""

_COST = ("validation/seconds", "validation/share_of_time", "evaluation/seconds")


@dataclass(frozen=True)
class Point:
    """A number after a step.

    Attributes:
        step: of the optimizer.
        tokens: that the run had seen by then, padding counted; None where that is not known.
        value: the number.
        error: its standard error, where it has one.
    """

    step: int
    tokens: int | None
    value: float
    error: float | None = None


@dataclass(frozen=True, kw_only=True)
class Run:
    """A folder to compare.

    Attributes:
        path: of the folder.
        name: what it is called beside the others.
        step, tokens: of its last numbers; None where not known.
        curves: name as in metrics.jsonl, such as "validation/loss" → its points.
        tasks: name → what the last evaluation found; {} where only the metrics know its scores.
        engine: what evaluated: back-end, device, dtype.
        sets: "validation" and "evaluation" → digest of what the curves are measured on.
        config: the run's configuration; {} of an evaluation.
        notes: what a reader should know.
    """

    path: Path
    name: str
    step: int | None = None
    tokens: int | None = None
    curves: dict[str, list[Point]] = field(default_factory=dict)
    tasks: dict[str, TaskResult] = field(default_factory=dict)
    engine: str | None = None
    sets: dict[str, str] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def evaluated(self) -> set[str]:
        """Returns the tasks that scores are of."""
        of_metrics = {name.split("/")[1] for name in self.curves if name.startswith("evaluation/")}
        return set(self.tasks) or of_metrics

    def asked(self) -> str | None:
        """Returns the digest of all that was asked, as `training/evaluations.py` makes it; None: nothing was."""
        if not self.tasks:
            return self.sets.get("evaluation")
        text = json.dumps({name: task.protocol for name, task in self.tasks.items()}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def names(paths: Sequence[Path]) -> list[str]:
    """Returns a name for each folder: as much of the end of its path as tells it from the others.

    Raises:
        ConfigError: a folder is named twice.
    """
    parts = [Path(os.path.abspath(path)).parts[1:] or ("/",) for path in paths]  # noqa: PTH100  (links are kept)
    for i, own in enumerate(parts):
        if own in parts[:i]:
            raise ConfigError(f"{paths[i]} is named twice")
    found = []
    for own in parts:
        n = 1
        while n < len(own) and sum(other[-n:] == own[-n:] for other in parts) > 1:
            n += 1
        found.append("/".join(own[-n:]))
    return found


def read(path: Path, name: str) -> Run:
    """Reads a folder.

    Raises:
        ConfigError: it is no run's and no evaluation's, has nothing to compare, or what it has can't be read.
    """
    try:
        entries = {entry.name for entry in path.iterdir()}
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    if results.NAME in entries:
        return _of_results(results.read(path), path, name)
    if METRICS in entries:
        return _of_metrics(path, name, evaluated="evaluation" in entries)
    if ".metadata" in entries:
        raise ConfigError(
            f"{path} is a checkpoint; name its run's folder, or what codetitan evaluate --model {path} --output DIR "
            "writes"
        )
    raise ConfigError(f"{path} has no {METRICS} of a run and no {results.NAME} of codetitan evaluate")


def _of_results(found: Results, path: Path, name: str) -> Run:
    if not found.tasks:
        raise ConfigError(f"{path / results.NAME} has no task that is done; run the same codetitan evaluate again")
    return Run(path=path, name=name, step=found.model.get("step"), tasks=found.tasks, engine=_engine(found))


def _engine(found: Results) -> str:
    known = (found.engine.get(key) for key in ("back_end", "device", "dtype"))
    return ", ".join(str(value) for value in known if value is not None)


def _of_metrics(path: Path, name: str, *, evaluated: bool) -> Run:
    records = _records(path / METRICS)
    clock = sorted((r["step"], r["tokens_seen"]) for r in records if "kind" not in r and "tokens_seen" in r)
    notes: list[str] = []
    curves: dict[str, list[Point]] = {}
    sets: dict[str, str] = {}
    for kind in ("validation", "evaluation"):
        of_kind = [record for record in records if record.get("kind") == kind]
        if of_kind and (last := of_kind[-1].get(f"{kind}/set")) is not None:
            sets[kind] = last
            same = [record for record in of_kind if record.get(f"{kind}/set") == last]
            if len(same) < len(of_kind):
                notes.append(
                    f"{name}: {len(of_kind) - len(same)} earlier {kind} rounds were on another set, and are left out"
                )
            of_kind = same
        curves |= _curves(kind, of_kind, clock)
    if not curves:
        raise ConfigError(
            f"{path / METRICS} has no validation round and no evaluation; set validation.interval, or compare what "
            "codetitan evaluate wrote"
        )
    latest = _latest(path / EVALUATIONS) if evaluated else None
    end = max((points[-1] for points in curves.values()), key=lambda point: point.step)
    scored = max((points[-1].step for name, points in curves.items() if name.startswith("evaluation/")), default=0)
    if latest is not None and latest[0] < scored:  # that of the last one is gone
        latest = None
    scored = scored if latest is None else latest[0]
    if scored not in (0, end.step):
        notes.append(f"{name}: scores are of step {scored:,}")
    return Run(
        path=path,
        name=name,
        step=end.step,
        tokens=end.tokens,
        curves=curves,
        tasks={} if latest is None else latest[1].tasks,
        engine=None if latest is None else _engine(latest[1]),
        sets=sets,
        config=_config(path / "config.toml"),
        notes=notes,
    )


def _records(file: Path) -> list[dict[str, Any]]:
    try:
        lines = file.read_bytes().split(b"\n")
    except OSError as error:
        raise ConfigError(f"{file} can't be read: {error.strerror}") from None
    records = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            if not (isinstance(record, dict) and isinstance(record.get("step"), int)):
                raise ValueError
        except ValueError:
            if number == len(lines):  # a run is writing it, or was killed
                continue
            raise ConfigError(f"{file}: line {number} is no record of a step") from None
        records.append(record)
    return records


def _curves(kind: str, records: Iterable[dict[str, Any]], clock: list[tuple[int, int]]) -> dict[str, list[Point]]:
    """Returns the numbers of the records by name, in the order of the steps; a step that came twice counts once."""
    curves: dict[str, dict[int, Point]] = {}
    for record in records:
        tokens = tokens_at(record["step"], clock)
        for name, value in record.items():
            if not name.startswith(f"{kind}/") or name.endswith(ERROR) or name in _COST:
                continue
            if isinstance(value, int | float) and not isinstance(value, bool):  # null: it was not finite
                point = Point(record["step"], tokens, float(value), record.get(f"{name}{ERROR}"))
                curves.setdefault(name, {})[record["step"]] = point
    return {name: [points[step] for step in sorted(points)] for name, points in curves.items()}


def tokens_at(step: int, clock: list[tuple[int, int]]) -> int | None:
    """Returns the tokens that a run had seen after a step, between two logged steps by a straight line.

    Args:
        step: any.
        clock: (step, tokens) of the logged steps, ascending.
    """
    clock = sorted(dict(clock).items())  # of a step that came twice the last time
    if not clock:
        return None
    place = bisect_left(clock, (step, 0))
    if place < len(clock) and clock[place][0] == step:
        return clock[place][1]
    # Beyond the last logged step, as fast as before it; a run begins with none.
    before, after = ([(0, 0), *clock][place], clock[place]) if place < len(clock) else ([(0, 0), *clock][-2], clock[-1])
    return round(before[1] + (after[1] - before[1]) * (step - before[0]) / (after[0] - before[0]))


def _latest(folder: Path) -> tuple[int, Results] | None:
    """Returns step and results of the last checkpoint whose evaluation has come to its end."""
    steps = sorted(int(path.name[5:]) for path in folder.glob("step-*") if re.fullmatch(r"step-\d+", path.name))
    for step in reversed(steps):
        place = folder / f"step-{step}"
        if (place / results.NAME).is_file() and asked_tasks(place) <= (found := results.read(place)).tasks.keys():
            return step, found
    return None


def _config(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # it only says why sets differ
        return {}
