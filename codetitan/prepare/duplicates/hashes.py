"""The first pass over the documents: their SHA-256, and their keys in the total order, as sorted runs."""

import hashlib
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import pairwise
from mmap import PROT_READ, mmap
from pathlib import Path
from typing import NamedTuple

import numpy as np

from codetitan.data.shingles import without_white_space

DIGEST_BYTES = 16
"""Of the SHA-256: among 10¹⁰ documents, two different ones have the same with a probability of 1.5e-19."""

_SAMPLE = 1024
_BYTES = 700  # of memory that a document takes here: its key three times, its digests, Python's objects


class Text(NamedTuple):
    """What is compared with the others: a file, or a repository.

    Attributes:
        key: `order.order_key`, or other bytes that sort like the total order.
        texts: one of a file; of a repository that of each file, in any order.
        kind: only documents of one kind are compared: a commit is nearly the file that it changed.
    """

    key: bytes
    texts: tuple[str, ...]
    kind: str = ""


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
    """Writes the runs `order-000`, …, and a sample of each, of a shard into `out`.

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
        whole = _digest(files, text.kind)
        group = whole if white_space else _digest(map(without_white_space, text.texts), text.kind)
        rows.append(Row(text.key, whole, group, n - 1))
        if len(rows) * _BYTES > memory:
            _write(rows, out, runs)
            rows, runs = [], runs + 1
    if rows:
        _write(rows, out, runs)
    return {"documents": n, "n_bytes": n_bytes}


def _digest(files: Iterable[bytes], kind: str) -> bytes:
    digests = sorted(hashlib.sha256(file).digest() for file in files)
    if kind:
        digests.append(kind.encode())
    digest = digests[0] if len(digests) == 1 else hashlib.sha256(b"".join(digests)).digest()
    return digest[:DIGEST_BYTES]


def _write(rows: list[Row], out: Path, number: int) -> None:
    rows.sort()
    _write_rows(rows, out / f"order-{number:03}")
    # From a place drawn by what is in the run: shards are alike, and at fixed places of each the sample would be a few
    # values many times, between which lies too much.
    first = int.from_bytes(rows[0].whole[:4]) % min(_SAMPLE, len(rows))
    _write_rows(rows[first::_SAMPLE], out / f"sample-{number:03}")


def _write_rows(rows: list[Row], path: Path) -> None:
    path.with_suffix(".keys").write_bytes(b"".join(row.key for row in rows))
    np.cumsum([0, *(len(row.key) for row in rows)], dtype=np.uint64).tofile(path.with_suffix(".offsets"))
    path.with_suffix(".digests").write_bytes(b"".join(row.whole + row.group for row in rows))
    np.array([row.number for row in rows], np.uint32).tofile(path.with_suffix(".numbers"))


class OrderRun:
    """A run of rows, of which only what is asked for is read."""

    def __init__(self, path: Path) -> None:
        self._keys, self._offsets, self._digests, self._numbers = (
            path.with_suffix(f".{name}") for name in ("keys", "offsets", "digests", "numbers")
        )
        self._n = self._numbers.stat().st_size // 4

    def __len__(self) -> int:
        return self._n

    def cuts(self, bounds: Sequence[Row]) -> list[int]:
        """Returns, of each bound, how many rows are before it; bounds ascend. The run is mapped meanwhile."""
        if not self._n:
            return [0] * len(bounds)
        with ExitStack() as stack:
            keys, digests = (
                stack.enter_context(mmap(stack.enter_context(path.open("rb")).fileno(), 0, prot=PROT_READ))
                for path in (self._keys, self._digests)
            )
            offsets, numbers = np.memmap(self._offsets, np.uint64, "r"), np.memmap(self._numbers, np.uint32, "r")

            def row(at: int) -> Row:
                first = 2 * DIGEST_BYTES * at
                middle, last = first + DIGEST_BYTES, first + 2 * DIGEST_BYTES
                key = keys[int(offsets[at]) : int(offsets[at + 1])]
                return Row(key, digests[first:middle], digests[middle:last], int(numbers[at]))

            found, cut = [], 0
            for bound in bounds:
                cut = bisect_left(range(self._n), bound, lo=cut, key=row)
                found.append(cut)
            return found

    def rows(self, start: int, stop: int) -> list[Row]:
        """Returns the rows from `start` to before `stop`."""
        if stop <= start:
            return []
        offsets = np.fromfile(self._offsets, np.uint64, count=stop - start + 1, offset=8 * start)
        keys = _bytes(self._keys, int(offsets[0]), int(offsets[-1]))
        digests = _bytes(self._digests, 2 * DIGEST_BYTES * start, 2 * DIGEST_BYTES * stop)
        wholes, groups = (
            [digests[i : i + DIGEST_BYTES] for i in range(first, len(digests), 2 * DIGEST_BYTES)]
            for first in (0, DIGEST_BYTES)
        )
        ends = (offsets - offsets[0]).tolist()
        numbers = np.fromfile(self._numbers, np.uint32, count=stop - start, offset=4 * start).tolist()
        return [
            Row(keys[begin:end], *rest)
            for (begin, end), *rest in zip(pairwise(ends), wholes, groups, numbers, strict=True)
        ]


def order_runs(folder: Path, kind: str = "order") -> Iterator[OrderRun]:
    """Yields the runs that `hash_texts` wrote; of kind "sample", 1 in 1,024 rows of each."""
    for path in sorted(folder.glob(f"{kind}-*.keys")):
        yield OrderRun(path.with_suffix(""))


def _bytes(path: Path, start: int, stop: int) -> bytes:
    with path.open("rb") as file:
        file.seek(start)
        return file.read(stop - start)
