"""Documents to pieces: metadata, fill in the middle and tokens.

A piece is what a sample can hold: a short document, a part of a long one (cut at line ends), or several files of one
repository. It is built before packing, so that a hole has its whole context, and every draw is keyed by (seed,
purpose, epoch, source, document): a piece is the same whoever asks for it, whenever.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import partial
from itertools import groupby

import numpy as np
import numpy.typing as npt

from codetitan.data.document import Document
from codetitan.data.language import LANGUAGES
from codetitan.data.order import key, uniform
from codetitan.data.pieces.dialects import Sentinels
from codetitan.data.pieces.encoded import EncodedText, Ids
from codetitan.data.pieces.fim import FimConfig, Hole, Span, choose_hole
from codetitan.data.pieces.kinds import KindRange, kind_of_each, kinds
from codetitan.data.pieces.metadata import Headers, MetadataConfig
from codetitan.tokenizer.encoding import Encoding

# A part encoded by itself may have more tokens than its share of the whole text: each cut breaks one word.
_SLACK = 6


class Role(IntEnum):
    """What a token is there for."""

    CODE = 0
    METADATA = 1
    PREFIX = 2
    SUFFIX = 3
    MIDDLE = 4
    SENTINEL = 5


@dataclass(frozen=True, slots=True)
class Piece:
    """Tokens that attend to each other and to nothing else.

    Attributes:
        ids: uint32 (n,), 2 ≤ n ≤ seq_len + 1.
        roles: (role, tokens) in order; they add up to n.
        name: the documents that it is made of, for errors and for people.
        languages: (index into LANGUAGES, tokens); they add up to n.
        holes: order and kind of each hole, such as "psm random".
        kinds: uint8 (n,), the `Kind` of each token; None where the maker was not asked for it.
        n_bytes: uint32 (n,), the bytes of the text that each token stands for; 0 for what is no text: metadata and
            sentinels, whose kind says nothing. None as `kinds`. Over the pieces of a document they add up to its text
            in UTF-8, as the tokenizer normalizes it.
    """

    ids: Ids
    roles: tuple[tuple[Role, int], ...]
    name: str
    languages: tuple[tuple[int, int], ...]
    holes: tuple[str, ...] = ()
    kinds: npt.NDArray[np.uint8] | None = None
    n_bytes: npt.NDArray[np.uint32] | None = None

    @property
    def size(self) -> int:
        """Pairs of a token and its next: what the piece takes of a sample."""
        return len(self.ids) - 1

    def role_of_each(self) -> npt.NDArray[np.uint8]:
        """Returns uint8 (n,): the role of each token."""
        return np.repeat(np.array([role for role, _ in self.roles], np.uint8), [count for _, count in self.roles])


_Part = tuple[Role, Ids]
_LANGUAGE_NUMBER = {language: number for number, language in enumerate(LANGUAGES)}


@dataclass(frozen=True, slots=True)
class _File:
    document: Document
    text: EncodedText
    kinds: list[KindRange]  # none where nobody asks for them


@dataclass(frozen=True, slots=True)
class _Chunk:
    """A part of a file that goes into one piece: its header and its body, in which a hole may be."""

    file: _File
    span: Span
    header: list[int]
    body: list[_Part]
    hole: Hole | None

    def parts(self) -> list[_Part]:
        return [(Role.METADATA, np.array(self.header, np.uint32)), *self.body] if self.header else self.body

    def size(self) -> int:
        return len(self.header) + sum(len(ids) for _, ids in self.body)

    def annotation(self) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint32]]:
        """Returns the kind of each token of `parts`, and the bytes that it stands for."""
        n_header = len(self.header)
        each_kind, each_size = np.zeros(self.size(), np.uint8), np.zeros(self.size(), np.uint32)
        at = {Role.CODE: self.span[0], Role.PREFIX: self.span[0]}
        if self.hole is not None:
            at[Role.SUFFIX] = self.span[0] + self.hole.stop
        i = n_header
        for role, ids in self.body:
            j = i + len(ids)
            if role != Role.SENTINEL:
                sizes = self.file.text.sizes(ids)
                each_size[i:j] = sizes
                each_kind[i:j] = kind_of_each(self.file.kinds, at[role], sizes)
                if role == Role.PREFIX:
                    # Encoded together with its middle, a prefix may end a token before the hole begins.
                    at[Role.MIDDLE] = at[role] + int(sizes.sum())
            i = j
        return each_kind, each_size


class PieceMaker:
    """Makes pieces.

    Args:
        encoding: the tokenizer.
        sentinels: the dialect in its ids.
        metadata: which fields are served, how often.
        fim: which pieces get a hole, how often.
        seq_len: L; a piece has at most L + 1 tokens.
        seed: of every draw.
        annotate: whether each token of a piece gets its kind and its size in bytes. The pieces are the same.
    """

    def __init__(
        self,
        encoding: Encoding,
        sentinels: Sentinels,
        metadata: MetadataConfig,
        fim: FimConfig,
        *,
        seq_len: int,
        seed: int,
        annotate: bool = False,
    ) -> None:
        self._annotate = annotate
        self._encoding = encoding
        self._metadata = metadata
        self._fim = fim
        self._seed = seed
        self._most = seq_len + 1
        # of which the three sentinels of a hole, the end and the slack are not text
        self._room = self._most - (4 + _SLACK if fim.rate else 1 + _SLACK)
        self._headers = Headers(sentinels, lambda text: encoding.encode(encoding.normalize(text)).tolist())
        dialect = sentinels.dialect
        self._prefix, self._suffix, self._middle, self._end, self._fim_end = (
            (Role.SENTINEL, np.array([number], np.uint32))
            for number in (
                *(sentinels.ids[text] for text in (dialect.fim_prefix, dialect.fim_suffix, dialect.fim_middle)),
                sentinels.end,
                sentinels.fim_end,
            )
        )

    def pieces(self, document: Document, *, epoch: int, source: int, index: int) -> list[Piece]:
        """Returns the pieces of one document, in order."""
        file = self._open(document)
        draw = partial(uniform, key(self._seed, "metadata", epoch, source, index))
        header = self._fitting(self._headers.document(document, self._metadata, draw), self._headers.no_path())
        spans = self._cut(file, len(header))
        made: list[Piece] = []
        for i, span in enumerate(spans):
            body, hole = self._body(file, span, key(self._seed, "fim", epoch, source, index, i))
            made += self._join([_Chunk(file, span, header, body, hole)], last=i == len(spans) - 1)
        return made

    def can_encode(self, text: str) -> bool:
        """Whether the tokenizer can encode a text."""
        return self._encoding.can_encode(text)

    def repository(self, documents: Sequence[tuple[int, Document]], *, epoch: int, source: int) -> list[Piece]:
        """Returns the pieces of files of one repository, given with their indices: as many files in a piece as fit."""
        repo = self._fitting(self._headers.repo(documents[0][1]), [])
        made: list[Piece] = []
        together: list[_Chunk] = []
        used = 0
        for index, document in documents:
            file = self._open(document)
            path = self._fitting(self._headers.path(document), self._headers.no_path())
            for j, span in enumerate(self._cut(file, len(repo) + len(path))):
                body, hole = self._body(file, span, key(self._seed, "fim", epoch, source, index, j))
                chunk = _Chunk(file, span, path, body, hole)
                if together and (j > 0 or used + chunk.size() + 1 > self._most):
                    made += self._join(together, last=j == 0)
                    together, used = [], 0
                if not together:
                    chunk = _Chunk(file, span, repo + path, body, hole)
                together.append(chunk)
                used += chunk.size()
        return made + self._join(together, last=True)

    def _open(self, document: Document) -> _File:
        text = EncodedText(self._encoding, self._encoding.normalize(document.text))
        return _File(document, text, kinds(text.data, document.language) if self._annotate else [])

    def _fitting(self, header: list[int], otherwise: list[int]) -> list[int]:
        # A path of hundreds of characters must not take the place of the code.
        return header if len(header) <= self._most // 4 else otherwise

    def _cut(self, file: _File, header: int) -> list[Span]:
        return file.text.cut(max(self._room - header, self._most // 4, 1))

    def _body(self, file: _File, span: Span, draw_key: int) -> tuple[list[_Part], Hole | None]:
        """Returns the parts of a span, and its hole if it got one."""
        start, stop = span
        text = file.text
        hole = None
        if self._fim.rate:
            hole = choose_hole(text.data[start:stop], file.document.language, self._fim, partial(uniform, draw_key))
        if hole is None:
            return [(Role.CODE, text.part(start, stop))], None
        a, b = start + hole.start, start + hole.stop
        suffix = (Role.SUFFIX, text.part(b, stop))
        if hole.order == "psm":
            prefix, middle = (Role.PREFIX, text.part(start, a)), (Role.MIDDLE, text.part(a, b))
            return [self._prefix, prefix, self._suffix, suffix, self._middle, middle], hole
        joint = text.part(start, b)
        n = text.tokens_before(joint, a - start)
        together = [(Role.PREFIX, joint[:n]), (Role.MIDDLE, joint[n:])]
        return [self._prefix, self._suffix, suffix, self._middle, *together], hole

    def _join(self, chunks: list[_Chunk], *, last: bool) -> list[Piece]:
        """Makes a piece of chunks; of a single chunk whose tokens turn out not to fit, more than one.

        Args:
            chunks: at least one.
            last: whether the last chunk is the end of its file.
        """
        parts = [part for chunk in chunks for part in chunk.parts()]
        n_tokens = sum(len(ids) for _, ids in parts)
        # A token alone would have no label, and so not be served.
        if chunks[-1].hole is not None or last or n_tokens < 2:
            parts.append(self._end if chunks[-1].hole is None else self._fim_end)
        ids = np.concatenate([ids for _, ids in parts])
        languages = [(_LANGUAGE_NUMBER[chunk.file.document.language], chunk.size()) for chunk in chunks]
        languages[-1] = languages[-1][0], languages[-1][1] + len(ids) - n_tokens
        each_kind, each_size = self._annotation(chunks, len(ids)) if self._annotate else (None, None)
        piece = Piece(
            ids,
            tuple((role, len(ids)) for role, ids in parts if len(ids)),
            ", ".join(dict.fromkeys(chunk.file.document.path for chunk in chunks)),
            tuple(languages),
            tuple(f"{chunk.hole.order} {chunk.hole.kind}" for chunk in chunks if chunk.hole is not None),
            each_kind,
            each_size,
        )
        assert len(ids) >= 2
        if len(ids) <= self._most:
            return [piece]
        # Rare: the parts of a hole, or of a text cut in the middle of a word, had more tokens than the slack allows.
        (chunk,) = chunks  # several were put together because they fit
        if chunk.hole is None:
            return _split(piece, self._most)
        whole = [(Role.CODE, chunk.file.text.part(*chunk.span))]
        return self._join([_Chunk(chunk.file, chunk.span, chunk.header, whole, None)], last=last)

    def _annotation(self, chunks: list[_Chunk], n: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint32]]:
        each_kind, each_size = zip(*(chunk.annotation() for chunk in chunks), strict=True)
        missing = n - sum(map(len, each_size))  # the sentinel that ends the piece
        return (
            np.concatenate([*each_kind, np.zeros(missing, np.uint8)]),
            np.concatenate([*each_size, np.zeros(missing, np.uint32)]),
        )


def _split(piece: Piece, most: int) -> list[Piece]:
    """Cuts a piece between tokens."""
    n = -(-len(piece.ids) // most)
    made = []
    for of_part in np.array_split(np.arange(len(piece.ids)), n):
        at = slice(of_part[0], of_part[-1] + 1)
        roles = tuple((Role(role), sum(1 for _ in run)) for role, run in groupby(piece.role_of_each()[at].tolist()))
        languages = ((piece.languages[0][0], len(of_part)),)
        made.append(
            replace(
                piece,
                ids=piece.ids[at],
                roles=roles,
                languages=languages,
                kinds=None if piece.kinds is None else piece.kinds[at],
                n_bytes=None if piece.n_bytes is None else piece.n_bytes[at],
            )
        )
    return made
