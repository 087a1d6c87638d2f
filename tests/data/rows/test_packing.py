import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codetitan.data.pieces.piece import Piece, Role
from codetitan.data.rows.packing import IGNORE_INDEX, Part, best_fit, of_middle, render


def piece(ids: list[int], roles: tuple[tuple[Role, int], ...] = ()) -> Piece:
    return Piece(np.array(ids, np.uint32), roles or ((Role.CODE, len(ids)),), "a.py", ((0, len(ids)),))


@given(st.lists(st.integers(1, 100), max_size=200))
def test_best_fit_places_everything_once(sizes: list[int]) -> None:
    bins = best_fit(sizes, 100)
    assert sorted(i for b in bins for i in b) == list(range(len(sizes)))
    assert all(sum(sizes[i] for i in b) <= 100 for b in bins)
    # Best-fit decreasing leaves at most one bin half empty, so it needs at most twice the space.
    assert sum(1 for b in bins if sum(sizes[i] for i in b) <= 50) <= 1


def test_best_fit_leaves_the_least_room() -> None:
    assert best_fit([6, 5, 4, 5], 10) == [[0, 2], [1, 3]]
    assert best_fit([], 10) == []


def test_labels_shift_inside_pieces_and_positions_restart() -> None:
    a, b = piece([10, 11, 12, 0]), piece([20, 21, 22])
    arrays = render((Part(a, 0, 3), Part(b, 1, 2)), 6, pad=99, loss="all")
    assert arrays.input_L.tolist() == [10, 11, 12, 21, 99, 99]
    assert arrays.labels_L.tolist() == [11, 12, 0, 22, IGNORE_INDEX, IGNORE_INDEX]
    assert arrays.positions_L.tolist() == [0, 1, 2, 0, 0, 1]


FIM = ((Role.METADATA, 1), (Role.SENTINEL, 1), (Role.PREFIX, 2), (Role.SENTINEL, 1), (Role.SUFFIX, 1),
       (Role.SENTINEL, 1), (Role.MIDDLE, 2), (Role.SENTINEL, 1))  # fmt: skip


@pytest.mark.parametrize(
    ("roles", "learnt"),
    [
        (FIM, [False] * 6 + [True, True, True]),
        (((Role.METADATA, 2), (Role.CODE, 7), (Role.SENTINEL, 1)), [True] * 9),
        # a repository: a file with a hole, whose middle is ended by the next file's header; a file without
        (((Role.SENTINEL, 1), (Role.PREFIX, 1), (Role.SENTINEL, 1), (Role.SENTINEL, 1), (Role.MIDDLE, 2),
          (Role.METADATA, 2), (Role.CODE, 1), (Role.SENTINEL, 1)),
         [False, False, False, True, True, True, False, True, True]),
    ],
)  # fmt: skip
def test_loss_on_the_middle_only(roles: tuple[tuple[Role, int], ...], learnt: list[bool]) -> None:
    one = piece(list(range(10)), roles)
    assert of_middle(one).tolist() == learnt
    arrays = render((Part(one, 0, 9),), 9, pad=0, loss="middle")
    assert (arrays.labels_L != IGNORE_INDEX).tolist() == learnt
    assert (render((Part(one, 0, 9),), 9, pad=0, loss="all").labels_L != IGNORE_INDEX).all()
