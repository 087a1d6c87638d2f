"""Which documents stay: greedy in the total order. A document is dropped if a better one that stays is similar to it.

That is the lexicographically first maximal independent set of the graph of similar pairs: what is dropped names a
document that stays, no cluster vanishes, and no chain collapses, for a copy of a copy that is no copy itself stays.

One task does it, as what becomes of a document depends on all that are better: it is the one stage that more machines
do not make faster. An edge takes 24 bytes on disk and 0.7 to 0.8 µs, a document a byte of a mapped file that should
stay in the page cache, as it is read at random. So a billion documents with an edge each are 13 minutes a round, 24 GB
read in order and 1 GB of cache; with ten edges each, 2 hours and 240 GB. Signing them is 40 core hours or more
(`benchmarks/README.md`), so it is not split. Far above 10¹⁰ documents it would have to be, into rounds over those that
no undecided better one is similar to (Blelloch et al., SPAA 2012: O(log² n) of them).
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from codetitan.prepare.duplicates import runs
from codetitan.prepare.duplicates.runs import Records

EDGE = np.dtype([("worse", "u8"), ("better", "u8"), ("similarity", "f8")])

KEPT, UNDECIDED, DROPPED = 0, 1, 2
"""Of a document, in the file `state`: a byte each, by rank."""

_BYTES = 400  # of memory that an edge takes, most of it Python's


def choose(
    verified: Sequence[Path], compared: Sequence[Path], n: int, out: Path, *, last: bool, memory: int
) -> Mapping[str, int]:
    """Writes `state` and `dropped.*`, a row each by rank, into `out`.

    What is kept or dropped after a round is so after all that follow.

    Args:
        verified: what `verify` wrote, of all tasks of all rounds so far.
        compared: what `candidates` wrote, of all tasks of this round.
        n: of documents.
        last: whether no round follows: what has not been compared by now is not similar.
        memory: in bytes; beside it a byte a document, in a file that is mapped.

    Returns:
        dropped: documents.
        undecided: documents, for the next round.
    """
    edges = runs.named(verified, "edges")
    opened = [] if last else runs.named(compared, "open")
    state = np.memmap(out / "state", np.uint8, "w+", shape=max(1, n))
    counts = {"dropped": 0, "undecided": 0}
    with ExitStack() as stack:
        ranks, twins, similarities = (
            stack.enter_context((out / f"dropped.{name}").open("wb")) for name in ("ranks", "twins", "similarities")
        )
        for first, stop in runs.parts([*edges, *opened], 0, 1, memory // _BYTES):
            undecided = np.unique(runs.read(opened, np.uint64, first, stop))
            state[undecided] = UNDECIDED
            part = runs.read(edges, EDGE, first, stop)
            part = part[np.lexsort((part["better"], part["worse"]))]
            dropped = part[_drops(part, state.data)]
            for file, name in ((ranks, "worse"), (twins, "better"), (similarities, "similarity")):
                dropped[name].tofile(file)
            counts["dropped"] += len(dropped)
            counts["undecided"] += int((state[np.union1d(undecided, part["worse"])] == UNDECIDED).sum())
    state.flush()
    return counts


def _drops(edges: Records, state: memoryview) -> list[int]:
    """Returns the edges, by number, by which documents are dropped: each to the best that stays. Updates `state`."""
    found = []
    for number, (worse, better) in enumerate(zip(edges["worse"].tolist(), edges["better"].tolist(), strict=True)):
        if state[worse] == DROPPED:
            continue
        if state[better] == KEPT:
            state[worse] = DROPPED
            found.append(number)
        elif state[better] == UNDECIDED:
            state[worse] = UNDECIDED
    return found
