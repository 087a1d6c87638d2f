"""The first pass over the documents: their SHA-256, and their keys in the total order, as sorted runs."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from codetitan.data.shingles import without_white_space

DIGEST_BYTES = 16
"""Of the SHA-256: among 10¹⁰ documents, two different ones have the same with a probability of 1.5e-19."""

_BYTES = 700  # of memory that a document takes here: its key three times, its digests, Python's objects


class Text(NamedTuple):
    """What is compared with the others: a file, or a repository.

    Attributes:
        key: `order.order_key`, or other bytes that sort like the total order.
        texts: one of a file; of a repository that of each file, in any order.
    """

    key: bytes
    texts: tuple[str, ...]


class Row(NamedTuple):
    """What is known of a document before it is compared. Rows sort as the documents do.

    Attributes:
        key: of the document.
        whole: its digest; two documents with the same key and digest may take each other's place.
        group: its digest, maybe without white space: what is the same in exact duplicates.
        number: its index in the shard.
    """

    key: bytes
    whole: bytes
    group: bytes
    number: int


def hash_texts(texts: Iterable[Text], out: Path, *, white_space: bool, memory: int) -> Mapping[str, int]:
    """Writes the runs `order-000`, … of a shard into `out`.

    Args:
        texts: of the shard, whose number in it is their index.
        white_space: whether texts that differ in nothing else are different.
        memory: in bytes; only these bound the shard.

    Returns:
        documents: of the shard.
        n_bytes: of their text, in UTF-8.
    """
    rows: list[Row] = []
    n = runs = n_bytes = 0
    for n, text in enumerate(texts, 1):
        files = [file.encode() for file in text.texts]
        n_bytes += sum(map(len, files))
        whole = _digest(files)
        group = whole if white_space else _digest(map(without_white_space, text.texts))
        rows.append(Row(text.key, whole, group, n - 1))
        if len(rows) * _BYTES > memory:
            _write(rows, out / f"order-{runs:03}")
            rows, runs = [], runs + 1
    if rows:
        _write(rows, out / f"order-{runs:03}")
    return {"documents": n, "n_bytes": n_bytes}


def _digest(files: Iterable[bytes]) -> bytes:
    digests = sorted(hashlib.sha256(file).digest() for file in files)
    digest = digests[0] if len(digests) == 1 else hashlib.sha256(b"".join(digests)).digest()
    return digest[:DIGEST_BYTES]


def _write(rows: list[Row], path: Path) -> None:
    rows.sort()
    path.with_suffix(".keys").write_bytes(b"".join(row.key for row in rows))
    np.cumsum([0, *(len(row.key) for row in rows)], dtype=np.uint64).tofile(path.with_suffix(".offsets"))
    path.with_suffix(".digests").write_bytes(b"".join(row.whole + row.group for row in rows))
    np.array([row.number for row in rows], np.uint32).tofile(path.with_suffix(".index"))


class OrderRun:
    """A run of rows, of which only what is asked for is read; it can be bisected."""

    def __init__(self, path: Path) -> None:
        self._keys = np.memmap(path.with_suffix(".keys"), np.uint8, "r")
        self._offsets = np.memmap(path.with_suffix(".offsets"), np.uint64, "r")
        self._digests = np.memmap(path.with_suffix(".digests"), np.uint8, "r").reshape(-1, 2, DIGEST_BYTES)
        self._index = np.memmap(path.with_suffix(".index"), np.uint32, "r")

    def __len__(self) -> int:
        return len(self._index)

    def __getitem__(self, number: int) -> Row:
        start, stop = self._offsets[number : number + 2].tolist()
        whole, group = (digest.tobytes() for digest in self._digests[number])
        return Row(self._keys[start:stop].tobytes(), whole, group, int(self._index[number]))


def order_runs(folder: Path) -> Iterator[OrderRun]:
    """Yields the runs that `hash_texts` wrote."""
    for path in sorted(folder.glob("order-*.keys")):
        yield OrderRun(path.with_suffix(""))
