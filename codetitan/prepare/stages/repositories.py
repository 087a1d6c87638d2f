"""Copies of whole repositories go before their files are compared: forks, mirrors, versions of a project.

A repository's files are in several tasks of `JudgeFiles`. So each task deals its own out by tree (`DealTrees`), a
shard's are put in order (`GatherTrees`, on disk where they do not fit into memory), and repositories are read from
there one at a time and compared as documents are (the room `duplicates`). What goes is handed back to the tasks that
the files came from (`NameFiles`). Memory is bounded by `memory_mb` and the largest repository, of which a worker takes
some six times its text.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from codetitan.prepare.config import Prepare
from codetitan.prepare.duplicates.drops import read_drops
from codetitan.prepare.duplicates.hashes import Text
from codetitan.prepare.duplicates.repositories import Member, by_repository, files_of
from codetitan.prepare.engine.stage import earlier
from codetitan.prepare.file import Drop
from codetitan.prepare.stages.deal import Dealer, dealt, in_order, memory_of_rows
from codetitan.prepare.stages.judge import JudgeFiles, file_of
from codetitan.prepare.stages.read import TABLE, bucket
from codetitan.prepare.tables import NUMBER, TEXT, Row, Writer, rows

NAME = "repositories"
"""What the names of these stages begin with."""

TREES = {
    "root": TEXT, "repo": TEXT, "path": TEXT, "content": TEXT, "permissive": NUMBER, "stars": NUMBER, "date": TEXT,
    "source": TEXT, "task": NUMBER, "row": NUMBER,
}  # fmt: skip
"""Columns of files by tree: with the task of `JudgeFiles` that each is in, and its row there."""

RULE = "repository_duplicates"
_DEALT = "trees"
_IN_TREES = ("", "notebook")
_DROPS = f"{NAME}-drops"


@dataclass(frozen=True)
class DealTrees:
    """A task for each of `JudgeFiles`: deals its files out by tree. What is in none, issues and commits, is no part
    of a repository."""

    config: Prepare
    tasks: int
    shards: int

    name = f"{NAME}-deal"
    after: tuple[str, ...] = (JudgeFiles.name,)

    def inputs(self) -> Mapping[str, Any]:
        """Over how many shards."""
        return {"format": 1, "shards": self.shards}

    def run(self, task: int, folder: Path) -> Mapping[str, Any]:
        """Writes runs of rows."""
        n_bytes = 0
        with Dealer(folder, _DEALT, TREES, self.shards, memory=memory_of_rows(self.config.memory_mb)) as trees:
            columns = [*(name for name in TREES if name not in ("task", "row")), "document_parts"]
            for number, row in enumerate(rows(earlier(folder, JudgeFiles.name)[task] / TABLE, columns)):
                if row["root"] is not None and file_of(row).document in _IN_TREES:
                    n_bytes += len(row["content"])
                    trees.add(bucket(row["root"], self.shards), {**row, "task": task, "row": number})
        return {"n_bytes": n_bytes}


@dataclass(frozen=True)
class GatherTrees:
    """A task a shard: its files in order."""

    config: Prepare
    tasks: int

    name = f"{NAME}-gather"
    after: tuple[str, ...] = (DealTrees.name,)

    def inputs(self) -> Mapping[str, Any]:
        """Nothing beside what was dealt out."""
        return {"format": 1}

    def run(self, task: int, folder: Path) -> Mapping[str, Any]:
        """Writes files.parquet, by tree and path."""
        found, n_bytes = dealt(earlier(folder, DealTrees.name), _DEALT, task), 0
        with Writer(folder / TABLE, TREES, level=1) as writer:
            for row in in_order(found, _place, TREES, folder, memory=memory_of_rows(self.config.memory_mb)):
                n_bytes += len(row["content"])
                writer.add(row)
        return {"n_bytes": n_bytes}


def _place(row: Row) -> tuple[str, str]:
    return row["root"], row["path"]


def read_trees(folder: Path, shard: int) -> Iterable[Text]:
    """Reads a shard's repositories, for `duplicates.work.Work`."""
    return by_repository(_members(earlier(folder, GatherTrees.name)[shard]))


def _members(part: Path) -> Iterator[Member]:
    for row in rows(part / TABLE, ["root", "repo", "content", "permissive", "stars", "date", "source"]):
        date = None if row["date"] is None else datetime.fromisoformat(row["date"])
        permissive = bool(row["permissive"])
        yield Member(row["root"], row["repo"], row["content"], permissive, row["stars"], date, row["source"])


@dataclass(frozen=True)
class NameFiles:
    """A task a shard: the files of the repositories that are dropped, for the tasks of `JudgeFiles` that have them."""

    config: Prepare
    tasks: int

    name = f"{NAME}-files"
    after: tuple[str, ...] = (GatherTrees.name, _DROPS)

    def inputs(self) -> Mapping[str, Any]:
        """Nothing beside what is dropped."""
        return {"format": 1}

    def run(self, task: int, folder: Path) -> Mapping[str, Any]:
        """Writes TASK.jsonl: row, twin, similarity, a line a file."""
        files = rows(earlier(folder, GatherTrees.name)[task] / TABLE, ["root", "task", "row"])
        drops = read_drops(earlier(folder, _DROPS)[task], self.config.repository_duplicates.similarity)
        found = [
            (file["task"], file["row"], drop.twin, drop.similarity) for file, drop in files_of(drops, files, _root)
        ]
        for of_task, group in groupby(sorted(found), itemgetter(0)):
            lines = (json.dumps(line) + "\n" for _, *line in group)
            (folder / _file(of_task)).write_text("".join(lines), encoding="utf-8")
        return {"files": len(found)}


def _root(row: Row) -> str:
    root: str = row["root"]
    return root


def _file(task: int) -> str:
    return f"{task:05}.jsonl"


def read_files(folder: Path, task: int, config: Prepare) -> Mapping[int, Drop]:
    """Returns the rows of a task of `JudgeFiles` that go with their repositories: row → why; none where that is off.

    Args:
        folder: of a task of a stage that comes after `NameFiles`, where there is one.
    """
    if not config.repository_duplicates.enable:
        return {}
    found, threshold = {}, config.repository_duplicates.similarity
    for part in earlier(folder, NameFiles.name):
        file = part / _file(task)
        for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else ():
            row, twin, similarity = json.loads(line)
            reason = "its repository is the same as another" if similarity == 1 else "its repository is nearly another"
            found[row] = Drop(RULE, reason, similarity, threshold, twin, similarity)
    return found
