"""The outcome: of each shard, which documents are dropped, and the names of those that stay."""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from codetitan.prepare.duplicates import runs
from codetitan.prepare.duplicates.exact import COPY
from codetitan.prepare.duplicates.near.choose import DROPPED
from codetitan.prepare.duplicates.order import name_of
from codetitan.prepare.duplicates.ranks import RANK_OF, Ranked
from codetitan.prepare.file import Drop

_FILE = "duplicates.jsonl"


def write_drops(
    shard: int, ranked: Sequence[Path], copies: Sequence[Path], chosen: Path | None, out: Path
) -> Mapping[str, int]:
    """Writes a shard's dropped documents, by index, into `out`.

    An exact copy of a document that is a near-duplicate itself names the document that stays, and that similarity.

    Args:
        shard: its number.
        ranked: what `rank` wrote, of each task.
        copies: what `exact` wrote, of each task.
        chosen: what `choose` wrote in the last round; None where near-duplicates stay.

    Returns:
        exact_duplicates, near_duplicates: documents that are dropped.
    """
    documents = Ranked(ranked)
    name = lru_cache(10_000)(lambda rank: name_of(documents.key(rank)))
    rows: list[tuple[int, int, float | None]] = []  # index, twin, similarity
    exact = runs.read(runs.named(copies, "copies"), COPY, shard, shard + 1)
    near_of = _Near(chosen)
    for index, twin in zip(exact["index"].tolist(), exact["twin"].tolist(), strict=True):
        better = near_of.twin(twin)
        rows.append((index, *better) if better else (index, twin, None))
    ranks_of = runs.read(runs.named(ranked, "ranks"), RANK_OF, shard, shard + 1)
    n_near = 0
    for index, rank in zip(ranks_of["index"].tolist(), ranks_of["rank"].tolist(), strict=True):
        if better := near_of.twin(rank):
            rows.append((index, *better))
            n_near += 1
    copied = set(exact["index"].tolist())
    with (out / _FILE).open("w", encoding="utf-8") as file:
        for index, twin, similarity in sorted(rows):
            rule = "exact" if index in copied else "near"
            row = {"index": index, "rule": f"{rule}_duplicates", "twin": name(twin), "similarity": similarity}
            file.write(json.dumps(row) + "\n")
    return {"exact_duplicates": len(exact), "near_duplicates": n_near}


def read_drops(folder: Path, threshold: float) -> Iterator[tuple[int, Drop]]:
    """Yields (index, why it is dropped) of the shard whose `write_drops` wrote the folder; indices ascend.

    Args:
        threshold: of near-duplicates, for the explanation.
    """
    with (folder / _FILE).open(encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            similarity = row["similarity"]
            if row["rule"] == "exact_duplicates" and similarity is None:
                drop = Drop(row["rule"], "the same text", twin=row["twin"], similarity=1.0)
            elif row["rule"] == "exact_duplicates":
                drop = Drop(
                    row["rule"], "the same text as a near-duplicate", similarity, threshold, row["twin"], similarity
                )
            else:
                drop = Drop(row["rule"], "nearly the same text", similarity, threshold, row["twin"], similarity)
            yield row["index"], drop


class _Near:
    """The near-duplicates by rank."""

    def __init__(self, folder: Path | None) -> None:
        self._state = np.zeros(0, np.uint8)
        if folder is not None and (folder / "dropped.ranks").stat().st_size:
            self._state = np.memmap(folder / "state", np.uint8, "r")
            self._ranks = np.memmap(folder / "dropped.ranks", np.uint64, "r")
            self._twins = np.memmap(folder / "dropped.twins", np.uint64, "r")
            self._similarities = np.memmap(folder / "dropped.similarities", np.float64, "r")

    def twin(self, rank: int) -> tuple[int, float] | None:
        """Returns the document that stays in its place, and their similarity."""
        if not len(self._state) or self._state[rank] != DROPPED:
            return None
        row = int(np.searchsorted(self._ranks, np.uint64(rank)))
        return int(self._twins[row]), float(self._similarities[row])
