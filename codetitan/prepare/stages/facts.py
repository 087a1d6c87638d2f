"""What repositories say of their licences, from all tasks that have read a part of them, in a few files by name.

The trees of a file are sorted by the hash of their names, in what a task reads as in what comes of it: so they are
merged as they are read, looked up on the disk, and take no memory, however many there are.
"""

import heapq
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from codetitan.prepare.engine.stage import earlier
from codetitan.prepare.licences import Facts, Repository, merge
from codetitan.prepare.stages.read import FACTS_FILES, Read, facts_runs, place_of

_NOTHING: Facts = {"statements": {}, "texts": {}}
_NOBODY = Repository(_NOTHING)
_PLACE = np.dtype([("place", "u8"), ("start", "u8")])


@dataclass(frozen=True)
class GatherFacts:
    """Tasks for some of the files each.

    Attributes:
        tasks: how many.
    """

    tasks: int

    name = "facts"
    after: tuple[str, ...] = (Read.name,)

    def inputs(self) -> Mapping[str, Any]:
        """Nothing beside what was read."""
        return {"format": 2}

    def run(self, task: int, folder: Path) -> Mapping[str, Any]:
        """Writes facts-FILE.jsonl, [root, facts] a line, and where each begins."""
        parts, n = earlier(folder, Read.name), 0
        for number in range(task, FACTS_FILES, self.tasks):
            runs = [_lines(run) for part in parts for run in facts_runs(part, number)]
            if not runs:
                continue
            places: list[tuple[int, int]] = []
            with (folder / _file(number)).open("wb") as file:
                for (place, root), group in groupby(heapq.merge(*runs, key=lambda line: line[0]), lambda line: line[0]):
                    facts = _NOTHING
                    for _, more in group:
                        facts = merge(facts, more)
                    places.append((place, file.tell()))
                    file.write(json.dumps([root, facts], sort_keys=True).encode() + b"\n")
            np.array(places, _PLACE).tofile((folder / _file(number)).with_suffix(".places"))
            n += len(places)
        return {"trees": n}


def _file(number: int) -> str:
    return f"facts-{number:02}.jsonl"


def _lines(run: Path) -> Iterator[tuple[tuple[int, str], Facts]]:
    with run.open(encoding="utf-8", newline="\n") as lines:
        for line in lines:
            root, facts = json.loads(line)
            yield (place_of(root), root), facts


class Known:
    """The facts of all trees, read where they are asked for.

    Args:
        folder: of a task of a stage that comes after `GatherFacts`.
    """

    def __init__(self, folder: Path) -> None:
        self._parts = earlier(folder, GatherFacts.name)
        self._places = lru_cache(maxsize=FACTS_FILES)(self._places_of)
        self._facts = lru_cache(maxsize=16)(self._facts_of)
        self._repository = lru_cache(maxsize=256)(self._of_repository)

    def _places_of(self, number: int) -> tuple[Path, Any]:
        file = self._parts[number % len(self._parts)] / _file(number)
        return file, np.memmap(file.with_suffix(".places"), _PLACE, "r") if file.exists() else np.zeros(0, _PLACE)

    def _facts_of(self, root: str) -> Facts:
        place = place_of(root)
        file, places = self._places(place % FACTS_FILES)
        first, stop = (int(np.searchsorted(places["place"], np.uint64(place), side)) for side in ("left", "right"))
        for start in places["start"][first:stop].tolist():  # of hashes that are the same there may be two names
            with file.open("rb") as lines:
                lines.seek(start)
                name, facts = json.loads(lines.readline())
            if name == root:
                found: Facts = facts
                return found
        return _NOTHING

    def _of_repository(self, root: str) -> Repository:
        return Repository(self._facts(root))

    def repository(self, root: str | None) -> Repository:
        """Returns what is known of a tree; nothing of none."""
        return self._repository(root) if root is not None else _NOBODY

    def texts(self, root: str | None) -> Mapping[str, str]:
        """Returns SHA-256 → text of the licences and notices of a tree."""
        texts: Mapping[str, str] = self._facts(root)["texts"] if root is not None else {}
        return texts
