"""Counts of many tasks are one sum, in any order."""

import itertools
import json

import pytest

from codetitan.prepare.counts import Tree, add, size_class, total


def test_sums() -> None:
    trees: list[Tree] = [{}, {}, {}]
    for i in range(30):
        add(trees[i % 3], i, "dropped", "paths", "vendored" if i % 2 else "generated")
        add(trees[i % 3], i, "languages", "python")
    sums = {json.dumps(total(order)) for order in itertools.permutations(trees)}
    assert len(sums) == 1
    assert json.loads(sums.pop()) == {
        "dropped": {"paths": {"generated": [15, sum(range(0, 30, 2))], "vendored": [15, sum(range(1, 30, 2))]}},
        "languages": {"python": [30, sum(range(30))]},
    }
    assert total([{"a": 1}, {"a": 2, "b": 3}]) == {"a": 3, "b": 3}


def test_what_is_no_sum() -> None:
    for one, other in ({"a": 1}, {"a": {"b": 1}}), ({"a": [1, 2]}, {"a": {"b": 1}}), ({"a": {"b": 1}}, {"a": 1}):
        with pytest.raises(TypeError, match="a is a count and a tree"):
            total([one, other])


def test_size_classes() -> None:
    assert [size_class(n) for n in (0, 1, 1023, 1024)] == ["2^00", "2^01", "2^10", "2^11"]
