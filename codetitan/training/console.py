"""The line that a logged step leaves on the console: what fits a terminal's width; metrics.jsonl has all."""

import os
from collections.abc import Sequence

_LEAST_COLUMNS = 80  # narrower terminals wrap


def columns() -> int:
    """Returns the width of the terminal that standard output is; a pipe, such as to tee, may end in a narrow one."""
    try:
        return max(_LEAST_COLUMNS, os.get_terminal_size(1).columns)
    except OSError:
        return _LEAST_COLUMNS


def count(n: float) -> str:
    """Returns e.g. `409,600`, `52.4M`, `7.02B` or `1.5T`: three digits from a million on, all of them below."""
    for unit, name in ((1e12, "T"), (1e9, "B"), (1e6, "M")):
        if n >= unit:
            return f"{float(f'{n / unit:.3g}'):g}{name}"
    return f"{n:,.0f}"


def rate(n: float) -> str:
    """Returns e.g. `3,048`, `994k` or `1.21M`: short at every speed."""
    return f"{n / 1e3:.0f}k" if 1e5 <= n < 999.5e3 else count(max(n, 1e6) if n >= 1e5 else n)


class StepLine:
    """Lines of one shape: a part that did not fit once is left out from then on.

    Args:
        width: columns that a line may have; None: those of the terminal.
    """

    def __init__(self, width: int | None = None) -> None:
        self._width = columns() if width is None else width
        self._left_out: set[int] = set()

    def text(self, parts: Sequence[tuple[int, str]]) -> str:
        """Joins the parts that fit, two spaces between them.

        Args:
            parts: (0: always there; else the higher, the sooner it is left out; what is said, or nothing).
        """
        while True:
            line = "  ".join(text for rank, text in parts if text and rank not in self._left_out)
            ranks = {rank for rank, text in parts if rank and text} - self._left_out
            if len(line) <= self._width or not ranks:
                return line
            self._left_out.add(max(ranks))
