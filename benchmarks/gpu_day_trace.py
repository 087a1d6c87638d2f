"""How busy a device is, from a trace of torch's profiler (Chrome's format)."""

import gzip
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ON_GPU = frozenset({"kernel", "gpu_memcpy", "gpu_memset"})
ON_CPU = frozenset({"cpu_op"})
_LONG_US = 100  # a gap that a launch queue of some kernels would have hidden


@dataclass(frozen=True)
class Gaps:
    """Times in ms from the first event's start to the last one's end.

    Attributes:
        span_ms: all of it.
        idle_ms: in which no event runs.
        longest_ms: the longest gap.
        n_long: gaps of more than 0.1 ms.
    """

    span_ms: float
    idle_ms: float
    longest_ms: float
    n_long: int

    @property
    def share(self) -> float:
        """Returns the idle share of the span."""
        return self.idle_ms / self.span_ms


def gaps(events: Iterable[dict[str, Any]], categories: frozenset[str]) -> Gaps:
    """Returns the gaps between the events of some categories, whichever stream they ran on.

    Raises:
        ValueError: there is none.
    """
    # Complete events only: ts and dur in microseconds, dur left out where it is 0.
    intervals = sorted(
        (event["ts"], event["ts"] + event.get("dur", 0))
        for event in events
        if event.get("ph") == "X" and event.get("cat") in categories
    )
    if not intervals:
        raise ValueError(f"the trace has no event of {', '.join(sorted(categories))}")
    start, end = intervals[0]
    found = []
    for begins, ends in intervals[1:]:
        if begins > end:
            found.append(begins - end)
        end = max(end, ends)
    long = sum(gap > _LONG_US for gap in found)
    return Gaps((end - start) / 1e3, sum(found) / 1e3, max(found, default=0) / 1e3, long)


def read_gaps(file: Path, categories: frozenset[str]) -> Gaps:
    """Reads a compressed trace, as torchtitan's profiler leaves it. Raises ValueError: it has no such event."""
    with gzip.open(file, "rt", encoding="utf-8") as trace:
        return gaps(json.load(trace)["traceEvents"], categories)
