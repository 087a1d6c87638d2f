"""What is compared with all the rest, whole repositories and then files, and what of it goes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from codetitan.prepare.config import Prepare
from codetitan.prepare.duplicates import stages as duplicates
from codetitan.prepare.duplicates.config import ExactDuplicates
from codetitan.prepare.duplicates.drops import read_drops
from codetitan.prepare.duplicates.hashes import Text
from codetitan.prepare.duplicates.order import order_key
from codetitan.prepare.duplicates.work import Work
from codetitan.prepare.engine.stage import Stage, earlier
from codetitan.prepare.file import Drop
from codetitan.prepare.stages import repositories
from codetitan.prepare.stages.judge import JudgeFiles, file_of
from codetitan.prepare.stages.read import TABLE
from codetitan.prepare.tables import n_rows, rows

_DROPS = "duplicates-drops"


def stages(config: Prepare, read: int, tasks: int, shards: int) -> list[Stage]:
    """Returns the stages, in order.

    Args:
        config: of the preparation.
        read: tasks of `JudgeFiles`.
        tasks: of stages that do not go by these.
        shards: over how many repositories are dealt out.
    """
    found: list[Stage] = []
    before: tuple[str, ...] = (JudgeFiles.name,)
    if config.repository_duplicates.enable:
        work = Work(
            read=repositories.read_trees, shards=shards, exact=ExactDuplicates(), near=config.repository_duplicates,
            tasks=tasks, memory_mb=config.memory_mb, name=repositories.NAME, after=(repositories.GatherTrees.name,),
            earlier=earlier,
        )  # fmt: skip
        found += [
            repositories.DealTrees(config, read, shards),
            repositories.GatherTrees(config, shards),
            *duplicates.stages(work),
            repositories.NameFiles(config, shards),
        ]
        before = (*before, repositories.NameFiles.name)
    work = Work(
        read=_Files(config), shards=read, exact=config.exact_duplicates, near=config.near_duplicates, tasks=tasks,
        memory_mb=config.memory_mb, after=before, earlier=earlier,
    )  # fmt: skip
    return [*found, *duplicates.stages(work)]


def names(config: Prepare) -> tuple[str, ...]:
    """Returns the stages that `drops_of` reads."""
    return (repositories.NameFiles.name, _DROPS) if config.repository_duplicates.enable else (_DROPS,)


_REST = ("sha256", "licence", "licence_from", "root")
"""What tells apart rows that are the same in all else: which comes first in its source must not."""


@dataclass(frozen=True)
class _Files:
    """Reads the files that a task of `JudgeFiles` has left, without those that go with their repositories: of what is
    compared, the best one stays in the corpus."""

    config: Prepare

    def __call__(self, folder: Path, task: int) -> Iterable[Text]:
        gone = repositories.read_files(folder, task, self.config)
        columns = ["repo", "path", "content", "stars", "date", "source", "permissive", "document_parts", *_REST]
        for number, row in enumerate(rows(earlier(folder, JudgeFiles.name)[task] / TABLE, columns)):
            if number in gone:
                continue
            key = order_key(
                permissive=bool(row["permissive"]),
                stars=row["stars"],
                date=None if row["date"] is None else datetime.fromisoformat(row["date"]),
                repo=row["repo"],
                path=row["path"],
                source=row["source"],
                id="\n".join(str(row[name]) for name in _REST),
            )
            yield Text(key, (row["content"],), file_of(row).document)


def drops_of(folder: Path, task: int, config: Prepare) -> Mapping[int, Drop]:
    """Returns why files go, of a task of `JudgeFiles`, by row.

    Args:
        folder: of a task of a stage that comes after `names`, and after `JudgeFiles`.
    """
    gone = repositories.read_files(folder, task, config)
    found = read_drops(earlier(folder, _DROPS)[task], config.near_duplicates.similarity)
    if not gone:
        return dict(found)
    compared = [row for row in range(n_rows(earlier(folder, JudgeFiles.name)[task] / TABLE)) if row not in gone]
    return {**gone, **{compared[index]: drop for index, drop in found}}
