"""Where two versions of a file differ, in lines: from the first line that does to the last."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """Lines [start, stop) of a text."""

    start: int
    stop: int

    def of(self, lines: list[str]) -> list[str]:
        """Returns the lines of the span."""
        return lines[self.start : self.stop]

    def widened(self, before: int, after: int, lines: list[str]) -> list[str]:
        """Returns the lines of the span, and so many before and after it as there are."""
        return lines[max(0, self.start - before) : self.stop + after]


def changed(old: list[str], new: list[str]) -> tuple[Span, Span]:
    """Returns what is between the lines with which both begin and those with which both end, in each."""
    most = min(len(old), len(new))
    first = next((i for i in range(most) if old[i] != new[i]), most)
    last = next((i for i in range(most - first) if old[-1 - i] != new[-1 - i]), most - first)
    return Span(first, len(old) - last), Span(first, len(new) - last)
