"""Repositories as what is compared: the 5-grams of one are those of all its files."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple, TypeVar

from codetitan.prepare.duplicates.hashes import Text
from codetitan.prepare.duplicates.order import order_key
from codetitan.prepare.file import Drop

T = TypeVar("T")


class Member(NamedTuple):
    """A file of a repository.

    Attributes:
        root: the tree that it is in, `SOURCE:NAME`: two versions of a project in archives of their own are two.
        repo: the repository's name, the same in all files of a tree.
        text: the whole content.
        permissive: whether its licence is.
        stars, date: where they are known.
        source: that it comes from.
    """

    root: str
    repo: str | None
    text: str
    permissive: bool
    stars: int | None
    date: datetime | None
    source: str


def by_repository(files: Iterable[Member]) -> Iterator[Text]:
    """Yields the repositories of a shard, one in memory at a time.

    Args:
        files: those of a tree are together.

    Raises:
        ValueError: they are not.
    """
    seen: set[str] = set()
    for root, group in groupby(files, attrgetter("root")):
        if root in seen:
            raise ValueError(f"the files of {root} are not together")
        seen.add(root)
        members = list(group)
        yield Text(_key(members), tuple(member.text for member in members))


def _key(members: Sequence[Member]) -> bytes:
    """A repository is permissive where all its files are, and as old as the file that was changed last."""
    first = members[0]
    name = first.root.removeprefix(f"{first.source}:")
    repo = first.repo or first.source
    return order_key(
        permissive=all(member.permissive for member in members),
        stars=max((member.stars for member in members if member.stars is not None), default=None),
        date=max((member.date for member in members if member.date is not None), default=None),
        repo=repo,
        path="" if name == repo else name,  # an archive, of which a project may have several
        source=first.source,
    )


def files_of(
    drops: Iterable[tuple[int, Drop]], files: Iterable[T], root: Callable[[T], str]
) -> Iterator[tuple[T, Drop]]:
    """Yields the files of repositories that are dropped, with the reason.

    Args:
        drops: of the shard's repositories, as `read_drops` has them.
        files: of the shard, in the order in which `by_repository` had them.
        root: of a file.
    """
    dropped = dict(drops)
    for index, (_, group) in enumerate(groupby(files, root)):
        if drop := dropped.get(index):
            yield from ((file, drop) for file in group)
