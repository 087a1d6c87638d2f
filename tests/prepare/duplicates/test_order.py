"""The total order, as bytes."""

import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from codetitan.prepare.duplicates.order import name_of, order_key

NOW = datetime(2026, 11, 30, tzinfo=UTC)


def test_which_document_is_better() -> None:
    base = {"permissive": True, "stars": 10, "date": NOW, "repo": "a/b", "path": "x", "source": "s"}
    better_to_worse = [
        {"stars": 1000},
        {"stars": 11, "date": None},
        {"date": NOW + timedelta(seconds=1)},
        {"repo": None},
        {"repo": "a", "path": "z"},
        {"path": "w\0"},
        {},
        {"id": "1"},
        {"source": "t"},
        {"path": "x\0"},
        {"path": "xa"},
        {"repo": "a/b2", "path": "a"},
        {"date": NOW - timedelta(days=20_000)},
        {"date": datetime(1950, 1, 1, tzinfo=UTC)},
        {"date": None},
        {"stars": 9},
        {"stars": 0},
        {"stars": None, "date": NOW},
        {"permissive": False, "stars": 10**6},
    ]
    keys = [order_key(**{**base, **each}) for each in better_to_worse]
    random.Random(0).shuffle(shuffled := list(keys))
    assert sorted(shuffled) == keys
    assert all(a < b for a, b in pairwise(keys))


@given(*[st.lists(st.sampled_from(["", "a", "ab", "\0", "\0\1", "\1", "\xff", "é"]), max_size=3).map("".join)] * 4)
def test_texts_sort_as_they_do(repo: str, path: str, other_repo: str, other_path: str) -> None:
    a, b = (
        order_key(permissive=True, stars=1, date=None, repo=r, path=p, source="")
        for r, p in ((repo, path), (other_repo, other_path))
    )
    plain = (repo.encode(), path.encode()), (other_repo.encode(), other_path.encode())
    assert (a < b) == (plain[0] < plain[1])
    assert name_of(a) == (f"{repo}/{path}" if repo and path else repo or path)
