"""debian/copyright in its machine-readable form: which files of a source package are under which licence.

Source: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/ ("Files" paragraphs: the last that matches a
file is its own; `*` stands for any number of characters, slashes too, and `?` for one).
"""

import fnmatch
import re
from functools import lru_cache
from typing import Any

PATH = "debian/copyright"
Stanza = tuple[list[str], str]
"""Patterns of paths, and the words for the licence."""

_COMMON = re.compile(r"/usr/share/common-licenses/([\w.+-]*\w)")
_FIELD = re.compile(r"^(Files|License|Format):[ \t]*(.*(?:\n[ \t].*)*)", re.MULTILINE | re.IGNORECASE)
_PARAGRAPHS = re.compile(r"\n[ \t]*\n")


def stanzas(text: str) -> list[Stanza] | None:
    """Returns the paragraphs that are of files, in their order; None where the file is prose."""
    found: list[Stanza] = []
    paragraphs = _PARAGRAPHS.split(text.removeprefix("\ufeff").replace("\r\n", "\n").strip("\n"))
    if "format" not in _fields(paragraphs[0]):
        return None
    for paragraph in paragraphs[1:]:
        fields = _fields(paragraph)
        if "files" in fields and "license" in fields:
            patterns = [pattern.rstrip(",") for pattern in fields["files"].split()]  # older files have commas
            found.append((patterns, fields["license"].split("\n")[0].strip()))
    return found


def _fields(paragraph: str) -> dict[str, str]:
    return {name.lower(): value for name, value in _FIELD.findall(paragraph)}


def texts(text: str) -> dict[str, str]:
    """Returns the words for a licence → its text, as the file has it: maintainers give names of their own."""
    found: dict[str, str] = {}
    for paragraph in _PARAGRAPHS.split(text.replace("\r\n", "\n")):
        words, _, body = _fields(paragraph).get("license", "").partition("\n")
        if body.strip():
            found[words.strip()] = "\n".join("" if line.strip() == "." else line[1:] for line in body.split("\n"))
    return found


def common(text: str) -> list[str]:
    """Returns the names of the texts that a licence's points to: "MPL-2.0" of /usr/share/common-licenses/MPL-2.0."""
    return list(dict.fromkeys(_COMMON.findall(text)))


def stanza_of(found: list[list[Any]], path: str) -> tuple[str, str | None] | None:
    """Returns the words for a file's licence, and which that is; None where no paragraph is of it.

    Args:
        found: the paragraphs: patterns, words and licence.
        path: of the file, below the folder that has `debian/`.
    """
    its = [(words, licence) for patterns, words, licence in found if any(_matches(p, path) for p in patterns)]
    return its[-1] if its else None


def _matches(pattern: str, path: str) -> bool:
    return _expression(pattern).match(path) is not None


@lru_cache(maxsize=65536)  # Chromium has thousands, each asked of each file
def _expression(pattern: str) -> re.Pattern[str]:
    # fnmatch's expression takes no step back over a star: `*a*a*a*a*b` would take for ever.
    return re.compile(fnmatch.translate(pattern.removeprefix("./").replace("[", "[[]")))
