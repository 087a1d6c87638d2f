"""What stays, of given edges; and what can't be said before the next round."""

from pathlib import Path

import numpy as np

from codetitan.prepare.duplicates import runs
from codetitan.prepare.duplicates.near.choose import DROPPED, EDGE, KEPT, UNDECIDED, choose


def chosen(
    edges: list[tuple[int, int, float]], opened: list[int], n: int, folder: Path, last: bool = False
) -> tuple[list[int], list[tuple[int, int, float]]]:
    """Returns the state of each document, and (dropped, twin, similarity); an edge is (worse, better, similarity)."""
    verified, compared, out = (folder / name for name in ("verified", "compared", "out"))
    for path in (verified, compared, out):
        path.mkdir(parents=True)
    for number, half in enumerate((edges[::2], edges[1::2])):  # as of two tasks
        records = np.array(sorted(half), EDGE)
        runs.write(verified / f"edges-{number}", records, runs.cells_of_ranks(records["worse"], n))
    ranks = np.array(opened, np.uint64)
    runs.write(compared / "open-0", ranks, runs.cells_of_ranks(ranks, n))
    counts = choose([verified], [compared], n, out, last=last, memory=1000)
    state = np.fromfile(out / "state", np.uint8).tolist()
    types = (("ranks", np.uint64), ("twins", np.uint64), ("similarities", np.float64))
    dropped = list(zip(*(np.fromfile(out / f"dropped.{name}", kind).tolist() for name, kind in types), strict=True))
    assert counts == {"dropped": state.count(DROPPED), "undecided": state.count(UNDECIDED)}
    assert [rank for rank, _, _ in dropped] == [rank for rank, value in enumerate(state) if value == DROPPED]
    return state, dropped


def test_a_chain_and_a_cluster(tmp_path: Path) -> None:
    chain = [(1, 0, 0.8), (2, 1, 0.9), (3, 2, 0.7)]
    cluster = [(5, 4, 0.9), (6, 4, 0.8), (6, 5, 0.95), (6, 0, 0.7)]
    state, dropped = chosen(chain + cluster, [], 8, tmp_path)
    assert [rank for rank, value in enumerate(state) if value == KEPT] == [0, 2, 4, 7]
    assert dropped == [(1, 0, 0.8), (3, 2, 0.7), (5, 4, 0.9), (6, 0, 0.7)]  # 6: to the best that stays


def test_what_hangs_on_an_open_document_is_undecided(tmp_path: Path) -> None:
    """1 may be dropped by what it has not met, so 2 and 3 wait for it; 6 does not, as 5 stays."""
    edges = [(2, 1, 0.8), (3, 2, 0.8), (6, 5, 0.9), (6, 2, 0.8), (7, 6, 0.9)]
    state, dropped = chosen(edges, [1], 8, tmp_path / "1")
    assert state == [KEPT, UNDECIDED, UNDECIDED, UNDECIDED, KEPT, KEPT, DROPPED, KEPT]
    assert dropped == [(6, 5, 0.9)]
    state, dropped = chosen(edges, [1], 8, tmp_path / "2", last=True)
    assert state == [KEPT, KEPT, DROPPED, KEPT, KEPT, KEPT, DROPPED, KEPT]
    assert dropped == [(2, 1, 0.8), (6, 5, 0.9)]


def test_an_open_document_may_be_dropped(tmp_path: Path) -> None:
    assert chosen([(1, 0, 0.8)], [0, 1, 2], 3, tmp_path / "1")[0] == [UNDECIDED, UNDECIDED, UNDECIDED]
    assert chosen([(1, 0, 0.8)], [1, 2], 3, tmp_path / "2")[0] == [KEPT, DROPPED, UNDECIDED]
    assert chosen([], [], 3, tmp_path / "3") == ([KEPT] * 3, [])
