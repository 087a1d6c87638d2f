"""Statistics of tasks, added up: the same to the last bit in whatever order and number of runs the tasks were done."""

import math
from collections.abc import Iterable, Mapping
from typing import Any


def total(statistics: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Returns the sums of the tasks' statistics, which are given in order of the tasks.

    Whole numbers are added exactly and others with one rounding (`math.fsum`); tables key by key, keys in order;
    lists are joined; words and truths are the same in all tasks, and stay.

    Raises:
        TypeError: a key has values of different kinds, or words that differ.
    """
    columns: dict[str, list[Any]] = {}
    for row in statistics:
        for key, value in row.items():
            columns.setdefault(key, []).append(value)
    return {key: _sum(key, columns[key]) for key in sorted(columns)}


def _sum(key: str, values: list[Any]) -> Any:
    if all(isinstance(value, Mapping) for value in values):
        return total(values)
    if all(isinstance(value, list) for value in values):
        return [item for value in values for item in value]
    if all(type(value) is int for value in values):
        return sum(values)
    if all(type(value) in (int, float) for value in values):
        return math.fsum(values)
    if any(value != values[0] or type(value) is not type(values[0]) for value in values):
        raise TypeError(f'statistics "{key}" of tasks can\'t be added: {sorted({repr(value) for value in values})[:3]}')
    return values[0]
