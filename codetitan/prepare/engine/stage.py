"""A stage: a number of tasks, each of which writes a folder; and what a later stage reads of it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from codetitan.errors import ConfigError

RECORD = "stage.json"
"""In a stage's folder: what its state is called by."""

TASKS = "tasks"
"""In a stage's folder: one folder a task that is done, by its number."""


class Stage(Protocol):
    """What the engine runs: pickled once for each worker, so what is long is kept in files, not in attributes.

    Attributes:
        name: a few characters that a folder's name may have; of this stage alone.
        tasks: how many there are, at least one.
        after: optional; the names of the stages that it reads. Without it: all that come before.
        size: optional; task → how large it is, in numbers that only compare: large ones are begun first, so that none
            is alone at the end. Without it, the "n_bytes" of the same task of a stage that it reads.
    """

    @property
    def name(self) -> str: ...

    @property
    def tasks(self) -> int: ...

    def inputs(self) -> Mapping[str, Any]:
        """Returns all that the outcome depends on, but for the stages before, as JSON.

        Rules, thresholds, versions, fingerprints: what it does not name may change without a task being redone.
        """
        ...

    def run(self, task: int, folder: Path) -> Mapping[str, Any]:
        """Does one task.

        Args:
            task: its number, from 0.
            folder: empty; where its files go. It gets its name when `run` has returned, and only then.

        Returns:
            Statistics as JSON: numbers, which are added up over the tasks, tables of them, and lists, which are joined.
            "n_bytes", where it is there, is what the speed is told in.

        Raises:
            ConfigError: its text is shown after the stage and the task.
            Exception: it is shown in one line; a note (`add_note`, or `reading`) names the document.
        """
        ...


def names_before(stage: Stage, before: list[str]) -> list[str]:
    """Returns the names of the stages that a stage reads, in order, out of those before it.

    Raises:
        ValueError: it names one that does not come before it.
    """
    after = getattr(stage, "after", None)
    if after is None:
        return before
    if unknown := sorted(set(after) - set(before)):
        raise ValueError(f'stage "{stage.name}" comes after "{unknown[0]}", which does not come before it')
    return [name for name in before if name in after]


def folder_name(task: int) -> str:
    """Returns what the folder of a task that is done is called."""
    return f"{task:05d}"


def earlier(folder: Path, name: str) -> list[Path]:
    """Returns the folders of an earlier stage's tasks, in order; called in `Stage.run`.

    Each has what the task wrote, and statistics.json.

    Args:
        folder: as `Stage.run` has it.
        name: of a stage that this one comes after.

    Raises:
        ConfigError: one is missing.
        KeyError: this stage does not come after such a one.
    """
    stage = folder.parents[1]
    other = stage.parent / json.loads((stage / RECORD).read_bytes())["after"][name]
    n_tasks = json.loads((other / RECORD).read_bytes())["tasks"]
    there = {path.name for path in (other / TASKS).iterdir()}
    for task in range(n_tasks):
        if folder_name(task) not in there:
            raise ConfigError(f"task {task} of {other} is not there; the same command makes it again")
    return [other / TASKS / folder_name(task) for task in range(n_tasks)]
