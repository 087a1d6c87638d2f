"""Walks the files below a folder, through links too: each folder once, and the same way on any machine.

What lies in the folder itself comes first; links are followed after it, in the order of their paths. So a file that is
there under its own name keeps it, and what is linked twice comes under the first of its paths. A link to a folder that
it lies in itself, or that holds all that is walked, is a loop.
"""

import errno
import heapq
import os
import stat
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Literal, TypeVar

Links = Literal["all", "inside", "none"]
"""Which links are followed: all, those to what lies in the folder, or none."""

LOOP, BROKEN, OUTSIDE = "loop of links", "broken link", "link out of the folder"
LINKED, TWICE = "link", "link to what is served already"
IRREGULAR, UNREADABLE_FOLDER, UNREADABLE = "not a regular file", "unreadable folder", "unreadable"

C = TypeVar("C")

Tell = Callable[[str, str], None]
"""Hears what is left out: the reason, and the path below the folder that is walked."""


@dataclass(frozen=True, slots=True)
class Found(Generic[C]):
    """A regular file, or a link to one.

    Attributes:
        path: below the folder that is walked, with forward slashes.
        entry: of its folder; its `stat()` follows a link.
        context: of its folder.
        real: its path without links.
    """

    path: str
    entry: "os.DirEntry[str]"
    context: C
    real: str


def walk(
    root: Path,
    *,
    links: Links,
    dropped: Counter[str],
    tell: Tell | None = None,
    top: C,
    enter: Callable[[str, list["os.DirEntry[str]"], C], C],
    named: Callable[[str], bool],
    descend: Callable[[str, C], bool],
    served: Callable[[str], bool],
) -> Iterator[Found[C]]:
    """Yields the files below `root`.

    Args:
        root: the folder.
        links: which are followed.
        dropped: gets the reasons why something is left out, counted.
        tell: hears each of them, at once: what is left out may be more than fits into memory.
        top: the context above `root`.
        enter: makes a folder's context from its path ("" or with a slash at its end), its entries and the one above.
        named: whether files and folders are walked, by their paths: by their names alone.
        descend: whether a folder is walked, by its path and the context above it.
        served: whether a real path has been served, asked of files behind links.
    """

    def left_out(reason: str, path: str) -> None:
        dropped[reason] += 1
        if tell is not None:
            tell(reason, path)

    real_root = os.path.realpath(root)
    folders: list[tuple[str, str, C]] = [("", real_root, top)]
    later: list[tuple[str, str, int]] = []  # links, the first path on top; a path occurs once
    waiting: list[tuple[os.DirEntry[str], C]] = []
    walked: set[str] = set()
    behind_link = False
    while folders or later:
        while folders:
            folder, real, above = folders.pop()
            if real in walked:
                left_out(TWICE, folder)
                continue
            walked.add(real)
            try:
                with os.scandir(root / folder) as listing:
                    entries = list(listing)
            except OSError:
                left_out(UNREADABLE_FOLDER, folder)
                continue
            context = enter(folder, entries, above)
            for entry in entries:
                path = folder + entry.name
                if not named(path):
                    continue
                if entry.is_symlink():
                    heapq.heappush(later, (path, real, len(waiting)))
                    waiting.append((entry, context))
                elif entry.is_file(follow_symlinks=False):
                    place = f"{real.rstrip('/')}/{entry.name}"
                    if behind_link and served(place):
                        left_out(TWICE, path)
                    else:
                        yield Found(path, entry, context, place)
                elif not entry.is_dir(follow_symlinks=False):
                    left_out(IRREGULAR, path)
                elif descend(path + "/", context):
                    folders.append((path + "/", f"{real.rstrip('/')}/{entry.name}", context))
        behind_link = True
        if later:
            path, parent, which = heapq.heappop(later)
            entry, context = waiting[which]
            real, reason = _behind(entry, real_root, parent, links)
            if reason is not None:
                left_out(reason, path)
            elif os.path.isdir(real):  # noqa: PTH112
                if descend(path + "/", context):
                    folders.append((path + "/", real, context))
            elif served(real):
                left_out(TWICE, path)
            else:
                yield Found(path, entry, context, real)


def _behind(entry: "os.DirEntry[str]", root: str, parent: str, links: Links) -> tuple[str, str | None]:
    """Returns the real path that a link in the real folder `parent` leads to, and why it is not followed."""
    try:
        mode = entry.stat().st_mode
    except OSError as error:
        reasons = {errno.ELOOP: LOOP, errno.EACCES: UNREADABLE, errno.EPERM: UNREADABLE}
        return "", reasons.get(error.errno or 0, BROKEN)
    real = os.path.realpath(entry.path)
    if stat.S_ISDIR(mode):
        if _holds(real, parent) or _holds(real, root):
            return real, LOOP
    elif not stat.S_ISREG(mode):
        return real, IRREGULAR
    if links == "none":
        return real, LINKED
    if links == "inside" and not _holds(root, real):
        return real, OUTSIDE
    return real, None


def _holds(folder: str, path: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")
