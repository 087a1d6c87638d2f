"""Copies of held-out documents among those that are trained on: a split by repository alone lets them through.

A copy has the same text but for white space (`normalised_hash`). A near copy shares most of its word 5-grams: Jaccard
similarity 0.7 or more, as BigCode and OpenCoder deduplicate. Candidates are found by MinHash (rensa, an extra), and
each is verified on all of its 5-grams: a third of what collides is below, and a public run without it collapsed its
corpus.

Memory is bounded by the held-out side, about 1.5 times its text; the documents that are trained on stream by.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt

from codetitan.errors import ConfigError

Grams = npt.NDArray[np.uint64]

NEAR = 0.7
"""Jaccard similarity of word 5-grams from which a document is a near copy of another."""

# 42 bands of 6 rows: a pair of similarity 0.7 is a candidate with probability 1 - (1 - 0.7^6)^42 = 99.5 %, one of 0.8
# with 1 - 3e-6; of 0.3 with 3 %. Verifying a candidate takes microseconds, so recall is what the bands are for.
_BANDS, _ROWS = 42, 6
_PERMUTATIONS = 256  # of which 252 are used; rensa is faster with a power of two
_GRAM = 5
_BATCH_BYTES = 4_000_000
_BLOCK_BYTES = 1_000_000

_WHITE_SPACE = b" \t\n\r\v\f"


@dataclass(frozen=True, slots=True)
class Twin:
    """A document that is trained on and that a held-out one is a near copy of.

    Attributes:
        number: of the document, as the caller counts them; of several, the first.
        similarity: Jaccard of word 5-grams; 1 where they are the same.
    """

    number: int
    similarity: float


def normalised_hash(text: str) -> int:
    """Returns 64 bits of the SHA-256 of a text without its white space.

    Line ends, indentation, blank lines and trailing blanks make no difference; letter case and everything else does.
    """
    return int.from_bytes(hashlib.sha256(text.encode().translate(None, _WHITE_SPACE)).digest()[:8], "little")


def near_copies(held_out: Iterable[tuple[int, str]], training: Iterable[tuple[int, str]]) -> dict[int, Twin]:
    """Returns number → twin, for each held-out document that has one. A text without a word has none.

    Args:
        held_out: numbers and texts; read once, and indexed.
        training: numbers and texts of what is trained on; read once, and not kept.

    Raises:
        ConfigError: rensa is missing.
    """
    index = _Index()
    for number, text in held_out:
        index.add(number, text)
    return dict(index.twins(training))


# Random words for multiplication, from a counter (splitmix64): the same in every process and on every machine.
def _mixed(words: Grams) -> Grams:
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))


_RANDOM: Grams = _mixed(np.arange(1, 1025, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)) | np.uint64(1)
_IN_WORD = np.array([c >= 0x80 or chr(c).isalnum() or chr(c) == "_" for c in range(256)])


def word_grams(text: str) -> Grams:
    r"""Returns uint64 (n,): a hash of each 5 words that follow each other, letter case aside.

    A word is a run of letters, digits, `_` and what is not ASCII: what BigCode's `\W` leaves, in bytes. Fewer than 5
    words are one gram.
    """
    words = np.concatenate([_words(block) for block in _blocks(text.lower().encode())] or [np.zeros(0, np.uint64)])
    if not len(words):
        return words
    n = max(1, len(words) - _GRAM + 1)
    grams = np.zeros(n, np.uint64)
    for i in range(min(_GRAM, len(words))):
        grams += words[i : i + n] * _RANDOM[i]
    return _mixed(grams)


def _words(data: bytes) -> Grams:
    """Returns a hash of each word: the sum of its letters, each times a random number of its place."""
    letters = np.frombuffer(data, np.uint8)
    inside = _IN_WORD[letters]
    edges = np.flatnonzero(np.diff(inside, prepend=False, append=False))
    n_bytes = edges[1::2] - edges[::2]
    if not len(n_bytes):
        return np.zeros(0, np.uint64)
    starts = np.cumsum(n_bytes) - n_bytes
    place = np.arange(int(n_bytes.sum())) - np.repeat(starts, n_bytes)
    weighted = (letters[inside].astype(np.uint64) + np.uint64(1)) * _RANDOM[place % len(_RANDOM)]
    return _mixed(np.add.reduceat(weighted, starts))


def _blocks(data: bytes) -> Iterator[bytes]:
    """Cuts a text between words, at line ends: hashing a word takes 30 times its bytes."""
    start = 0
    while start < len(data):
        stop = start + _BLOCK_BYTES
        if stop < len(data):
            stop = data.find(b"\n", stop) + 1 or len(data)
        yield data[start:stop]
        start = stop


def similarity(a: Grams, b: Grams) -> float:
    """Returns the Jaccard similarity of two sorted sets of grams; 0 where one has none."""
    both = len(np.intersect1d(a, b, assume_unique=True))
    return both / (len(a) + len(b) - both) if both else 0.0


def check_near_copies() -> None:
    """What looks for near copies is installed.

    Raises:
        ConfigError: rensa is missing.
    """
    if find_spec("rensa") is None:
        raise ConfigError(
            "validation.near_duplicates = true needs rensa, which is not installed: pip install -e '.[near-copies]'"
        )


class _Index:
    """Held-out documents by the bands of their MinHash digests.

    Raises:
        ConfigError: rensa is missing.
    """

    def __init__(self) -> None:
        check_near_copies()
        import rensa

        self._rensa: Any = rensa
        self._numbers: list[int] = []
        self._grams: list[Grams] = []  # sorted sets
        self._waiting: list[Grams] = []
        self._bands: list[Grams] = []

    def add(self, number: int, text: str) -> None:
        """Adds a held-out document."""
        grams = np.unique(word_grams(text))
        if not len(grams):  # nothing to compare
            return
        self._numbers.append(number)
        self._grams.append(grams)
        self._waiting.append(grams)
        if sum(len(waiting) for waiting in self._waiting) * 8 > _BATCH_BYTES:
            self._digest()

    def _digest(self) -> None:
        if self._waiting:
            self._bands.append(self._bands_of(self._waiting))
            self._waiting = []

    def _bands_of(self, grams: list[Grams]) -> Grams:
        """Returns uint64 (n, bands): a hash of each band with its number."""
        offsets = np.cumsum([0, *map(len, grams)], dtype=np.uint64)
        digests = self._rensa.RMinHash.digest_matrix_from_flat_token_hashes(
            np.concatenate(grams), offsets, _PERMUTATIONS, 0
        )
        rows = np.array(digests.to_rows(), np.uint64)[:, : _BANDS * _ROWS].reshape(-1, _BANDS, _ROWS)
        hashes = (rows * _RANDOM[:_ROWS]).sum(axis=2, dtype=np.uint64)
        return _mixed(hashes + np.arange(_BANDS, dtype=np.uint64) * _RANDOM[_ROWS])

    def twins(self, training: Iterable[tuple[int, str]]) -> Iterator[tuple[int, Twin]]:
        """Yields (number of a held-out document, its near copy), each once."""
        self._digest()
        if not self._bands:
            return
        bands = np.concatenate(self._bands)
        order = np.argsort(bands, axis=None, kind="stable")
        sorted_bands, owners = bands.ravel()[order], order // _BANDS
        left = np.ones(len(self._grams), bool)
        for batch in _batches(training):
            found = self._bands_of([grams for _, grams in batch])
            first = sorted_bands.searchsorted(found, "left")
            last = sorted_bands.searchsorted(found, "right")
            for i in np.flatnonzero((last > first).any(axis=1)).tolist():
                hits = [owners[a:b] for a, b in zip(first[i], last[i], strict=True) if b > a]
                number, grams = batch[i][0], np.unique(batch[i][1])
                for candidate in np.unique(np.concatenate(hits)).tolist():
                    if left[candidate] and (alike := similarity(self._grams[candidate], grams)) >= NEAR:
                        left[candidate] = False
                        yield self._numbers[candidate], Twin(number, alike)


def _batches(training: Iterable[tuple[int, str]]) -> Iterator[list[tuple[int, Grams]]]:
    batch: list[tuple[int, Grams]] = []
    n_bytes = 0
    for number, text in training:
        grams = word_grams(text)
        if len(grams):
            batch.append((number, grams))
            n_bytes += grams.nbytes
        if n_bytes > _BATCH_BYTES:
            yield batch
            batch, n_bytes = [], 0
    if batch:
        yield batch
