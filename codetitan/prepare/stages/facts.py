"""What repositories say of their licences, from all tasks that have read a part of them, in a few files by name."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from codetitan.prepare.engine.stage import earlier
from codetitan.prepare.licences import Facts, Repository, merge
from codetitan.prepare.stages.read import FACTS_FILES, Read, bucket, facts_file

TABLE = "facts.json"
_NOTHING: Facts = {"statements": {}, "texts": {}}
_NOBODY = Repository(_NOTHING)


@dataclass(frozen=True)
class GatherFacts:
    """A task a file of them."""

    name = "facts"
    tasks = FACTS_FILES
    after: tuple[str, ...] = (Read.name,)

    def inputs(self) -> Mapping[str, Any]:
        """Nothing beside what was read."""
        return {"format": 1}

    def run(self, task: int, folder: Path) -> Mapping[str, Any]:
        """Writes facts.json: root → facts."""
        found: dict[str, Facts] = {}
        for part in earlier(folder, Read.name):
            file = part / facts_file(task)
            for line in file.read_text(encoding="utf-8").split("\n") if file.exists() else ():
                if line:
                    root, facts = json.loads(line)
                    found[root] = merge(found[root], facts) if root in found else facts
        text = json.dumps({root: found[root] for root in sorted(found)}, sort_keys=True)
        (folder / TABLE).write_text(text, encoding="utf-8")
        return {"trees": len(found)}


class Known:
    """The facts of all trees, read where they are asked for.

    Args:
        folder: of a task of a stage that comes after `GatherFacts`.
    """

    def __init__(self, folder: Path) -> None:
        self._parts = earlier(folder, GatherFacts.name)
        self._read = lru_cache(maxsize=4)(self._of_file)
        self._repository = lru_cache(maxsize=256)(self._of_repository)

    def _of_file(self, number: int) -> dict[str, Facts]:
        found: dict[str, Facts] = json.loads((self._parts[number] / TABLE).read_text(encoding="utf-8"))
        return found

    def _facts(self, root: str) -> Facts:
        return self._read(bucket(root, FACTS_FILES)).get(root, _NOTHING)

    def _of_repository(self, root: str) -> Repository:
        return Repository(self._facts(root))

    def repository(self, root: str | None) -> Repository:
        """Returns what is known of a tree; nothing of none."""
        return self._repository(root) if root is not None else _NOBODY

    def texts(self, root: str | None) -> Mapping[str, str]:
        """Returns SHA-256 → text of the licences and notices of a tree."""
        texts: Mapping[str, str] = self._facts(root)["texts"] if root is not None else {}
        return texts
