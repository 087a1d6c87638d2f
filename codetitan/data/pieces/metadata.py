"""What stands before the code: repository, path and stars, as the dialect lays them out."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from codetitan.data.document import Document
from codetitan.data.pieces.dialects import Sentinels
from codetitan.data.structure import is_of_a_file


class _Encoder(Protocol):
    def encode(self, text: str) -> "list[int]": ...


@dataclass(kw_only=True, slots=True)
class MetadataConfig:
    """Probability of each field, drawn anew for every document in every epoch; a field that is not known is left out,
    as is one that the dialect has no place for."""

    repo: float = 0.0
    """Name of the repository."""

    path: float = 0.0
    """Path inside the repository."""

    stars: float = 0.0
    """Stars of the repository: 0, 1-10, 10-100, 100-1000 or 1000+."""

    repository_level: float = 0.0
    """Probability that neighbouring files of one repository make one sample, each file under its path."""

    files_per_repository: int = 8
    """Files of one repository that are drawn together, where `repository_level` is above 0."""


def star_bucket(stars: int) -> str:
    """Returns StarCoder's bucket (arXiv 2305.06161, §3.3); the upper end belongs to a bucket."""
    buckets = ((0, "0"), (10, "1-10"), (100, "10-100"), (1000, "100-1000"))
    return next((name for most, name in buckets if stars <= most), "1000+")


class Headers:
    """Encodes headers in a dialect.

    Args:
        sentinels: the dialect's ids.
        encode: text to ids, special tokens in it as plain text: a path can inject nothing.
    """

    def __init__(self, sentinels: Sentinels, encode: Callable[[str], list[int]]) -> None:
        self._sentinels = sentinels
        self._encode = encode

    def repo(self, document: Document) -> list[int]:
        """Returns the repository's part; empty where it is not known or the dialect has none."""
        return self._field(self._sentinels.dialect.repo, document.repo)

    def path(self, document: Document) -> list[int]:
        """Returns the path's part; empty where the dialect has none, and for what is no file: an issue's path is what
        a store made up, and so is a commit's."""
        known = document.has_path and is_of_a_file(document.parts)
        return self._field(self._sentinels.dialect.path, document.path if known else None)

    def document(self, document: Document, config: MetadataConfig, draw: Callable[[int], float]) -> list[int]:
        """Returns the header of a document on its own.

        Args:
            document: what the fields are taken from.
            config: the fields' probabilities.
            draw: number → float in [0, 1).
        """
        dialect = self._sentinels.dialect
        ids: list[int] = []
        if config.repo and draw(0) < config.repo:
            ids += self.repo(document)
        path = self.path(document) if config.path and draw(1) < config.path else []
        ids += path or self.no_path(document)
        if config.stars and document.stars is not None and draw(2) < config.stars:
            ids += self._field(dialect.stars, star_bucket(document.stars))
        return ids + self._encode(dialect.header_end) if ids and dialect.header_end else ids

    def no_path(self, document: Document | None = None) -> list[int]:
        """Returns what the dialect puts where no path of a file stands; nothing before a structured document, which
        begins with a sentinel of its own."""
        sentinel = "" if document is not None and document.parts else self._sentinels.dialect.no_path
        return [self._sentinels.ids[sentinel]] if sentinel else []

    def _field(self, template: str | None, value: str | None) -> list[int]:
        # A line end in a field would end the header early; such a name is left out.
        if template is None or not value or not value.isprintable():
            return []
        before, _, after = template.partition("{}")
        if before in self._sentinels.ids:
            return [self._sentinels.ids[before], *self._encode(value + after)]
        return self._encode(before + value + after)
