"""What a source hands out: a document, or the reason why there is none."""

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from codetitan.data.structure import Parts
from codetitan.data.turns import Turns


@dataclass(frozen=True, slots=True)
class Document:
    """One file of source code, or one record of a dataset.

    Attributes:
        source: name of the source that it comes from.
        path: path inside the repository, with forward slashes; where the store has none, its place in the store.
        text: the whole content, without surrogates.
        repo: the repository, as `owner/name` where that is known; None where nothing is.
        language: one of `codetitan.data.language.LANGUAGES`; "other" where it is not known.
        licence: SPDX identifier, or the words of the store; None where it is not known.
        stars: stars of the repository; None where they are not known.
        has_path: False where `path` is only its place in the store, which is no metadata.
        parts: of a structured document (an issue, commit, notebook or pull request), (kind, characters) in the order of
            the text, whose length they add up to (`codetitan.data.structure`); (): a plain text.
        date: of the last change, in UTC; None where it is not known. No token depends on it.
        turns: of a conversation, whose texts `text` is, one below the other; of a pair of answers, with the chosen one.
        rejected: of such a pair, the turns with the other answer.
    """

    source: str
    path: str
    text: str
    repo: str | None = None
    language: str = "other"
    licence: str | None = None
    stars: int | None = None
    has_path: bool = True
    parts: Parts = ()
    date: datetime | None = None
    turns: Turns = ()
    rejected: Turns = ()

    def __repr__(self) -> str:
        return repr_without(self, "parts", "date", "turns", "rejected")


@dataclass(frozen=True, slots=True)
class Dropped:
    """A document that is not served, with the reason under which it is counted."""

    source: str
    path: str
    reason: str


def repr_without(record: Any, *later: str) -> str:
    """Returns what a dataclass's own repr would be, without the fields named in `later` where these are not set.

    Fingerprints of sources are hashes of it: what has no such field keeps the one that it had before there were any.
    """
    shown = (field.name for field in fields(record) if field.name not in later or getattr(record, field.name))
    return f"{type(record).__qualname__}({', '.join(f'{name}={getattr(record, name)!r}' for name in shown)})"


class EndOfStream(Exception):
    """A streamed source has no document of that index: its one epoch is over."""
