"""Counts what torch.compile does during a run: a graph that breaks is slow, one compiled again each step is slower."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from codetitan.titan import dynamo_counters, logger

SETTLED_AFTER = 2  # steps of a process's life: the first compiles, the second what only a second one can show


@dataclass(frozen=True)
class Counts:
    """Since the process began: `graphs` compiled, the first time or again, and `graph_breaks`."""

    graphs: int
    graph_breaks: int


def counts() -> Counts:
    """Returns this process's counts."""
    # Not counters["frames"]["ok"]: under fullgraph=True, as blocks compile, a recompile does not raise it (torch 2.14).
    return Counts(dynamo_counters["stats"]["unique_graphs"], sum(dynamo_counters["graph_break"].values()))


class Watch:
    """Says so, once, when a step after the second still compiles."""

    def __init__(self) -> None:
        self._steps = 0
        self._settled: Counts | None = None
        self._said = False

    @contextlib.contextmanager
    def apart(self) -> Iterator[None]:
        """Within it, what compiles is no part of a step: a first pass without gradients compiles graphs of its own."""
        before = counts()
        yield
        if self._settled is not None:
            now = counts()
            self._settled = Counts(
                self._settled.graphs + now.graphs - before.graphs,
                self._settled.graph_breaks + now.graph_breaks - before.graph_breaks,
            )

    def after_step(self, step: int) -> None:
        """Called after each step."""
        self._steps += 1
        now = counts()
        if self._steps == SETTLED_AFTER:
            self._settled = now
        elif self._settled is not None and now != self._settled and not self._said:
            self._said = True
            logger.warning(
                "step %d: %d more graphs compiled and %d graph breaks since step %d of this start: the run is slower "
                "than it need be; with TORCH_LOGS=recompiles,graph_breaks the log files say why",
                step, now.graphs - self._settled.graphs, now.graph_breaks - self._settled.graph_breaks, SETTLED_AFTER,
            )  # fmt: skip
