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

import numpy as np

from codetitan.data.minhash import band_hashes, check_rensa
from codetitan.data.shingles import Grams, similarity, without_white_space, word_grams

NEAR = 0.7
"""Jaccard similarity of word 5-grams from which a document is a near copy of another."""

# 42 bands of 6 rows: a pair of similarity 0.7 is a candidate with probability 1 - (1 - 0.7^6)^42 = 99.5 %, one of 0.8
# with 1 - 3e-6; of 0.3 with 3 %. Verifying a candidate takes microseconds, so recall is what the bands are for.
_BANDS, _ROWS = 42, 6
_BATCH_BYTES = 4_000_000


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
    """Returns 64 bits of the SHA-256 of a text without its white space."""
    return int.from_bytes(hashlib.sha256(without_white_space(text)).digest()[:8], "little")


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


def check_near_copies() -> None:
    """What looks for near copies is installed.

    Raises:
        ConfigError: rensa is missing.
    """
    check_rensa("validation.near_duplicates = true", "near-copies")


class _Index:
    """Held-out documents by the bands of their MinHash digests.

    Raises:
        ConfigError: rensa is missing.
    """

    def __init__(self) -> None:
        check_near_copies()
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
            self._bands.append(band_hashes(self._waiting, _BANDS, _ROWS))
            self._waiting = []

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
            found = band_hashes([grams for _, grams in batch], _BANDS, _ROWS)
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
