"""Of documents with the same digest the best one stays."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from codetitan.prepare.duplicates import runs
from codetitan.prepare.duplicates.ranks import MEMBER

COPY = np.dtype([("index", "u8"), ("rank", "u8"), ("twin", "u8")])
"""A document that is dropped, and the rank of the one that has the same digest and stays: cells are shards."""


def exact(ranked: Sequence[Path], task: int, tasks: int, shards: int, out: Path, *, memory: int) -> Mapping[str, int]:
    """Writes the copies among a share of the digests into `out`.

    Args:
        ranked: what `rank` wrote, of each task.
        task, tasks: which share, of how many.
        shards: of the documents.
        memory: in bytes; texts of one digest are held together, 32 bytes each, and twice more to sort them.

    Returns:
        copies: documents that are dropped.
    """
    paths = runs.named(ranked, "digests")
    dropped = 0
    limit = memory // (4 * MEMBER.itemsize)
    for part, (first, stop) in enumerate(runs.parts(paths, task, tasks, limit)):
        members = runs.read(paths, MEMBER, first, stop)
        members = members[np.lexsort((members["rank"], members["low"], members["hash"]))]
        new = np.ones(len(members), bool)
        new[1:] = (members["hash"][1:] != members["hash"][:-1]) | (members["low"][1:] != members["low"][:-1])
        twins = members["rank"][new][np.cumsum(new) - 1]
        copies = np.zeros(int((~new).sum()), COPY)
        lost = members[~new]
        copies["index"], copies["rank"], copies["twin"] = lost["index"], lost["rank"], twins[~new]
        order = np.lexsort((copies["rank"], lost["shard"]))
        runs.write(out / f"copies-{part:06}", copies[order], lost["shard"][order], shards)
        dropped += len(copies)
    return {"copies": dropped}
