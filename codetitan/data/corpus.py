"""Which document a row serves next: all sources joined, in a new seeded order each epoch, dealt to the rows.

The documents of all epochs form one endless sequence, dealt like cards to the G rows of the global batch: row i
gets the sequence's elements i, i + G, i + 2G, … So every document is used exactly once an epoch, for any G, and a
row's stream depends on nothing but (seed, G, its number).
"""

from bisect import bisect_right
from collections import Counter
from itertools import accumulate

from codetitan.data.document import Document, Dropped
from codetitan.data.order import key, permute
from codetitan.data.sources import Source, SourceConfig, check_usable, open_source


class Corpus:
    """The joined sources.

    Args:
        sources: opened sources, at least one document in all.
        seed: selects the order of each epoch.
        rows: G, the rows of the global batch.
    """

    def __init__(self, sources: list[Source], *, seed: int, rows: int) -> None:
        self.sources = sources
        self.seed = seed
        self.rows = rows
        self._ends = list(accumulate(len(source) for source in sources))
        self.n_documents = self._ends[-1]

    @classmethod
    def open(cls, configs: list[SourceConfig], *, seed: int, rows: int) -> "Corpus":
        """Opens the sources of a configuration. Raises ConfigError where one has no document, or none can be used."""
        sources = [open_source(config) for config in configs]
        check_usable(sources)
        return cls(sources, seed=seed, rows=rows)

    def read(self, row: int, ordinal: int) -> Document | Dropped:
        """Reads the document number `ordinal` of row `row`, counted over all epochs."""
        epoch, place = divmod(ordinal * self.rows + row, self.n_documents)
        index = permute(place, self.n_documents, key(self.seed, "order", epoch))
        which = bisect_right(self._ends, index)
        return self.sources[which].read(index - (self._ends[which - 1] if which else 0))

    def summary(self) -> str:
        """Returns e.g. `python-stdlib: 704 documents, 11.2 MB (left out: 3 empty)`, sources joined with `; `."""
        return "; ".join(
            f"{source.name}: {len(source):,} documents, {source.n_bytes / 1e6:.1f} MB{_left_out(source.dropped)}"
            for source in self.sources
        )


def _left_out(dropped: Counter[str]) -> str:
    # Files of other types are no documents: counting them here would only alarm.
    counted = [f"{count} {reason}" for reason, count in sorted(dropped.items()) if reason != "other file type"]
    return f" (left out: {', '.join(counted)})" if counted else ""
