"""Held-out documents and gold solutions as samples of seq_len tokens, the same on any mesh.

Each label that counts carries the number of its cell (cells.py): what part of the validation it is of, in which
language, and what kind of text or hole it is.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np

from codetitan.data.document import Document
from codetitan.data.language import LANGUAGES
from codetitan.data.pieces.fim import FimConfig, SpanConfig
from codetitan.data.pieces.kinds import Kind
from codetitan.data.pieces.maker import PieceMaker
from codetitan.data.pieces.metadata import Headers, MetadataConfig
from codetitan.data.pieces.piece import Piece, Role
from codetitan.data.rows.packing import IGNORE_INDEX, Int64s, Part, best_fit, of_middle, render
from codetitan.data.rows.references import digest
from codetitan.data.turns import Conversations
from codetitan.data.validation.cells import CELL_SHIFT, Cell, Cells, Counts, Split
from codetitan.data.validation.gold import Gold
from codetitan.errors import ConfigError
from codetitan.tokenizer.code_tokenizer import CodeTokenizer

_SEED = 0x5EED  # of the holes: not the training's, whose change must not change what is measured
# Every order and kind of hole, whatever the run trains with: so runs with different settings can be compared.
_HOLES = FimConfig(rate=1.0, spm=0.5, loss="middle", spans=SpanConfig(random=1.0, line=1.0, syntax=1.0))


@dataclass
class Samples:
    """All samples of a round.

    Attributes:
        cells: by their numbers.
        counts: of each cell.
        input_NL, labels_NL, positions_NL: int64 (N, L); a label that counts is id + 2^32 · cell.
        tokens: that a model reads.
        documents: that were used, of those that were found.
        pairs: digest of each pair of answers, whose cells are the first ones: a chosen answer's, then the rejected's.
    """

    cells: list[Cell]
    counts: list[Counts]
    input_NL: Int64s
    labels_NL: Int64s
    positions_NL: Int64s
    tokens: int
    documents: int
    pairs: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.input_NL)

    @property
    def digest(self) -> str:
        """What it is measured on: 12 hexadecimal digits, the same for the same tokens and cells."""
        digest = hashlib.sha256(repr(self.cells).encode())
        for array in (self.input_NL, self.labels_NL, self.positions_NL):
            digest.update(array.astype("<i8", copy=False).tobytes())
        return digest.hexdigest()[:12]

    def part(self, rank: int, ranks: int, batch: int) -> "Samples":
        """Returns what data-parallel rank `rank` of `ranks` measures, filled up with padding to whole batches."""
        each = -(-len(self) // (ranks * batch)) * batch
        n, length = len(self), self.input_NL.shape[1]
        first, stop = min(n, rank * each), min(n, (rank + 1) * each)
        empty = each - (stop - first)
        pad = self.input_NL[:1, :1] * 0
        return Samples(
            self.cells,
            self.counts,
            np.concatenate([self.input_NL[first:stop], np.broadcast_to(pad, (empty, length))]),
            np.concatenate([self.labels_NL[first:stop], np.full((empty, length), IGNORE_INDEX, np.int64)]),
            np.concatenate(
                [self.positions_NL[first:stop], np.broadcast_to(np.arange(length, dtype=np.int64), (empty, length))]
            ),
            self.tokens,
            self.documents,
            self.pairs,
        )


def make(
    documents: Iterable[Document],
    gold: Sequence[Gold],
    tokenizer: CodeTokenizer,
    *,
    tokens: int,
    holes: bool,
    seq_len: int,
    packed: bool = True,
    conversations: Conversations | None = None,
) -> Samples:
    """Makes the samples.

    Args:
        documents: in their order; as many are taken as `tokens` holds, of the last its beginning.
        gold: problems, all of which are taken, beside `tokens`.
        tokenizer: and its dialect.
        tokens: that a model reads, about, whether their labels count or not; half of them in documents with holes,
            where there are some.
        holes: whether to measure infilling.
        seq_len: L.
        packed: whether several pieces share a sample; where attention has no document masks, they would see each other.
        conversations: what of them is learnt, and so counts; None: there are none.

    Raises:
        ConfigError: there is nothing that counts.
    """
    encoding, sentinels = tokenizer.encoding, tokenizer.sentinels
    without = MetadataConfig(repo=0, path=0, stars=0, repository_level=0)
    make_pieces = partial(PieceMaker, encoding, sentinels, without, seq_len=seq_len, seed=_SEED, annotate=True)
    makers: dict[Split, PieceMaker] = {
        "text": make_pieces(FimConfig(rate=0.0), chat=tokenizer.chat, learn=conversations),
        "fim": make_pieces(_HOLES),
    }
    left: dict[Split, int] = {"text": tokens - tokens // 2, "fim": tokens // 2} if holes else {"text": tokens}
    cells = Cells()
    pieces: list[tuple[Piece, Int64s]] = []
    n_documents = 0
    pairs: dict[int, None] = {}
    for number, document in enumerate(documents):
        if all(n <= 0 for n in left.values()):
            break
        if makers["text"].why_not(document):
            continue
        if document.turns:
            conversation = makers["text"].conversation(document) if left["text"] > 0 else None
            # A pair counts once: its answers have cells of their own.
            if conversation is not None and digest(conversation) not in pairs:
                n_documents += 1
                left["text"] -= conversation.size
                if conversation.starts:
                    pairs[digest(conversation)] = None
                pieces.append((conversation, _of_conversation(conversation, cells)))
            continue
        n_documents += 1
        for split in left:
            for piece in makers[split].pieces(document, epoch=0, source=0, index=number) if left[split] > 0 else ():
                if left[split] <= 0:
                    break
                labelled = _of_text(piece, cells) if split == "text" else _of_holes(piece, cells)
                left[split] -= piece.size
                if (labelled >= 0).any():
                    pieces.append((piece, labelled))
    pieces += _of_gold(gold, tokenizer, cells, seq_len)
    if not pieces:
        raise ConfigError(
            f"validation: nothing can be measured: the tokenizer encodes none of the {len(gold):,} solutions and none "
            "of the held-out documents"
        )
    sizes = [piece.size for piece, _ in pieces]
    bins = best_fit(sizes, seq_len) if packed else [[i] for i in range(len(pieces))]
    rows = [_row([pieces[i] for i in indices], seq_len, sentinels.pad) for indices in bins]
    inputs, labels, positions = (np.stack(arrays) for arrays in zip(*rows, strict=True))
    n_tokens = sum(piece.size for piece, _ in pieces)
    return Samples(cells.all, cells.counts, inputs, labels, positions, n_tokens, n_documents, tuple(pairs))


def _of_text(piece: Piece, cells: Cells) -> Int64s:
    """Returns int64 (size,): the cell of each label; what ends a text counts as its last token's kind."""
    assert piece.kinds is not None and piece.n_bytes is not None, "the maker annotates"
    language = LANGUAGES[piece.languages[0][0]]
    roles = piece.role_of_each()[1:]
    kinds = piece.kinds[1:].copy()
    if roles[-1] == Role.SENTINEL:
        kinds[-1] = piece.kinds[-2]
    labelled = np.full(piece.size, -1, np.int64)
    for kind in Kind:
        here = (roles != Role.METADATA) & (kinds == kind)
        if here.any():
            labelled[here] = cells.number(Cell("text", language, kind.name.lower()))
    return cells.count(labelled, piece.n_bytes[1:])


