"""Which documents are compared: those of a bucket with its best ones, round by round.

All pairs of a bucket would be quadratic, and a licence stub is in buckets of a million. So in a round the others of a
bucket are compared with its `leaders` best documents that they have not met yet. What turns out to be a copy is gone
in the next round; what is left meets as many more. A document is *open* while a bucket of its has a better document
that it has not met: it may be dropped, and can't be kept for certain. So every round's outcome is final, and with
enough rounds it is that of comparing all pairs (`choose`).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from codetitan.prepare.duplicates import runs
from codetitan.prepare.duplicates.near.choose import DROPPED
from codetitan.prepare.duplicates.near.signatures import ENTRY
from codetitan.prepare.duplicates.runs import Ranks, Records

PAIR = np.dtype([("worse", "u8"), ("better", "u8")])

_OPEN = np.uint64(1 << 63)  # of a rank in `left`: the others of its bucket have not all met it


def candidates(
    buckets: Sequence[Path],
    state: Path | None,
    task: int,
    tasks: int,
    n: int,
    out: Path,
    *,
    leaders: int,
    memory: int,
) -> Mapping[str, int]:
    """Writes the pairs of a share of the buckets into `out`: runs `pairs`, `open` and, for the next round, `left`.

    Args:
        buckets: what `sign` wrote, of each shard; after the first round what this wrote, of each task.
        state: what `choose` wrote in the round before; None in the first.
        task, tasks: which share, of how many.
        n: of documents.
        leaders: of a bucket, with which its others are compared.
        memory: in bytes; a bucket is held as a whole, 16 bytes a document, and six times more to work on it.

    Returns:
        pairs: some of them several times, from several buckets.
        open_documents: counted in each task.
    """
    paths = runs.named(buckets, "left" if state else "buckets")
    states = np.memmap(state / "state", np.uint8, "r") if state else None
    counts = {"pairs": 0, "open_documents": 0}
    for part, (first, stop) in enumerate(runs.parts(paths, task, tasks, memory // (7 * ENTRY.itemsize))):
        entries = runs.read(paths, ENTRY, first, stop)
        if states is None:
            entries["rank"] |= _OPEN
        else:
            entries = entries[states[entries["rank"] & ~_OPEN] != DROPPED]
        bucketed = _Bucketed(entries)
        if not len(bucketed.sizes):
            continue
        counts["pairs"] += _write_pairs(bucketed, leaders, n, out, part, memory // (6 * PAIR.itemsize))

        met = bucketed.n_met + leaders  # places below have met all others of their bucket
        unfinished = (bucketed.sizes > met + 1)[bucketed.bucket_of]
        left = bucketed.entries[unfinished]
        place, limit = bucketed.place[unfinished], met[bucketed.bucket_of[unfinished]]
        open_ranks: Ranks = np.unique(left["rank"][place > limit])
        left["rank"] |= np.where(place < limit, np.uint64(0), _OPEN)
        if len(left):
            runs.write(out / f"left-{part:06}", left, runs.cells_of_hashes(left["bucket"]))
            runs.write(out / f"open-{part:06}", open_ranks, runs.cells_of_ranks(open_ranks, n))
        counts["open_documents"] += len(open_ranks)
    return counts


class _Bucketed:
    """Entries by bucket and rank, without documents that are alone.

    Attributes:
        entries: (m,), with plain ranks.
        begins, sizes: of each bucket (b,).
        n_met: documents of each bucket (b,), the best ones, that all others have met.
        bucket_of, place: of each entry (m,): its bucket's number, and its own in the bucket.
    """

    def __init__(self, entries: Records) -> None:
        entries = entries[np.lexsort((entries["rank"], entries["bucket"]))]
        sizes = _groups(entries["bucket"])[1]
        self.entries = entries[np.repeat(sizes > 1, sizes)]
        self.begins, self.sizes = _groups(self.entries["bucket"])
        self.bucket_of = np.repeat(np.arange(len(self.sizes)), self.sizes)
        self.place = np.arange(len(self.entries)) - self.begins[self.bucket_of]
        met = self.entries["rank"] < _OPEN  # sorts before what is open, and is better
        self.n_met = np.add.reduceat(met, self.begins, dtype=np.int64) if len(self.begins) else self.begins
        self.entries["rank"] &= ~_OPEN


def _groups(values: Ranks) -> tuple[np.ndarray, np.ndarray]:
    """Returns where each group of equal values begins, and its size."""
    new = np.ones(len(values), bool)
    new[1:] = values[1:] != values[:-1]
    begins = np.flatnonzero(new)
    return begins, np.diff(begins, append=len(values))


def _write_pairs(bucketed: _Bucketed, leaders: int, n: int, out: Path, part: int, limit: int) -> int:
    """Writes pairs of leaders and what comes after them; returns how many."""
    ranks = bucketed.entries["rank"]
    waiting: list[Records] = []
    n_waiting = n_pairs = written = 0
    for number in range(leaders):
        leader = bucketed.n_met + number
        behind = np.flatnonzero(bucketed.place > leader[bucketed.bucket_of])
        if not len(behind):
            break
        pairs = np.zeros(len(behind), PAIR)
        pairs["worse"] = ranks[behind]
        pairs["better"] = ranks[(bucketed.begins + leader)[bucketed.bucket_of[behind]]]
        waiting.append(pairs[pairs["worse"] != pairs["better"]])  # two bands of a document may have one hash
        n_waiting += len(pairs)
        if n_waiting > limit:
            n_pairs += _write(waiting, n, out / f"pairs-{part:06}-{written:04}")
            waiting, n_waiting, written = [], 0, written + 1
    if n_waiting:
        n_pairs += _write(waiting, n, out / f"pairs-{part:06}-{written:04}")
    return n_pairs


def _write(waiting: list[Records], n: int, path: Path) -> int:
    pairs = sorted_pairs(np.concatenate(waiting))
    runs.write(path, pairs, runs.cells_of_ranks(pairs["worse"], n))
    return len(pairs)


def sorted_pairs(pairs: Records) -> Records:
    """Returns each pair once, by the worse document and then by the better one."""
    pairs = pairs[np.lexsort((pairs["better"], pairs["worse"]))]
    new = np.ones(len(pairs), bool)
    new[1:] = (pairs["worse"][1:] != pairs["worse"][:-1]) | (pairs["better"][1:] != pairs["better"][:-1])
    return pairs[new]
