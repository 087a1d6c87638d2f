"""Counts of many tasks are one sum, in any order."""

import itertools
import json

from codetitan.prepare.counts import Tree, add, size_class
from codetitan.prepare.engine.totals import total


def test_sums() -> None:
    trees: list[Tree] = [{}, {}, {}]
    for i in range(30):
        add(trees[i % 3], i, "dropped", "paths", "vendored" if i % 2 else "generated")
        add(trees[i % 3], i, "languages", "python")
    sums = {json.dumps(total(order)) for order in itertools.permutations(trees)}
    assert len(sums) == 1
    even, odd = sum(range(0, 30, 2)), sum(range(1, 30, 2))
    assert json.loads(sums.pop()) == {
        "dropped": {"paths": {"generated": {"bytes": even, "files": 15}, "vendored": {"bytes": odd, "files": 15}}},
        "languages": {"python": {"bytes": even + odd, "files": 30}},
    }


def test_size_classes() -> None:
    assert [size_class(n) for n in (0, 1, 1023, 1024)] == ["2^00", "2^01", "2^10", "2^11"]
