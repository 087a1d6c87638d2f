"""The paths of a repository's files, and how an import's path leads to one of them."""

import posixpath
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from functools import cached_property

LONGEST = 1000
"""Characters of an import that is looked for: each of its names is tried as a file, which takes the square of it."""


def folder_of(path: str) -> str:
    """Returns the folder of a path, without a slash at its end; "" at the top."""
    return path.rpartition("/")[0]


def joined(folder: str, path: str) -> str | None:
    """Returns a path that is relative to a folder from the repository's top; None if it leads out of it."""
    found = posixpath.normpath(posixpath.join(folder, path))
    return None if found == ".." or found.startswith(("../", "/")) else "" if found == "." else found


def upwards(folder: str) -> Iterator[str]:
    """Yields a folder and those that it is in, the top ("") last."""
    while folder:
        yield folder
        folder = folder_of(folder)
    yield ""


class Paths:
    """The paths of one repository.

    Args:
        paths: of files, with forward slashes, relative to its top.
    """

    def __init__(self, paths: Iterable[str]) -> None:
        self._files = frozenset(paths)
        self._found: dict[tuple[str, str], str] = {}

    def __contains__(self, path: object) -> bool:
        return path in self._files

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._files))

    @cached_property
    def folders(self) -> frozenset[str]:
        """Those that have a file somewhere below them; the top is ""."""
        found: set[str] = set()
        for path in self._files:
            for folder in upwards(folder_of(path)):
                if folder in found:
                    break
                found.add(folder)
        return frozenset(found)

    @cached_property
    def _by_end(self) -> dict[str, list[str]]:
        """What a path may end with → the paths that do, sorted."""
        found: dict[str, list[str]] = {}
        for path in self:
            end = path
            while end:
                found.setdefault(end, []).append(path)
                end = end.partition("/")[2]
        return found

    def first(self, candidates: Iterable[str]) -> str | None:
        """Returns the first that there is."""
        return next((path for path in candidates if path in self._files), None)

    def nearest(self, end: str, folder: str) -> str | None:
        """Returns the file whose path ends with some names, in the nearest folder upwards that has one below it.

        Of several in it the one that is least deep, then the first by path.

        Args:
            end: names with slashes between them, such as "util/text.h".
            folder: where the search begins.
        """
        with_end = self._by_end.get(end)
        if with_end is None:
            return None
        for above in upwards(folder):
            known = self._found.get((above, end))
            if known is None:
                known = self._found[above, end] = _shallowest(with_end, f"{above}/" if above else "")
            if known:
                return known
        return None


def _shallowest(paths: list[str], start: str) -> str:
    """Returns the least deep path of a sorted list with a start; "" if there is none."""
    best, least = "", 0
    for number in range(bisect_left(paths, start), len(paths)):
        path = paths[number]
        if not path.startswith(start):
            break
        depth = path.count("/")
        if not best or depth < least:
            best, least = path, depth
    return best
