"""What raw code comes in: the sources that training reads, archives in a folder, rows that hold a whole repository.

A reader has units, which can be read in any order and in any process: an archive, a range of documents. What it hands
out are files, those that say what licence a repository has among them, and what it could not read, with the reason.
`documents/` has readers of what is no code.
"""

from collections.abc import Iterator, Mapping
from typing import Protocol

from codetitan.data.document import Dropped
from codetitan.prepare.file import File, Refused


class Reader(Protocol):
    """An opened source of raw code.

    Attributes:
        name: for people, and of the files.
        fingerprint: changes when the data does, not when it lies elsewhere.
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
