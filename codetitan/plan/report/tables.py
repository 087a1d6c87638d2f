"""Numbers and columns as text."""

from collections.abc import Sequence

from codetitan.plan.gpus import GIB


def gib(size: float) -> str:
    return f"{size / GIB:.2f}"


def columns(rows: Sequence[Sequence[str]], indent: str = "  ") -> list[str]:
    """Aligns columns: the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        (
            indent
            + "  ".join(
                f"{cell:<{w}}" if i == 0 else f"{cell:>{w}}"
                for i, (cell, w) in enumerate(zip(row, widths, strict=True))
            )
        ).rstrip()
        for row in rows
    ]


def ranges(numbers: Sequence[int]) -> str:
    """Returns e.g. `0-3` or `0,4,8,…`."""
    if len(numbers) > 1 and list(numbers) == list(range(numbers[0], numbers[-1] + 1)):
        return f"{numbers[0]}-{numbers[-1]}"
    shown = [str(n) for n in numbers[:4]]
    return ",".join(shown) + (",…" if len(numbers) > 4 else "")


def count(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}"
