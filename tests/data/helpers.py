"""Sources in memory, and the way back from tokens to text."""

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from codetitan.data.document import Document, Dropped
from codetitan.data.held_out import HeldOutConfig
from codetitan.data.language import LANGUAGES
from codetitan.data.pieces.dialects import DIALECTS, resolve
from codetitan.data.pieces.fim import FimConfig
from codetitan.data.pieces.maker import PieceMaker
from codetitan.data.pieces.metadata import MetadataConfig
from codetitan.data.rows.mixture import Component, Mixture
from codetitan.data.rows.packing import IGNORE_INDEX
from codetitan.data.rows.row import Packing, Row, RowState
from codetitan.tokenizer.code_tokenizer import CodeTokenizer


class Memory:
    """A source of documents that are there already."""

    streamed = False

    def __init__(self, documents: Sequence[Document], name: str = "memory") -> None:
        self.name = name
        self.documents = documents
        self.dropped: Counter[str] = Counter()
        self.n_bytes = sum(len(d.text) for d in documents)
        self.fingerprint = hashlib.sha256("".join(d.text for d in documents).encode(errors="surrogatepass")).hexdigest()

    def __len__(self) -> int:
        return len(self.documents)

    def read(self, index: int) -> Document | Dropped:
        return self.documents[index]

    def languages(self) -> npt.NDArray[np.uint8]:
        return np.array([LANGUAGES.index(d.language) for d in self.documents], np.uint8)


def component(
    source: Memory, number: int = 0, *, weight: float = 1.0, epochs: int | None = None, together: int = 1
) -> Component:
    return Component(source.name, number, source, None, len(source), weight, epochs, together)


def make_rows(
    tokenizer: CodeTokenizer,
    components: list[Component],
    *,
    n: int = 4,
    seq_len: int = 128,
    packing: Packing = "best-fit",
    block: int = 8,
    metadata: MetadataConfig | None = None,
    fim: FimConfig | None = None,
    dialect: str = "starcoder",
    seed: int = 0,
) -> list[Row]:
    """The rows of a global batch."""
    metadata = metadata or MetadataConfig()
    sentinels = resolve(DIALECTS[dialect], tokenizer.encoding)
    maker = PieceMaker(tokenizer.encoding, sentinels, metadata, fim or FimConfig(), seq_len=seq_len, seed=seed)
    mixture = Mixture(
        components, maker, seed=seed, rows=n, repository_level=metadata.repository_level, held_out=HeldOutConfig()
    )
    return [
        Row(mixture, i, packing, seq_len=seq_len, block=block, rows=n, seed=seed, state=RowState.start(len(components)))
        for i in range(n)
    ]


def runs(
    input_L: npt.NDArray[np.int64], labels_L: npt.NDArray[np.int64], positions_L: npt.NDArray[np.int64]
) -> list[list[int]]:
    """Takes a row of a batch apart: the tokens of each stretch that attends to itself, with its last label."""
    starts = [*np.flatnonzero(positions_L == 0).tolist(), len(input_L)]
    found = []
    for start, stop in pairwise(starts):
        if labels_L[start] != IGNORE_INDEX:
            assert (labels_L[start : stop - 1] == input_L[start + 1 : stop]).all()
            assert (positions_L[start:stop] == np.arange(stop - start)).all()
            found.append([*input_L[start:stop].tolist(), int(labels_L[stop - 1])])
    return found


def text_of(tokens: list[int], tokenizer: CodeTokenizer, dialect: str = "starcoder") -> bytes:
    """Undoes fill-in-the-middle and takes sentinels off. The header must have been taken off before."""
    sentinels = resolve(DIALECTS[dialect], tokenizer.encoding)
    d = sentinels.dialect
    prefix, suffix, middle = (sentinels.ids[s] for s in (d.fim_prefix, d.fim_suffix, d.fim_middle))
    if tokens[-1] in (sentinels.end, sentinels.fim_end):
        tokens = tokens[:-1]
    decode = tokenizer.encoding.decode_bytes
    if tokens[:1] == [prefix]:
        s, m = tokens.index(suffix), tokens.index(middle)
        # PSM: <pre>P<suf>S<mid>M. SPM: <pre><suf>S<mid>PM, where nothing stands before the suffix. Both: P, M, S.
        parts = [tokens[1:s], tokens[m + 1 :], tokens[s + 1 : m]]
    else:
        parts = [tokens]
    assert not {token for part in parts for token in part} & set(sentinels.ids.values())
    return b"".join(decode(part) for part in parts)


def put_together(text: bytes, pieces: list[bytes]) -> bool:
    """Whether the pieces, in some order, are exactly the text: every byte once. Tries orders depth first."""
    left = Counter(pieces)
    placed: list[tuple[bytes, list[bytes]]] = []  # each with what could have stood in its place instead
    at = 0
    while at < len(text) or len(placed) < len(pieces):
        fitting = [piece for piece, count in left.items() if count and text.startswith(piece, at)]
        while not fitting:
            if not placed:
                return False
            piece, fitting = placed.pop()
            left[piece] += 1
            at -= len(piece)
        piece = fitting.pop()
        left[piece] -= 1
        placed.append((piece, fitting))
        at += len(piece)
    return True


def plain_grams(text: str) -> set[tuple[str, ...]]:
    """The word 5-grams of a text, as words."""
    words = re.findall(r"[0-9A-Za-z_\x80-\U0010ffff]+", text.lower())
    return {tuple(words[i : i + 5]) for i in range(max(1, len(words) - 4))} if words else set()
