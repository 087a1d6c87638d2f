"""Where a document is cut: into segments, each encoded by itself, and these into stretches that fit in a piece.

A plain text is one segment. A structured document has one for each of its parts, which stands behind its sentinel: so
no token holds something of two parts, and a part is the same wherever its document is cut.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from codetitan.data.document import Document
from codetitan.data.pieces.dialects import Sentinels, lacks_structure
from codetitan.data.pieces.encoded import EncodedText, Ids
from codetitan.data.pieces.kinds import KindRange, kinds
from codetitan.data.structure import CODE, HEAD, HOLES
from codetitan.tokenizer.encoding import Encoding


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """A text that is encoded by itself.

    Attributes:
        text: in ids.
        language: of the text, for a hole's syntax and the kinds.
        kinds: of the text; none where nobody asks for them.
        sentinel: id that stands before it; None: nothing does.
        holes: whether a hole may be cut in it.
    """

    text: EncodedText
    language: str
    kinds: list[KindRange]
    sentinel: int | None = None
    holes: bool = True

    def __len__(self) -> int:
        return (self.sentinel is not None) + len(self.text.ids)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Bytes [start, stop) of a segment, behind its sentinel where they are its beginning."""

    segment: Segment
    start: int
    stop: int

    @property
    def sentinel(self) -> int | None:
        """Id that stands before it; None: nothing does."""
        return self.segment.sentinel if self.start == 0 else None

    def ids(self) -> Ids:
        """Returns the ids of its text."""
        return self.segment.text.part(self.start, self.stop)


def segments(document: Document, encoding: Encoding, sentinels: Sentinels, *, annotate: bool) -> list[Segment]:
    """Encodes a document.

    Args:
        document: plain or structured.
        encoding: the tokenizer.
        sentinels: ids of structure.
        annotate: whether the kinds of its text are told.

    Raises:
        ConfigError: it is structured, and a kind of its parts has no sentinel.
    """

    def segment(text: str, language: str, sentinel: int | None, holes: bool) -> Segment:
        encoded = EncodedText(encoding, encoding.normalize(text))
        return Segment(encoded, language, kinds(encoded.data, language) if annotate else [], sentinel, holes)

    if not document.parts:
        return [segment(document.text, document.language, None, True)]
    lacking = sentinels.lacking(kind for kind, _ in document.parts)
    if lacking:
        raise lacks_structure(f'{document.source}: "{document.path}"', lacking, encoding)
    # A file of "jupyter" is a notebook, whose kernel nobody told; `codetitan prepare` keeps Python alone by default.
    of_code = "python" if document.language == "jupyter" else document.language
    made, at = [], 0
    for kind, n in document.parts:
        sentinel = None if kind == HEAD else sentinels.structure[kind]
        language = of_code if kind in CODE else "other"
        made.append(segment(document.text[at : at + n], language, sentinel, kind in HOLES))
        at += n
    return made


def stretches(parts: Sequence[Segment], most: int) -> list[list[Stretch]]:
    """Cuts a document into stretches that stand together in a piece.

    A segment that fits in a piece is whole: it begins the next one where this one has no room left for it, unless there
    is next to nothing in this one, which would stand there without what it introduces. One that fits in none is cut at
    line ends; it begins where half of a piece is free.

    Args:
        parts: of the document, at least one.
        most: tokens of a piece, about.
    """
    pieces: list[list[Stretch]] = [[]]
    used = 0
    for number, segment in enumerate(parts):
        n, room = len(segment), most - used
        enough = used >= max(2, most // 8) if n <= most else used > most // 2
        if n > room and enough:
            pieces.append([])
            used, room = 0, most
        first = max(1, room - (segment.sentinel is not None))
        begun, *others = (Stretch(segment, *span) for span in segment.text.cut(max(1, most), first))
        pieces[-1].append(begun)
        pieces += [[stretch] for stretch in others]
        if number < len(parts) - 1:  # encoded once more, to know what room is left
            used = len(others[-1].ids()) if others else used + n
    return pieces
