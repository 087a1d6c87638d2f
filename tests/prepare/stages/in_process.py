"""Stages without an executor: the tasks of all of them, one after another in this process."""

from collections.abc import Sequence
from pathlib import Path

from codetitan.prepare.engine.stage import Stage
from codetitan.prepare.engine.state import Place, claim, places
from codetitan.prepare.engine.task import perform


def done(stages: Sequence[Stage], folder: Path) -> dict[str, Place]:
    """Does all tasks; returns the stages' places by name."""
    folder.mkdir(parents=True)
    claim(folder)
    found = places(stages, folder)
    for place in found:
        place.make()
        for task in range(place.stage.tasks):
            perform(place, task)
    return {place.stage.name: place for place in found}
