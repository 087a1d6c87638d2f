"""A stage as a datatrove pipeline of one step, and what its executors take for completed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from datatrove.executor.base import PipelineExecutor
from datatrove.pipeline.base import PipelineStep

from codetitan.prepare.engine.state import Place
from codetitan.prepare.engine.task import perform

LOGS = "datatrove"
"""In a stage's folder: what datatrove calls its logging_dir."""


class Task(PipelineStep):
    """The one step: a task of a stage."""

    type = "codetitan"

    def __init__(self, place: Place) -> None:
        self.name = place.stage.name
        self.place = place
        super().__init__()

    def run(self, data: Any = None, rank: int = 0, world_size: int = 1) -> None:
        """Does task `rank`."""
        perform(self.place, rank)


class Whole(PipelineExecutor):
    """One of datatrove's executors, for which a task is completed when its folder has its name.

    That and its own mark would be two truths, between which a crash falls.
    """

    place: Place

    def is_rank_completed(self, rank: int) -> bool:
        return self.place.task(rank).is_dir()

    def get_incomplete_ranks(self, ranks: Sequence[int] | None = None, skip_completed: bool | None = None) -> list[int]:
        left = self.place.left()
        return left if ranks is None else [rank for rank in left if rank in set(ranks)]

    def mark_rank_as_completed(self, rank: int) -> None:
        """The name of its folder does."""

    def save_executor_as_json(self, indent: int = 4) -> None:
        """stage.json says what runs; this would write all that the stage has, such as its lists of files."""


def logs(place: Place) -> Path:
    """Returns the folder of datatrove's own files for a stage."""
    return place.folder / LOGS
