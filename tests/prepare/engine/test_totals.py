"""Statistics of tasks, added up."""

import math
import random

import pytest

from codetitan.prepare.engine.totals import total


def test_sums() -> None:
    rows = [
        {"n": 1, "by": {"Go": {"kept": 2}}, "names": ["b"], "version": "1", "on": True, "share": 0.1},
        {
            "n": 2**60,
            "by": {"C": {"kept": 1}, "Go": {"kept": 5, "cut": 1}},
            "names": ["a", "b"],
            "version": "1",
            "on": True,
            "share": 1,
        },
        {},
    ]
    found = total(rows)
    assert found == {
        "by": {"C": {"kept": 1}, "Go": {"cut": 1, "kept": 7}},
        "n": 2**60 + 1,
        "names": ["b", "a", "b"],
        "on": True,
        "share": 1.1,
        "version": "1",
    }
    assert list(found) == sorted(found) and list(found["by"]) == ["C", "Go"]
    assert total([]) == {}


def test_the_last_bit_does_not_depend_on_the_order() -> None:
    values = [random.Random(7).uniform(-1, 1) * 10**i for i in range(12)] * 3
    rows = [{"x": value} for value in values]
    assert total(rows) == total(rows[::-1]) == {"x": math.fsum(values)}


@pytest.mark.parametrize("values", [("a", "b"), (1, "1"), (True, 1), ({"a": 1}, 1)])
def test_what_can_not_be_added(values: tuple[object, object]) -> None:
    with pytest.raises(TypeError, match=r"""^statistics "x" of tasks can't be added: """):
        total([{"x": value} for value in values])
