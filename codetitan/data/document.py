"""What a source hands out: a document, or the reason why there is none."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Document:
    """One file of source code.

    Attributes:
        source: name of the source that it comes from.
        path: path inside the source, with forward slashes.
        text: the whole content.
    """

    source: str
    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Dropped:
    """A document that is not served, with the reason under which it is counted."""

    source: str
    path: str
    reason: str
