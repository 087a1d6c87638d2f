"""What raw code comes in: the sources that training reads, archives in a folder, rows that hold a whole repository.

A reader has units, which can be read in any order and in any process: an archive, a range of documents. What it hands
out are files, those that say what licence a repository has among them, and what it could not read, with the reason.
`documents/` has readers of what is no code.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

from codetitan.data.document import Dropped
from codetitan.prepare.file import File, Refused


class Reader(Protocol):
    """An opened source of raw code.

    Attributes:
        name: for people, and of the files.
        fingerprint: changes when the data does; where files have dates, when these do (`stamp`).
        dropped: what was left out when it was opened: reason → files and folders.
        sizes: about how many bytes of text are in each unit, by which the work is cut into pieces.
    """

    name: str
    fingerprint: str
    sizes: list[int]
    dropped: Mapping[str, int]

    def __len__(self) -> int:
        """Returns how many units there are."""

    def read(self, unit: int) -> Iterator[File | Dropped | Refused]:
        """Yields what is in a unit, in an order that depends on nothing else.

        Raises:
            ConfigError: it can't be read any more.
        """
        ...


PACKED = 4
"""About how often a text is larger than what archives and Parquet make of it."""

LARGEST = 16_000_000
"""Bytes of a file that is read, at least: the rule `paths` drops large code and says so, and the list of what a package
has installed, by which its licence is known, may have 1.5 MB (torch's)."""


UNPRINTABLE = "unprintable name"
"""The reason of a path with bytes that are no UTF-8, or with control characters, which a terminal would obey."""


def stamp(root: Path, files: Iterable[str]) -> str:
    """Returns a digest of files' names, sizes and dates of change, as `make` has it.

    Training's sources look at a sample of the bytes: a correction of the same size in one of many files would be taken
    for what was read before. A copy without its dates is read again.

    Args:
        root: the folder.
        files: paths below it, in order.
    """
    digest = hashlib.sha256()
    for file in files:
        found = (root / file).stat()
        digest.update(f"{file}\0{found.st_size}\0{found.st_mtime_ns}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def decoded(data: bytes) -> tuple[str, str]:
    """Returns (text, "") of a file's bytes; ("", reason) where they are none."""
    if not data:
        return "", "empty"
    if b"\0" in data:
        return "", "binary"
    try:
        return data.decode("utf-8-sig"), ""
    except UnicodeDecodeError:
        return "", "not UTF-8"


def in_utf8(path: str) -> str:
    """Returns a path as a table can have it; bytes in it that are no UTF-8 as escapes."""
    return path.encode("utf-8", "backslashreplace").decode()
