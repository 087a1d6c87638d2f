"""The sources of a run as they are, and as a saved state knew them: what is kept of them, and how a run goes on."""

import logging
from collections.abc import Callable, Sequence
from typing import Any, Literal

from codetitan.data.rows import growth
from codetitan.data.rows.mixture import Component
from codetitan.data.rows.row import RowState
from codetitan.data.rows.selection import Selection, open_sources, select
from codetitan.data.sources.open import SourceConfig
from codetitan.errors import ConfigError

logger = logging.getLogger("codetitan")  # what a person sees of a run: codetitan/train.py

OnGrowth = Literal["refuse", "extend"]


class Corpus:
    """The opened sources of a configuration.

    Args:
        configs: of the sources.
        together: documents that are drawn together.

    Attributes:
        selections: what is served of each source.

    Raises:
        ConfigError: there is no corpus, or none of it can be used.
    """

    def __init__(self, configs: Sequence[SourceConfig], *, together: int) -> None:
        self._configs, self._together = configs, together
        self._sources = open_sources(configs)
        # Now, and not at the first save: what a state belongs to is the corpus that the run opened.
        self._runs = [growth.packed(growth.runs_of(source)) for source in self._sources]
        self._n_bytes = [source.n_bytes for source in self._sources]
        self.selections: list[Selection] = select(configs, self._sources, together=together)
        self._late: list[growth.Late] = []
        self._looked_up: tuple[list[str], list[growth.Known]] | None = None

    @property
    def components(self) -> list[Component]:
        """Of all sources, in the order of the configuration, and what is late behind them."""
        lasting = self._lasting
        return lasting + [late.component(lasting[late.of], len(lasting) + i) for i, late in enumerate(self._late)]

    @property
    def _lasting(self) -> list[Component]:
        return [component for selection in self.selections for component in selection.components]

    def kept(self) -> dict[str, Any]:
        """Returns what goes with a state, the same on every rank: parts, sizes of epochs, and bytes for the shares."""
        sizes = [list(map(list, component.sizes or ((0, component.n_documents),))) for component in self._lasting]
        return {"runs": self._runs, "n_bytes": self._n_bytes, "sizes": sizes, "late": list(map(list, self._late))}

    def n_components(self, kept: dict[str, Any]) -> int:
        """Returns how many components there were where that was kept."""
        return len(kept["sizes"]) + len(kept["late"])

    def differs(self, kept: dict[str, Any], on_growth: OnGrowth) -> str:
        """Returns how the corpus differs from the kept one where a run can't go on with it; "" where it can."""
        if "runs" not in kept:
            return "its parts are not known"
        if len(kept["runs"]) != len(self._sources):
            return f"dataloader.sources had {len(kept['runs'])} sources, has {len(self._sources)}"
        found = self._find(kept["runs"])
        said = [
            f"{source.name}: {known.said()}" for source, known in zip(self._sources, found, strict=True) if known.said()
        ]
        only_grown = bool(said) and not any(known.gone or known.changed for known in found)
        if only_grown and on_growth == "extend":
            return ""
        if only_grown:
            said.append("--dataloader.on_growth extend serves what was added from the next epoch on")
        return "; ".join(said) or "no part of it has another name or size"

    def go_on(
        self,
        kept: dict[str, Any],
        states: Sequence[RowState],
        *,
        first_row: int,
        rows: int,
        agree: Callable[[list[int]], list[int]] | None,
    ) -> None:
        """Takes the numbers of the documents from a saved state, and what was added behind them.

        Args:
            kept: from `kept`, of a corpus that does not differ.
            states: of consecutive rows, all of the global batch unless the ranks `agree`.
            first_row: number of the first of them.
            rows: G.
            agree: returns the maximum over the ranks, each of which has rows of its own.

        Raises:
            ConfigError: documents were added, and neither are the states of all rows here nor do the ranks agree.
        """
        found = self._find(kept["runs"])
        sources = [
            source if known.order is None else growth.Renumbered(source, known.order)
            for source, known in zip(self._sources, found, strict=True)
        ]
        self._n_bytes = kept["n_bytes"]
        self.selections = select(self._configs, sources, together=self._together, n_bytes=self._n_bytes)
        self._late = [growth.Late(*late) for late in kept["late"]]
        components = [component for component in self._lasting if not component.source.streamed]
        before = [tuple(map(tuple, sizes)) for sizes in kept["sizes"]]
        for component in components:
            component.sizes = before[component.number]
        if any(known.n_added for known in found):
            self._runs = [growth.packed(known.runs) for known in found]
            free, under_way = growth.epochs_of_rows(self._lasting, states, first_row, rows)
            if agree is not None:
                agreed = agree([*free, *(-epoch for epoch in under_way)])
                free, under_way = agreed[: len(free)], [-epoch for epoch in agreed[len(free) :]]
            elif len(states) != rows:
                raise ConfigError(
                    f"documents were added to the corpus: a state of all {rows} rows is needed to go on, not of "
                    f"{len(states)}; join the states of all ranks"
                )
            for component in components:
                known, c = component.sizes[-1][1], component.number
                component.sizes, late = growth.grown(component, free[c], under_way[c])
                self._late += [late] if late is not None else []
                if first_row == 0 and component.n_documents != known:
                    _say(component, (component.n_documents or 0) - known, min(component.sizes[-1][0], under_way[c] + 1))
        else:
            self._runs = kept["runs"]

    def _find(self, runs: list[str]) -> list[growth.Known]:
        """Looks for the known parts; a run asks twice."""
        if self._looked_up is None or self._looked_up[0] != runs:
            found = [
                growth.find(source, growth.unpacked(text)) for source, text in zip(self._sources, runs, strict=True)
            ]
            self._looked_up = runs, found
        return self._looked_up[1]


def _say(component: Component, more: int, first: int) -> None:
    served = f"served from its epoch {first + 1} on"
    if component.epochs is not None and first >= component.epochs:
        served = f"not served, for all of its {component.epochs} epochs have begun"
    logger.info("data: %s has %s documents more than when it was saved: %s", component.name, f"{more:,}", served)
