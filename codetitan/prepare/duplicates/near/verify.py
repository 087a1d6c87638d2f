"""The Jaccard similarity of each candidate pair, of their whole sets of 5-grams.

A signature estimates it only: at 25 bands of 10 rows, 28 of 91 pairs of the standard library that shared a band were
below 0.7, and without this step unlike files become chains, and chains one cluster.
"""

import os
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from codetitan.data.shingles import Grams
from codetitan.prepare.duplicates import runs
from codetitan.prepare.duplicates.near.candidates import PAIR, sorted_pairs
from codetitan.prepare.duplicates.near.choose import EDGE
from codetitan.prepare.duplicates.near.signatures import GRAMS
from codetitan.prepare.duplicates.ranks import Ranked
from codetitan.prepare.duplicates.runs import Ranks, Records


def verify(
    compared: Sequence[Path],
    ranked: Sequence[Path],
    signed: Sequence[Path],
    task: int,
    tasks: int,
    out: Path,
    *,
    threshold: float,
    memory: int,
) -> Mapping[str, int]:
    """Writes the edges among a share of the pairs into `out`.

    Args:
        compared: what `candidates` wrote in this round, of each task.
        ranked: what `rank` wrote, of each task.
        signed: what `sign` wrote, of each shard.
        task, tasks: which share, of how many: by the worse document's rank.
        threshold: similarity from which a pair is an edge.
        memory: in bytes.

    Returns:
        compared: pairs.
        edges: of them.
    """
    paths = runs.named(compared, "pairs")
    store = _Store(ranked, signed)
    n_pairs = n_edges = 0
    for part, (first, stop) in enumerate(runs.parts(paths, task, tasks, memory // (10 * PAIR.itemsize))):
        pairs = sorted_pairs(runs.read(paths, PAIR, first, stop))
        n_pairs += len(pairs)
        edges = _edges(pairs, store, threshold, memory // (6 * 8))
        n_edges += len(edges)
        if len(edges):
            runs.write(out / f"edges-{part:06}", edges, runs.cells_of_ranks(edges["worse"], store.n))
    return {"compared": n_pairs, "edges": n_edges}


def _edges(pairs: Records, store: "_Store", threshold: float, limit: int) -> Records:
    """Returns the pairs that are similar enough; holds `limit` grams at a time."""
    ranks = np.unique(np.concatenate([pairs["worse"], pairs["better"]]))
    sizes = store.sizes(ranks)
    a, b = (sizes[np.searchsorted(ranks, pairs[key])] for key in ("worse", "better"))
    # Sets of such sizes can't be more similar than the smaller is large.
    possible = np.minimum(a, b) >= threshold * np.maximum(a, b)
    pairs, volume = pairs[possible], (a + b)[possible]
    edges = np.zeros(len(pairs), EDGE)
    edges["worse"], edges["better"] = pairs["worse"], pairs["better"]
    cuts = np.flatnonzero(np.diff(np.cumsum(volume) // max(1, limit))) + 1
    for start, stop in zip([0, *cuts.tolist()], [*cuts.tolist(), len(pairs)], strict=True):
        edges["similarity"][start:stop] = _similarities(pairs[start:stop], store)
    return edges[edges["similarity"] >= threshold]


def _similarities(pairs: Records, store: "_Store") -> npt.NDArray[np.float64]:
    ranks = np.unique(np.concatenate([pairs["worse"], pairs["better"]]))
    grams = store.grams(ranks)
    worse, better = (np.searchsorted(ranks, pairs[key]) for key in ("worse", "better"))
    order = np.argsort(better, kind="stable")
    cuts = (np.flatnonzero(np.diff(better[order])) + 1).tolist()
    similarities = np.zeros(len(pairs))
    for start, stop in zip([0, *cuts], [*cuts, len(pairs)], strict=True):
        chosen = order[start:stop]
        if len(chosen):
            others = [grams[i] for i in worse[chosen].tolist()]
            similarities[chosen] = _jaccard(grams[better[chosen[0]]], others)
    return similarities


def _jaccard(one: Grams, others: list[Grams]) -> npt.NDArray[np.float64]:
    """Returns the similarity of a set and each of others, none of which is empty: as `shingles.similarity`, at once."""
    every = np.concatenate(others)
    sizes = np.array([len(other) for other in others])
    places = np.searchsorted(one, every)
    places[places == len(one)] = 0
    both = np.add.reduceat(one[places] == every, np.cumsum(sizes) - sizes, dtype=np.int64)
    similarities: npt.NDArray[np.float64] = both / (len(one) + sizes - both)
    return similarities


class _Store:
    """The grams of documents, by rank.

    Attributes:
        n: of documents.
    """

    def __init__(self, ranked: Sequence[Path], signed: Sequence[Path]) -> None:
        self._ranked, self._signed = Ranked(ranked), signed
        self.n = self._ranked.n
        self._offsets = lru_cache(256)(self._read_offsets)

    def _read_offsets(self, shard: int) -> Any:
        return np.memmap(self._signed[shard] / f"{GRAMS}.cells", np.uint64, "r")

    def sizes(self, ranks: Ranks) -> npt.NDArray[np.int64]:
        """Returns the number of grams of each; ranks ascend."""
        shards, index = self._ranked.places(ranks)
        sizes = np.zeros(len(ranks), np.int64)
        for shard in np.unique(shards).tolist():
            here = shards == shard
            offsets = self._offsets(shard)
            sizes[here] = offsets[index[here] + 1] - offsets[index[here]]
        return sizes

    def grams(self, ranks: Ranks) -> list[Grams]:
        """Returns the grams of each, a sorted set; ranks ascend. Files are read from their beginnings to their ends."""
        shards, index = self._ranked.places(ranks)
        found: list[Grams] = [np.zeros(0, np.uint64)] * len(ranks)
        order = np.lexsort((index, shards))
        shard, file = -1, -1
        try:
            for i in order.tolist():
                if shards[i] != shard:
                    if file >= 0:
                        os.close(file)
                    shard = int(shards[i])
                    file = os.open(self._signed[shard] / f"{GRAMS}.records", os.O_RDONLY)
                    offsets = self._offsets(shard)
                start, stop = offsets[index[i] : index[i] + 2].tolist()
                found[i] = np.frombuffer(os.pread(file, (stop - start) * 8, start * 8), np.uint64)
                assert len(found[i]) == stop - start, f"{self._signed[shard]}: grams are missing"
        finally:
            if file >= 0:
                os.close(file)
        return found
