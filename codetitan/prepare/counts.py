"""What stages count: files and bytes by rule, language and licence; `engine.totals` adds them up."""

from typing import Any

Tree = dict[str, Any]
"""Name → a tree, or {"files": …, "bytes": …}: JSON."""


def add(tree: Tree, n_bytes: int, *names: str, files: int = 1) -> None:
    """Adds a file of `n_bytes` to the count that lies at `names`."""
    for name in names:
        tree = tree.setdefault(name, {})
    tree["files"] = tree.get("files", 0) + files
    tree["bytes"] = tree.get("bytes", 0) + n_bytes


def size_class(n_bytes: int) -> str:
    """Returns the power of two above a size, such as "2^14", for histograms."""
    return f"2^{n_bytes.bit_length():02}"
