from itertools import pairwise

import pytest

from codetitan.data.order import key, permute


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 17, 64, 100, 1000])
def test_permutes(n: int) -> None:
    assert sorted(permute(i, n, key(7, "order", 0)) for i in range(n)) == list(range(n))


def test_differs_by_epoch_and_seed() -> None:
    orders = [
        [permute(i, 500, k) for i in range(500)] for k in (key(1, "order", 0), key(1, "order", 1), key(2, "order", 0))
    ]
    for a in range(3):
        assert sum(x == i for i, x in enumerate(orders[a])) < 10  # a random permutation has one fixed point on average
        for b in range(a):
            assert sum(x == y for x, y in zip(orders[a], orders[b], strict=True)) < 10


def test_neighbours_are_spread() -> None:
    n = 10_000
    order = [permute(i, n, key(3)) for i in range(n)]
    jumps = sum(abs(a - b) for a, b in pairwise(order)) / n
    assert 0.3 * n < jumps < 0.37 * n  # a third of n for a uniform permutation


def test_a_billion_costs_nothing() -> None:
    n = 10**9
    seen = {permute(i, n, key(0)) for i in range(2000)}
    assert len(seen) == 2000 and max(seen) < n


def test_out_of_range() -> None:
    with pytest.raises(ValueError, match=r"index 5 is outside range\(5\)"):
        permute(5, 5, 0)


def test_values_are_fixed() -> None:
    """A changed order would silently change every resumed run."""
    assert [permute(i, 731, key(42, "order", 0)) for i in range(5)] == PINNED


PINNED = [86, 150, 189, 723, 707]