def _of_conversation(piece: Piece, cells: Cells) -> Int64s:
    """Returns int64 (size,): the cell of each label that is learnt; of a pair, each answer has one; -1 elsewhere."""
    assert piece.learnt is not None and piece.n_bytes is not None, "the maker annotates"
    language = LANGUAGES[piece.languages[0][0]]
    labelled = np.full(piece.size, -1, np.int64)
    bounds = [0, *piece.starts, piece.size]
    for answer, (start, stop) in enumerate(pairwise(bounds)):
        kind = f"{digest(piece):016x} {('chosen', 'rejected')[answer]}" if piece.starts else "response"
        cell = Cell("pair" if piece.starts else "text", language, kind)
        labelled[start:stop][piece.learnt[start:stop]] = cells.number(cell)
    return cells.count(labelled, piece.n_bytes[1:])


def _of_holes(piece: Piece, cells: Cells) -> Int64s:
    """Returns int64 (size,): the cell of each label of a middle and of what ends it; -1 elsewhere."""
    assert piece.n_bytes is not None, "the maker annotates"
    labelled = np.full(piece.size, -1, np.int64)
    if piece.holes:
        labelled[of_middle(piece)] = cells.number(Cell("fim", LANGUAGES[piece.languages[0][0]], piece.holes[0]))
    return cells.count(labelled, piece.n_bytes[1:])


def _of_gold(
    gold: Sequence[Gold], tokenizer: CodeTokenizer, cells: Cells, seq_len: int
) -> Iterator[tuple[Piece, Int64s]]:
    """Yields problems with their solutions, in which alone labels count; a prompt that is too long loses its beginning.

    Prompt and solution are encoded together where that cuts no token, as in training, else each by itself; what lines a
    solution begins with are the prompt's, for tokens of several line ends are. `codetitan evaluate` splits there, too.
    """
    encoding, sentinels = tokenizer.encoding, tokenizer.sentinels

    def encode(text: str) -> Int64s:
        return encoding.encode(encoding.normalize(text)).astype(np.int64)

    head = np.array(Headers(sentinels, lambda text: encode(text).tolist()).no_path(), np.int64)
    for problem in gold:
        solution_text = problem.solution.lstrip("\n")
        given_text = problem.prompt + "\n" * (len(problem.solution) - len(solution_text))
        given, together = encode(given_text), encode(given_text + solution_text)
        cut = not np.array_equal(together[: len(given)], given)
        solution = (encode(solution_text) if cut else together[len(given) :])[:seq_len]
        prompt = np.concatenate([head, given])
        prompt = prompt[max(0, len(prompt) - (seq_len + 1 - len(solution))) :]
        if not len(prompt) or not len(solution):
            continue
        ids = np.concatenate([prompt, solution]).astype(np.uint32)
        roles = ((Role.PREFIX, len(prompt)), (Role.CODE, len(solution)))
        piece = Piece(ids, roles, "gold", ((LANGUAGES.index("python"), len(ids)),))
        labelled = np.full(piece.size, -1, np.int64)
        labelled[len(prompt) - 1 :] = cells.number(Cell("gold", "python", "code"))
        sizes = np.array([len(encoding.decode_bytes([number])) for number in ids[1:].tolist()], np.uint32)
        yield piece, cells.count(labelled, sizes)


def _row(pieces: Sequence[tuple[Piece, Int64s]], seq_len: int, pad: int) -> tuple[Int64s, Int64s, Int64s]:
    arrays = render(tuple(Part(piece, 0, piece.size) for piece, _ in pieces), seq_len, pad=pad, loss="all")
    labelled = np.concatenate([cells for _, cells in pieces] + [np.full(seq_len, -1, np.int64)])[:seq_len]
    labels = np.where(labelled >= 0, arrays.labels_L + (labelled << CELL_SHIFT), IGNORE_INDEX)
    return arrays.input_L, labels, arrays.positions_L
