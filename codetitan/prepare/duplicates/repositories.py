"""Repositories as what is compared: the 5-grams of one are those of all its files."""

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from typing import TypeVar

from codetitan.prepare.duplicates.hashes import Text
from codetitan.prepare.file import Drop

T = TypeVar("T")


def by_repository(files: Iterable[tuple[str | None, bytes, str]], key: Callable[[str], bytes]) -> Iterator[Text]:
    """Yields the repositories of a shard.

    Args:
        files: repository, key and text of each; those of a repository are together. A file without a repository is
            compared as it is, by its own key.
        key: of a repository; `order_key` with an empty path, so that it is called by its name.

    Raises:
        ValueError: the files of a repository are not together.
    """
    seen: set[str] = set()
    for (repo, _), group in groupby(_numbered(files, lambda file: file[0]), lambda pair: pair[0]):
        together = [file for _, file in group]
        if repo is None:
            yield Text(together[0][1], (together[0][2],))
            continue
        if repo in seen:
            raise ValueError(f"the files of repository {repo} are not together")
        seen.add(repo)
        yield Text(key(repo), tuple(text for _, _, text in together))


def files_of(drops: Iterable[tuple[int, Drop]], repos: Iterable[str | None]) -> Iterator[tuple[int, Drop]]:
    """Yields (index of a file, why it is dropped), of the outcome for repositories.

    Args:
        drops: of the shard, as `read_drops` has them.
        repos: of each of the shard's files, in the order in which `by_repository` had them.
    """
    dropped = dict(drops)
    groups = groupby(enumerate(_numbered(repos, lambda repo: repo)), lambda pair: pair[1][0])
    for index, (_, group) in enumerate(groups):
        if drop := dropped.get(index):
            yield from ((number, drop) for number, _ in group)


def _numbered(items: Iterable[T], repo_of: Callable[[T], str | None]) -> Iterator[tuple[tuple[str | None, int], T]]:
    """Yields each item with its repository, and a number where that is not known: no two of these are together."""
    for number, item in enumerate(items):
        repo = repo_of(item)
        yield (repo, number if repo is None else -1), item
