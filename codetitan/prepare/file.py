"""A file on its way from raw code to the corpus, and why it does not get there."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

from codetitan.data.document import Document
from codetitan.data.structure import Parts

_ASCII = bytes(range(128))
_DOCUMENTS = {"issue": "issue", "commit": "commit", "jupyter": "notebook", "pr": "pull request"}
_WHITE = b" \t\r\f\v\x1c\x1d\x1e\x1f"  # what `str.isspace` holds for below 128, but the line feed


@dataclass
class File:
    """What rules look at.

    What is worked out of the text is kept, for the rules share it: another text is another file
    (`dataclasses.replace(file, text=…)`), never this one's attribute set.

    Attributes:
        source: name of the source that it comes from.
        repo: the repository; None where it is not known.
        path: inside the repository, with forward slashes.
        text: the whole content.
        language: one of `codetitan.data.language.LANGUAGES`.
        licence: what the store says: an SPDX expression, or words; None where it says nothing.
        stars: of the repository; None where they are not known.
        in_corpus: False of what is read for what it says of a licence alone.
        root: names the tree that the path is in, apart from those of other sources: what a LICENSE in it says holds for
            the tree. None of a file that came without one, such as a row that names no repository.
        date: of the last change, in UTC; None where it is not known.
        parts: of a structured document, such as an issue: (kind, characters) in the order of the text, as
            `codetitan.data.structure` has them; () of a plain file.
    """

    source: str
    repo: str | None
    path: str
    text: str
    language: str = "other"
    licence: str | None = None
    stars: int | None = None
    in_corpus: bool = True
    root: str | None = None
    date: datetime | None = None
    parts: Parts = ()

    @staticmethod
    def of(document: Document) -> "File":
        """Returns the file that a source's document is."""
        return File(
            document.source,
            document.repo,
            document.path,
            document.text,
            document.language,
            document.licence,
            document.stars,
            date=document.date,
            parts=document.parts,
        )

    @property
    def document(self) -> str:
        """Which document it is: "issue", "commit", "notebook", "pull request", or "" for a plain file."""
        return document_of(self.parts)

    @property
    def texts(self) -> list[str]:
        """The texts of the parts, in order; of a plain file its text."""
        if not self.parts:
            return [self.text]
        at, found = 0, []
        for _, n in self.parts:
            found.append(self.text[at : at + n])
            at += n
        return found

    def with_parts(self, parts: Iterable[tuple[str, str]]) -> "File":
        """Returns the file with the text that parts, each a kind and its text, are together."""
        parts = list(parts)
        return replace(self, text="".join(text for _, text in parts), parts=tuple((k, len(text)) for k, text in parts))

    def with_texts(self, texts: Iterable[str]) -> "File":
        """Returns the file with other texts in its parts, one for each; of a plain file, another text."""
        if not self.parts:
            return replace(self, text="".join(texts))
        return self.with_parts(zip((kind for kind, _ in self.parts), texts, strict=True))

    @cached_property
    def data(self) -> bytes:
        """The content in UTF-8."""
        return self.text.encode()

    @cached_property
    def lines(self) -> list[str]:
        """The lines without their ends; only a line feed ends one, with or without a carriage return before it."""
        lines = self.text.replace("\r\n", "\n").split("\n")
        return lines[:-1] if lines[-1] == "" else lines

    @cached_property
    def n_lines(self) -> int:
        """How many `lines` there are; without splitting the text."""
        return self.histogram[10] + (self.data[-1:] not in (b"", b"\n"))

    @cached_property
    def tight(self) -> bytes:
        """The content without the white space that is ASCII, but with its line feeds, in UTF-8."""
        return self.data.translate(None, _WHITE)

    @cached_property
    def histogram(self) -> list[int]:
        """How often each of the 256 bytes is in `tight`."""
        import numpy as np

        counts: list[int] = np.bincount(np.frombuffer(self.tight, np.uint8), minlength=256).tolist()
        return counts

    @cached_property
    def beyond_ascii(self) -> Mapping[str, int]:
        """How often each character that is not ASCII is in the text."""
        return {} if self.text.isascii() else Counter(self.tight.translate(None, _ASCII).decode())

    @cached_property
    def squeezed(self) -> list[bytes]:
        """The lines without any white space, in UTF-8; blank ones are left out."""
        if any(map(str.isspace, self.beyond_ascii)):
            lines = ["".join(line.split()).encode() for line in self.text.split("\n")]
        else:
            lines = self.tight.split(b"\n")
        return list(filter(None, lines))


@dataclass(frozen=True, slots=True)
class Drop:
    """Why a file is not in the corpus.

    Attributes:
        rule: its table in the configuration, such as "long_lines".
        reason: a few words for people, the same for all files that are dropped for it: what is counted.
        value: what was found in the file.
        threshold: what it was compared with.
        twin: of a duplicate: the file that is kept, as repository/path.
        similarity: of a near-duplicate: its Jaccard similarity with the twin.
    """

    rule: str
    reason: str
    value: float | str | None = None
    threshold: float | str | None = None
    twin: str | None = None
    similarity: float | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """A document that its reader leaves out by its own rules.

    Attributes:
        file: what it is, as far as that was found.
        drop: why; its rule is the type of the source, or the table of the configuration.
    """

    file: File
    drop: Drop


def document_of(parts: Parts) -> str:
    """Returns which document parts are of; see `File.document`."""
    return _DOCUMENTS.get(parts[0][0].partition("_")[0], "document") if parts else ""
