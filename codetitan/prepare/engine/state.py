"""What is done, below the output folder: which stages' folders there are, and whether they are of this command.

    OUTPUT/state.json                          who made the folder, and in which format
    OUTPUT/stages/NAME-DIGEST/stage.json       what the digest is of
    OUTPUT/stages/NAME-DIGEST/tasks/00000/     what a task wrote, and its statistics.json
    OUTPUT/stages/NAME-DIGEST/failures/        tracebacks of the last run
    OUTPUT/stages/NAME-DIGEST/datatrove/       datatrove's own logs and scripts

datatrove marks a task as completed by an empty file, whatever it was of: run again with another threshold, it skips
everything (read in `PipelineExecutor.is_rank_completed`, datatrove 0.10.1). Here the digest is in the name.
"""

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from codetitan import lock
from codetitan.errors import ConfigError
from codetitan.prepare.engine.stage import RECORD, TASKS, Stage, folder_name, names_before

FORMAT = 1
MADE_BY = "codetitan prepare"
NAME = "state.json"
STAGES = "stages"
FAILURES = "failures"
STATISTICS = "statistics.json"
PARTIAL = ".partial"
_CLEARED = ".cleared"


@dataclass(frozen=True)
class Place:
    """A stage, and the folder in which its state lies.

    Attributes:
        stage: what runs.
        folder: OUTPUT/stages/NAME-DIGEST.
        record: what `folder` is called by, as stage.json has it.
    """

    stage: Stage
    folder: Path
    record: Mapping[str, Any]

    @cached_property
    def tasks(self) -> Path:
        """The folder of the tasks' folders."""
        return self.folder / TASKS

    def task(self, task: int) -> Path:
        """Returns the folder of a task, there or not."""
        return self.tasks / folder_name(task)

    def left(self) -> list[int]:
        """Returns the tasks that are not done."""
        there = {path.name for path in self.tasks.iterdir()}
        return [task for task in range(self.stage.tasks) if folder_name(task) not in there]

    def largest_first(self) -> list[int]:
        """Returns the tasks that are not done, in the order in which they are begun."""
        size = self.size
        return self.left() if size is None else sorted(self.left(), key=lambda task: (-size(task), task))

    @cached_property
    def size(self) -> Callable[[int], int] | None:
        """How large a task is, in numbers that only compare; None where that is not known."""
        return getattr(self.stage, "size", None) or self._size_before()

    def _size_before(self) -> Callable[[int], int] | None:
        for folder in map(self.folder.with_name, reversed(self.record["after"].values())):
            record = _read(folder / RECORD)
            if record is not None and record["tasks"] == self.stage.tasks:
                tasks = (folder / TASKS / folder_name(task) / STATISTICS for task in range(self.stage.tasks))
                sizes = [(_read(task) or {}).get("n_bytes") for task in tasks]
                if None not in sizes:
                    return lambda task: int(sizes[task] or 0)
        return None

    def outputs(self) -> list[Path]:
        """Returns the tasks' folders, in order."""
        return [self.task(task) for task in range(self.stage.tasks)]

    def failures(self) -> list[Path]:
        """Returns what tasks left that failed, in order of the tasks: the first line is for people."""
        with contextlib.suppress(FileNotFoundError):
            return sorted(path for path in (self.folder / FAILURES).iterdir() if path.suffix == ".txt")
        return []

    def make(self) -> None:
        """Makes the folder, or looks whether the one that is there is this stage's.

        Raises:
            ConfigError: it is not.
        """
        self.tasks.mkdir(parents=True, exist_ok=True)
        path = self.folder / RECORD
        found = _read(path)
        if found is None:
            write(path, self.record)
        elif found != self.record:
            raise ConfigError(f"{path} is not what made that folder; remove {self.folder}")

    def clear(self) -> None:
        """Removes what tasks left that were killed, and the failures of the last run.

        What is left is renamed first: a task that runs after all then fails to give it its name, and so can't give it
        to half of a folder.
        """
        for path in list(self.tasks.iterdir()):
            if PARTIAL in path.name and _CLEARED not in path.name:
                with contextlib.suppress(FileNotFoundError):
                    path = path.rename(path.with_name(path.name + _CLEARED))
            if _CLEARED in path.name:
                shutil.rmtree(path, ignore_errors=True)
        shutil.rmtree(self.folder / FAILURES, ignore_errors=True)


def claim(folder: Path) -> None:
    """Takes a folder for this command's state, or finds its state there.

    Raises:
        ConfigError: it holds something else, or the state of another version.
    """
    path = folder / NAME
    found = _read(path)
    if found is None:
        others = (file.name for file in folder.iterdir() if file.name != lock.NAME and PARTIAL not in file.name)
        if other := min(others, default=None):
            raise ConfigError(
                f'output = "{folder}" holds something else, such as {other}; choose a new folder with --output DIR'
            )
        write(path, {"made_by": MADE_BY, "format": FORMAT})
    elif found.get("made_by") != MADE_BY:
        raise ConfigError(f'output = "{folder}" was not made by {MADE_BY}; choose a new folder with --output DIR')
    elif found.get("format") != FORMAT:
        raise ConfigError(
            f'output = "{folder}" is of format {found.get("format")}, and this codetitan knows format {FORMAT}; '
            "choose a new folder with --output DIR, or take the codetitan that made it"
        )


def places(stages: Sequence[Stage], folder: Path) -> list[Place]:
    """Returns where the stages' states lie below an output folder, there or not.

    Raises:
        ValueError: two have one name, one has no task, or it comes after a stage that does not come before it.
        TypeError: what a stage depends on is no JSON.
    """
    found: dict[str, Place] = {}
    for stage in stages:
        if stage.name in found or stage.tasks < 1:
            raise ValueError(f'stage "{stage.name}": its name must be its own, and it must have tasks')
        record: dict[str, Any] = {
            "format": FORMAT,
            "name": stage.name,
            "tasks": stage.tasks,
            "inputs": stage.inputs(),
            "after": {name: found[name].folder.name for name in names_before(stage, list(found))},
        }
        text = json.dumps(record, sort_keys=True, allow_nan=False)
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        found[stage.name] = Place(stage, folder / STAGES / f"{stage.name}-{digest}", json.loads(text))
    return list(found.values())


def outputs(stages: Sequence[Stage], folder: Path) -> dict[str, list[Path]]:
    """Returns the folders of the tasks of each stage, by its name; `execute` has made them."""
    return {place.stage.name: place.outputs() for place in places(stages, folder)}


def old(places_: Sequence[Place], folder: Path) -> list[Path]:
    """Returns the folders of stages that are not among these: of other thresholds, or other input."""
    current = {place.folder.name for place in places_}
    try:
        return sorted(path for path in (folder / STAGES).iterdir() if path.name not in current)
    except FileNotFoundError:
        return []


def statistics(place: Place) -> Iterator[Mapping[str, Any]]:
    """Yields the statistics of each task of a stage that is done, in order."""
    for path in place.outputs():
        yield json.loads((path / STATISTICS).read_bytes())


def as_json(content: Mapping[str, Any]) -> str:
    """Returns JSON that is the same for the same content.

    Raises:
        TypeError: it is none.
        ValueError: a number is none.
    """
    return json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Writes JSON that is there whole or not at all, also after a crash of the machine."""
    partial = path.with_name(path.name + PARTIAL)
    with partial.open("w", encoding="utf-8") as file:
        file.write(as_json(content))
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    sync(path.parent)


def sync(path: Path) -> None:
    """Has the disk keep a file's content, or a folder's names."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ConfigError(f"{path} is not what was written there; remove {path.parent}, or choose a new folder")
    return found
