"""The second pass over the documents: the 5-grams of those that are no exact copies, and the buckets they fall into."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from codetitan.data.minhash import band_hashes
from codetitan.data.order import key
from codetitan.data.shingles import Grams, sorted_set, word_grams_of
from codetitan.errors import ConfigError
from codetitan.prepare.duplicates import runs
from codetitan.prepare.duplicates.exact import COPY
from codetitan.prepare.duplicates.hashes import Text
from codetitan.prepare.duplicates.ranks import RANK_OF
from codetitan.prepare.duplicates.runs import Ranks

ENTRY = np.dtype([("bucket", "u8"), ("rank", "u8")])
"""A document in a bucket, which is the hash of a band together with its number."""

GRAMS = "grams"
"""A run of uint64: the sorted set of each document's 5-grams. A document's index is its cell."""

_CHARACTERS = 500_000  # that are cut into words at a time; the more there are, the less small files take
_BATCH = 500_000  # grams, and numbers of signatures, at a time


def sign(
    texts: Iterable[Text],
    shard: int,
    ranked: Sequence[Path],
    copies: Sequence[Path],
    out: Path,
    *,
    bands: int,
    rows: int,
    memory: int,
) -> Mapping[str, int]:
    """Writes the grams of a shard's documents, and the runs `buckets-000`, …, into `out`.

    Args:
        texts: of the shard, as `hash_texts` had them.
        shard: its number.
        ranked: what `rank` wrote, of each task.
        copies: what `exact` wrote, of each task; their grams are left empty.
        bands, rows: of the signature.
        memory: in bytes; beside it, 24 bytes a document of the shard, 30 times the text of the largest file, and six
            times that of the largest document.

    Returns:
        signed: documents that have at least a word; the others have no near-duplicates.
        gram_bytes: on disk.

    Raises:
        ConfigError: the documents are others than those that were hashed.
    """
    ranks_of = runs.read(runs.named(ranked, "ranks"), RANK_OF, shard, shard + 1)
    ranks = np.zeros(len(ranks_of), np.uint64)
    ranks[ranks_of["index"]] = ranks_of["rank"]
    left = np.ones(len(ranks), bool)
    left[runs.read(runs.named(copies, "copies"), COPY, shard, shard + 1)["index"]] = False

    lengths = np.zeros(len(ranks) + 1, np.uint64)
    buckets = _Buckets(out, bands, rows, memory)
    counted = _Counted(texts)
    with (out / f"{GRAMS}.records").open("wb") as file:
        for batch in _batches(counted, left):
            found = [(index, grams) for index, grams in _grams(batch) if len(grams)]
            for index, grams in found:
                lengths[index + 1] = len(grams)
                buckets.add(int(ranks[index]), grams)
            if found:
                np.concatenate([grams for _, grams in found]).tofile(file)
    if counted.n != len(ranks):
        raise ConfigError(
            f"shard {shard} had {len(ranks):,} documents when they were hashed, and has "
            f"{'more' if counted.n > len(ranks) else f'{counted.n:,}'} now; remove the output and start again"
        )
    buckets.write()
    offsets = np.cumsum(lengths, dtype=np.uint64)
    offsets.tofile(out / f"{GRAMS}.cells")
    return {"signed": int((lengths > 0).sum()), "gram_bytes": int(offsets[-1]) * 8}


class _Counted:
    """Counts what goes by."""

    def __init__(self, texts: Iterable[Text]) -> None:
        self._texts = texts
        self.n = 0

    def __iter__(self) -> Iterator[Text]:
        for text in self._texts:
            self.n += 1
            yield text


def _batches(texts: Iterable[Text], left: npt.NDArray[np.bool_]) -> Iterator[list[tuple[int, Text]]]:
    """Yields documents that are left, with their indices; those after the last index are passed over."""
    batch: list[tuple[int, Text]] = []
    held = 0
    for index, text in enumerate(texts):
        if index < len(left) and left[index]:
            batch.append((index, text))
            held += sum(map(len, text.texts))
            if held > _CHARACTERS:
                yield batch
                batch, held = [], 0
    yield batch


def _grams(batch: Sequence[tuple[int, Text]]) -> Iterator[tuple[int, Grams]]:
    """Yields the sorted set of each document's 5-grams."""
    every = _grams_of_each(file for _, text in batch for file in text.texts)
    for index, text in batch:
        files = [next(every) for _ in text.texts]
        grams = np.concatenate(files) if len(files) != 1 else files[0]
        # No gram of one kind is one of another, but by chance.
        yield index, sorted_set(grams ^ np.uint64(key("kind", text.kind)) if text.kind else grams)


def _grams_of_each(files: Iterable[str]) -> Iterator[Grams]:
    """Yields the grams of each file; cutting into words takes 30 times what is cut, and a repository may be large."""
    some, held = list[str](), 0
    for file in files:
        some.append(file)
        held += len(file)
        if held > _CHARACTERS:
            yield from word_grams_of(some)
            some, held = [], 0
    yield from word_grams_of(some)


class _Buckets:
    """The entries of a shard's documents, in runs that fit into memory."""

    def __init__(self, out: Path, bands: int, rows: int, memory: int) -> None:
        self._out, self._bands, self._rows = out, bands, rows
        self._limit = memory // (4 * ENTRY.itemsize * bands)  # documents a run; sorting takes twice their entries
        self._runs = 0
        self._waiting: list[tuple[int, Grams]] = []
        self._n_waiting = 0
        self._hashed: list[tuple[Ranks, Ranks]] = []  # ranks (n,), buckets (n, bands)
        self._n_hashed = 0

    def add(self, rank: int, grams: Grams) -> None:
        self._waiting.append((rank, grams))
        self._n_waiting += len(grams) + self._bands * self._rows  # rensa gives a signature as Python's numbers
        if self._n_waiting > _BATCH:
            self._hash()
            if self._n_hashed > self._limit:
                self.write()

    def _hash(self) -> None:
        if self._waiting:
            ranks = np.array([rank for rank, _ in self._waiting], np.uint64)
            self._hashed.append((ranks, band_hashes([grams for _, grams in self._waiting], self._bands, self._rows)))
            self._n_hashed += len(ranks)
            self._waiting, self._n_waiting = [], 0

    def write(self) -> None:
        self._hash()
        if not self._hashed:
            return
        entries = np.zeros(self._n_hashed * self._bands, ENTRY)
        entries["bucket"] = np.concatenate([buckets for _, buckets in self._hashed]).ravel()
        entries["rank"] = np.repeat(np.concatenate([ranks for ranks, _ in self._hashed]), self._bands)
        entries = entries[np.lexsort((entries["rank"], entries["bucket"]))]
        runs.write(self._out / f"buckets-{self._runs:06}", entries, runs.cells_of_hashes(entries["bucket"]))
        self._hashed, self._n_hashed, self._runs = [], 0, self._runs + 1
