"""What stages count: files and bytes by rule, language and licence. Sums of whole numbers, in any order the same."""

from collections.abc import Iterable, Mapping
from typing import Any

Tree = dict[str, Any]
"""Name → a tree, or [files, bytes], or a whole number: JSON."""


def add(tree: Tree, n_bytes: int, *names: str, files: int = 1) -> None:
    """Adds a file of `n_bytes` to the count that lies at `names`."""
    for name in names[:-1]:
        tree = tree.setdefault(name, {})
    count = tree.setdefault(names[-1], [0, 0])
    count[0] += files
    count[1] += n_bytes


def size_class(n_bytes: int) -> str:
    """Returns the power of two above a size, such as "2^14", for histograms."""
    return f"2^{n_bytes.bit_length():02}"


def total(trees: Iterable[Mapping[str, Any]]) -> Tree:
    """Returns the sum of several trees, its names in order, whatever the order of the trees.

    Raises:
        TypeError: a name is a count in one and a tree in another.
    """
    found: Tree = {}
    for tree in trees:
        _merge(found, tree)
    return _sorted(found)


def _merge(into: Tree, tree: Mapping[str, Any]) -> None:
    for name, value in tree.items():
        if isinstance(value, Mapping):
            below = into.setdefault(name, {})
            if not isinstance(below, dict):
                raise TypeError(f"{name} is a count and a tree")
            _merge(below, value)
        elif isinstance(value, list):
            counts = into.setdefault(name, [0] * len(value))
            if not isinstance(counts, list):
                raise TypeError(f"{name} is a count and a tree")
            into[name] = [a + b for a, b in zip(counts, value, strict=True)]
        else:
            if isinstance(into.setdefault(name, 0), (dict, list)):
                raise TypeError(f"{name} is a count and a tree")
            into[name] += value


def _sorted(tree: Tree) -> Tree:
    return {name: _sorted(value) if isinstance(value, dict) else value for name, value in sorted(tree.items())}
