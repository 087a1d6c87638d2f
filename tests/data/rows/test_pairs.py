"""Pairs of answers in rows: what the objective of preferences reads of them."""

from pathlib import Path

import numpy as np
import pytest

from codetitan.data.pieces.piece import Piece, Role
from codetitan.data.rows.packing import IGNORE_INDEX, Part, render
from codetitan.data.rows.pairs import sides, with_targets
from codetitan.data.rows.references import References, digest
from codetitan.errors import ConfigError


def pair(chosen: int, rejected: int, first: int) -> Piece:
    """A pair of answers of so many tokens to a prompt of two, with ids from `first` on."""
    n = chosen + rejected + 4
    learnt = np.ones(n - 1, np.bool_)
    learnt[0] = learnt[chosen + 1] = learnt[chosen + 2] = False
    ids = np.arange(first, first + n, dtype=np.uint32)
    return Piece(ids, ((Role.CODE, n),), f"pair {first}", ((0, n),), learnt=learnt, starts=(chosen + 2,))


PAIRS = [pair(3, 2, 100), pair(1, 4, 200)]
FOUND = {digest(PAIRS[0]): (-1.5, -2.5), digest(PAIRS[1]): (-0.25, -7.0)}


def test_targets_of_a_row() -> None:
    sample = tuple(Part(piece, 0, piece.size) for piece in PAIRS)
    arrays = render(sample, 20, pad=0, loss="all")
    assert arrays.positions_L[:16].tolist() == [0, 1, 2, 3, 4, 0, 1, 2, 0, 1, 2, 0, 1, 2, 3, 4]
    i = IGNORE_INDEX
    assert arrays.labels_L[:16].tolist() == [i, 102, 103, 104, i, i, 107, 108, i, 202, i, i, 205, 206, 207, 208]
    assert sides(sample, arrays).tolist() == [-1, 0, 0, 0, -1, -1, 1, 1, -1, 2, -1, -1, 3, 3, 3, 3, -1, -1, -1, -1]
    found = with_targets(sample, arrays, References("", FOUND))
    targets_L3, counted_L = found.targets_LC, found.labels_L
    assert targets_L3 is not None and (counted_L != IGNORE_INDEX).sum() == 2  # pairs
    assert (targets_L3[:, 0] == arrays.labels_L).all() and (targets_L3[:, 1] == sides(sample, arrays)).all()
    reference_L = targets_L3[:, 2].copy().view(np.float64)
    totals = [reference_L[targets_L3[:, 1] == side].sum() for side in range(4)]
    assert totals == [-1.5, -2.5, -0.25, -7.0]


def test_a_row_of_padding_counts_nothing() -> None:
    arrays = render((), 6, pad=0, loss="all")
    found = with_targets((), arrays, References("", {}))
    targets_L3, counted_L = found.targets_LC, found.labels_L
    assert targets_L3 is not None
    assert set(counted_L) == set(targets_L3[:, 0]) == {IGNORE_INDEX} and set(targets_L3[:, 1]) == {-1}


def test_references_are_kept(tmp_path: Path) -> None:
    References("base, fp32", FOUND).save(tmp_path / "references.npz")
    found = References.load(tmp_path / "references.npz")
    assert len(found) == 2 and found.said_of == "base, fp32"
    assert [found.of(piece).tolist() for piece in PAIRS] == [[-1.5, -2.5], [-0.25, -7.0]]
    with pytest.raises(ConfigError, match=r"^pair 101: a pair that the reference has not been measured on"):
        found.of(pair(3, 2, 101))


def test_references_that_are_missing_or_damaged(tmp_path: Path) -> None:
    path = tmp_path / "references.npz"
    with pytest.raises(ConfigError, match=r"references\.npz is missing"):
        References.load(path)
    References("", FOUND).save(path)
    for spoilt in (path.read_bytes()[:100], b"", b"x" * 500):
        path.write_bytes(spoilt)
        with pytest.raises(ConfigError, match=r"references\.npz can't be read"):
            References.load(path)
