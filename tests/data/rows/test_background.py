import threading
import time
from collections.abc import Iterator

import pytest

from codetitan.data.rows.background import in_background


def test_items_in_order_and_the_end() -> None:
    assert list(in_background(iter(range(100)), 3)) == list(range(100))


def test_runs_ahead_but_not_further() -> None:
    asked: list[int] = []

    def items() -> Iterator[int]:
        for i in range(100):
            asked.append(i)
            yield i

    generator = in_background(items(), 3)
    assert next(generator) == 0
    deadline = time.monotonic() + 5
    while len(asked) < 5 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)
    assert asked == [0, 1, 2, 3, 4]  # one taken, three waiting, one in hand
    generator.close()


def test_an_error_comes_in_its_place() -> None:
    def items() -> Iterator[int]:
        yield 1
        yield 2
        raise ValueError("broken document")

    generator = in_background(items(), 8)
    assert [next(generator), next(generator)] == [1, 2]
    with pytest.raises(ValueError, match="broken document"):
        next(generator)


def test_closing_ends_the_thread() -> None:
    def items() -> Iterator[int]:
        i = 0
        while True:
            yield i
            i += 1

    before = threading.active_count()
    generator = in_background(items(), 2)
    next(generator)
    assert threading.active_count() == before + 1
    generator.close()
    assert threading.active_count() == before
