"""Deduplication as stages of tasks, for an engine; and all of them in this process.

    hash      a task a shard       digests and keys in the total order
    rank      tasks                a number for each document: smaller ones are better
    exact     tasks                of one digest the best stays
    sign      a task a shard       5-grams, and buckets by MinHash, of what is left
    compare-r, verify-r, choose-r  tasks, tasks, one: rounds of candidates, their similarities, and what stays
    drops     a task a shard       what is dropped, by index, with the name of what stays

A stage reads the files of stages before it, and writes whole files of its own; its outcome depends on nothing else.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from codetitan.prepare.duplicates.drops import read_drops
from codetitan.prepare.duplicates.hashes import Text
from codetitan.prepare.duplicates.parts import Choose, Compare, Drops, Exact, Hash, Rank, Sign, Verify
from codetitan.prepare.duplicates.work import PARTIAL, Part, Work
from codetitan.prepare.file import Drop


def stages(work: Work) -> list[Part]:
    """Returns the stages, in order.

    Raises:
        ConfigError: rensa is missing.
    """
    work.near.check()
    parts: list[Part] = [Hash(work), Rank(work)]
    if work.exact.enable:
        parts.append(Exact(work))
    if work.near.enable:
        parts.append(Sign(work))
        for number in range(len(work.near.leaders)):
            parts += [Compare(work, number), Verify(work, number), Choose(work, number)]
    return [*parts, Drops(work)]


def run(work: Work, folder: Path) -> dict[str, list[Mapping[str, Any]]]:
    """Runs all stages in this process; tasks whose folders are there are not done again.

    Args:
        work: with `earlier` as it is.
        folder: new, or of an earlier call with the same work: that is not checked.

    Returns:
        The statistics of the tasks that were done, by stage.
    """
    statistics: dict[str, list[Mapping[str, Any]]] = {}
    for stage in stages(work):
        statistics[stage.name] = []
        for task in range(stage.tasks):
            whole = folder / stage.name / f"{task:05}"
            if whole.exists():
                continue
            partial = whole.with_name(whole.name + PARTIAL)
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
            statistics[stage.name].append(stage.run(task, partial))
            partial.rename(whole)
    return statistics


def find(shards: Sequence[Sequence[Text]], work: Work, folder: Path) -> list[dict[int, Drop]]:
    """Returns, of each shard of a small corpus, why documents are dropped, by index; `run` with what is in memory.

    Args:
        shards: the documents; `work.read` and `work.shards` are not used.
        work: the settings.
        folder: as for `run`.
    """
    work = replace(work, read=lambda _, shard: shards[shard], shards=len(shards))
    run(work, folder)
    return [
        dict(read_drops(folder / f"{work.name}-drops" / f"{shard:05}", work.near.similarity))
        for shard in range(len(shards))
    ]
