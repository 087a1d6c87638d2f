"""debian/copyright in its machine-readable form: which files of a source package are under which licence.

Source: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/ ("Files" paragraphs: the last that matches a
file is its own; `*` stands for any number of characters, slashes too, and `?` for one).
"""

import re

PATH = "debian/copyright"
Stanza = tuple[list[str], str]
"""Patterns of paths, and the words for the licence."""

_FIELD = re.compile(r"^(Files|License|Format):[ \t]*(.*(?:\n[ \t].*)*)", re.MULTILINE)
_PARAGRAPHS = re.compile(r"\n[ \t]*\n")


def stanzas(text: str) -> list[Stanza] | None:
    """Returns the paragraphs that are of files, in their order; None where the file is prose."""
    found: list[Stanza] = []
    paragraphs = _PARAGRAPHS.split(text.replace("\r\n", "\n"))
    if not any(name == "Format" for name, _ in _FIELD.findall(paragraphs[0])):
        return None
    for paragraph in paragraphs[1:]:
        fields = dict(_FIELD.findall(paragraph))
        if "Files" in fields and "License" in fields:
            found.append((fields["Files"].split(), fields["License"].split("\n")[0].strip()))
    return found


def licence_words(found: list[Stanza], path: str) -> str | None:
    """Returns the words for a file's licence; None where no paragraph is of it.

    Args:
        found: the paragraphs.
        path: of the file, below the folder that has `debian/`.
    """
    words = [licence for patterns, licence in found if any(_matches(pattern, path) for pattern in patterns)]
    return words[-1] if words else None


def _matches(pattern: str, path: str) -> bool:
    pattern = re.escape(pattern.removeprefix("./")).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(pattern, path, re.DOTALL) is not None
