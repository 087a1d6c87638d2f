"""debian/copyright in its machine-readable form: which files of a source package are under which licence.

Source: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/ ("Files" paragraphs: the last that matches a
file is its own; `*` stands for any number of characters, slashes too, and `?` for one).
"""

import fnmatch
import re
from functools import lru_cache

PATH = "debian/copyright"
Stanza = tuple[list[str], str]
"""Patterns of paths, and the words for the licence."""

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


def licence_words(found: list[Stanza], path: str) -> str | None:
    """Returns the words for a file's licence; None where no paragraph is of it.

    Args:
        found: the paragraphs.
        path: of the file, below the folder that has `debian/`.
    """
    words = [licence for patterns, licence in found if any(_matches(pattern, path) for pattern in patterns)]
    return words[-1] if words else None


def _matches(pattern: str, path: str) -> bool:
    return _expression(pattern).match(path) is not None


@lru_cache(maxsize=65536)  # Chromium has thousands, each asked of each file
def _expression(pattern: str) -> re.Pattern[str]:
    # fnmatch's expression takes no step back over a star: `*a*a*a*a*b` would take for ever.
    return re.compile(fnmatch.translate(pattern.removeprefix("./").replace("[", "[[]")))
