"""The rank of each document in the total order: from here on a document is a number, and smaller ones are better.

A distribution sort: the keys of all shards are cut at a sample of them, and each piece is sorted in memory.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from codetitan.prepare.duplicates import runs
from codetitan.prepare.duplicates.hashes import Row, order_runs
from codetitan.prepare.duplicates.runs import Ranks

RANK_OF = np.dtype([("index", "u8"), ("rank", "u8")])
"""A document of a shard: cells are shards."""

MEMBER = np.dtype([("hash", "u8"), ("low", "u8"), ("rank", "u8"), ("shard", "u4"), ("index", "u4")])
"""A document by its digest."""

_PLACE = np.dtype([("shard", "u4"), ("index", "u4")])
_BYTES = 700  # of memory that a document of a piece takes: its row, its place in a list, and its key once more


def rank(hashed: Sequence[Path], task: int, tasks: int, out: Path, *, memory: int) -> Mapping[str, int]:
    """Writes the ranks of a share of the documents into `out`.

    Args:
        hashed: what `hash_texts` wrote, of each shard.
        task, tasks: which share, of how many.
        memory: in bytes; beside it, 1 in 1,024 keys of the corpus is held.

    Returns:
        documents: that were given ranks.
    """
    sources = [(shard, run) for shard, folder in enumerate(hashed) for run in order_runs(folder)]
    n = sum(len(run) for _, run in sources)
    sample = sorted(row for folder in hashed for run in order_runs(folder, "sample") for row in run.rows(0, len(run)))
    each = max(1, -(-n * _BYTES // (memory * tasks)))  # pieces of this task
    pieces = tasks * each
    # A piece ends where the next one begins; the first begins at 0 and the last, or without a sample all, end with n.
    first, stop = task * each, (task + 1) * each
    inside = [i for i in range(first, stop + 1) if 0 < i < pieces and sample]
    bounds = [sample[i * len(sample) // pieces] for i in inside]
    cuts = [
        [*([0] if first == 0 else []), *run.cuts(bounds)] + [len(run)] * (each + 1 - len(bounds) - (first == 0))
        for _, run in sources
    ]
    done = 0
    for piece in range(each):
        starts = [of_run[piece] for of_run in cuts]
        rows = [
            (row, shard)
            for (shard, run), of_run in zip(sources, cuts, strict=True)
            for row in run.rows(of_run[piece], of_run[piece + 1])
        ]
        if rows:
            _write(sorted(rows), sum(starts), len(hashed), out, first + piece)
            done += len(rows)
    return {"documents": done}


def _write(rows: list[tuple[Row, int]], first: int, shards: int, out: Path, piece: int) -> None:
    members = np.zeros(len(rows), MEMBER)
    digests = np.frombuffer(b"".join(row.group for row, _ in rows), ">u8").reshape(-1, 2)
    members["hash"], members["low"] = digests[:, 0], digests[:, 1]
    members["rank"] = np.arange(first, first + len(rows))
    members["shard"] = [shard for _, shard in rows]
    members["index"] = [row.number for row, _ in rows]
    path = out / f"ranked-{piece:06}"
    path.with_suffix(".keys").write_bytes(b"".join(row.key for row, _ in rows))
    np.cumsum([0, *(len(row.key) for row, _ in rows)], dtype=np.uint64).tofile(path.with_suffix(".offsets"))
    np.array([first], np.uint64).tofile(path.with_suffix(".first"))
    members[["shard", "index"]].astype(_PLACE).tofile(path.with_suffix(".places"))
    by_shard = members[np.argsort(members["shard"], kind="stable")]
    ranks_of = np.zeros(len(rows), RANK_OF)
    ranks_of["index"], ranks_of["rank"] = by_shard["index"], by_shard["rank"]
    runs.write(out / f"ranks-{piece:06}", ranks_of, by_shard["shard"], shards)
    members = members[np.lexsort((members["low"], members["hash"]))]
    runs.write(out / f"digests-{piece:06}", members, runs.cells_of_hashes(members["hash"]))


class Ranked:
    """The documents by rank: where they are, and their keys. Only what is asked for is read.

    Attributes:
        n: of documents.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        """Args: folders: what `rank` wrote, of each task."""
        paths = [path.with_suffix("") for folder in folders for path in folder.glob("ranked-*.first")]
        firsts = [int(np.fromfile(path.with_suffix(".first"), np.uint64)[0]) for path in paths]
        order = np.argsort(firsts)
        self._paths = [paths[i] for i in order]
        self._firsts = [firsts[i] for i in order]
        self._places = [np.memmap(path.with_suffix(".places"), _PLACE, "r") for path in self._paths]
        self.n = self._firsts[-1] + len(self._places[-1]) if paths else 0

    def places(self, ranks: Ranks) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
        """Returns the shard of each rank, and the index in it; ranks ascend."""
        cuts = np.searchsorted(ranks, np.array([*self._firsts, self.n], np.uint64)).tolist()
        found = np.concatenate(
            [np.zeros(0, _PLACE)]
            + [
                places[(ranks[start:stop] - np.uint64(first)).astype(np.int64)]
                for places, first, start, stop in zip(self._places, self._firsts, cuts[:-1], cuts[1:], strict=True)
                if stop > start
            ]
        )
        return found["shard"], found["index"]

    def key(self, rank: int) -> bytes:
        """Returns the key of the document of that rank."""
        piece = bisect_right(self._firsts, rank) - 1
        number, path = rank - self._firsts[piece], self._paths[piece]
        start, stop = np.fromfile(path.with_suffix(".offsets"), np.uint64, count=2, offset=number * 8).tolist()
        with path.with_suffix(".keys").open("rb") as file:
            file.seek(start)
            key: bytes = file.read(stop - start)
            return key
