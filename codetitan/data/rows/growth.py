"""A corpus that grew since a checkpoint: the known documents keep their numbers, the added ones come behind them.

1. A source has *parts* (files of a folder, shards of records), each with its documents in order and a mark of what they
   are. The list of the known parts, in the order of their numbers, is kept with the loader's state, compressed.
2. At resume each known part is looked up by its name. Where one is gone, or its mark is another, the corpus has changed
   and is refused, naming the parts. What no known part covers is added: other files, lines behind the known of a shard.
3. A document's number is its place among the known parts, then among the added in the order of the listing; a source in
   that order is `Renumbered`: order, draws and shares see a corpus to which something was appended.
4. The added documents of a component are served in each epoch behind the one under way: the earliest of which a row
   still has something. Rows are ahead of each other, and draw a block at a time. So the component changes its size with
   the first epoch of which no row has drawn anything (`RowState.reached` says how far a row has drawn); for the epochs
   between, few but for a small corpus, the added documents are a `Late` component of their own, which a row lets in
   behind its block. Sizes, (first epoch, documents), and late components are kept with the state: what is served is a
   function of the seed and of these, on any mesh.
5. What a stream holds is not known, and a dataset of the hub is one part: neither can grow.
"""

import base64
import itertools
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from codetitan.data.document import Document, Dropped
from codetitan.data.rows.mixture import Component, Sizes
from codetitan.data.rows.row import RowState
from codetitan.data.sources.open import Source

_SAMPLED = 64  # parts of a source that are marked thoroughly
_NAMED = 3  # parts that a message names
_CHUNK = 10_000
_FAR = 1 << 62


class Run(NamedTuple):  # a million of them in a second, which a frozen dataclass is not
    """Documents [first, first + n) of the part `name`, and their mark; a thorough one looks into them."""

    name: str
    first: int
    n: int
    thorough: bool
    mark: str


@dataclass
class Known:
    """What a source has of what was known.

    Attributes:
        runs: the known parts, then the added, in the order of their numbers.
        order: int64 (n,), the index in the source of each number; None where numbers are indices.
        n_added: documents.
        gone, changed, added: names of parts.
    """

    runs: list[Run]
    order: npt.NDArray[np.int64] | None = None
    n_added: int = 0
    gone: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    added: list[str] = field(default_factory=list)

    def said(self) -> str:
        """Returns what differs, such as `gone a.py; added b.py, c.py, d.py and 4 more`; "" where nothing does."""
        lists = {"gone": self.gone, "changed": self.changed, "added": self.added}
        return "; ".join(f"{word}{_named(names)}" for word, names in lists.items() if names)


def _named(names: list[str]) -> str:
    shown = [name if name.isprintable() else ascii(name) for name in names[:_NAMED] if name]
    return (
        (" " if shown else "") + ", ".join(shown) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
    )


def runs_of(source: Source) -> Iterator[Run]:
    """Yields the parts of a source as it is."""
    parts = source.parts()
    look = _thorough(len(parts))
    for i, (name, n) in enumerate(parts):
        yield Run(name, 0, n, i in look, source.mark(i, 0, n, thorough=i in look))


def _thorough(n: int) -> range:
    return range(0, n, max(1, -(-n // _SAMPLED)))


def packed(runs: Iterable[Run]) -> str:
    """Returns parts as text, of about 15 bytes each; of a million of them in a few seconds, a chunk at a time."""
    press, rest, data = zlib.compressobj(level=3), iter(runs), b""
    while chunk := list(itertools.islice(rest, _CHUNK)):
        text = "".join(f"{name}\0{first}\0{n}\0{thorough:d}\0{mark}\0" for name, first, n, thorough, mark in chunk)
        data += press.compress(text.encode("utf-8", "surrogateescape"))
    return base64.b64encode(data + press.flush()).decode()


def unpacked(text: str) -> list[Run]:
    """Reads what `packed` returned."""
    whole = zlib.decompress(base64.b64decode(text)).decode("utf-8", "surrogateescape")
    words = iter(whole.split("\0")[:-1])
    fields = zip(words, words, words, words, words, strict=True)
    return [Run(name, int(first), int(n), thorough == "1", mark) for name, first, n, thorough, mark in fields]


def find(source: Source, known: list[Run]) -> Known:
    """Looks for the known parts in a source."""
    parts = source.parts()
    place = {name: i for i, (name, _) in enumerate(parts)}
    covered = [0] * len(parts)
    found = Known(list(known))
    for run in known:
        which = place.get(run.name)
        if which is None:
            found.gone.append(run.name)
        elif (
            covered[which] != run.first
            or run.first + run.n > parts[which][1]
            or source.mark(which, run.first, run.n, thorough=run.thorough) != run.mark
        ):
            found.changed.append(run.name)
        else:
            covered[which] = run.first + run.n
    if found.gone or found.changed:
        return found
    thorough = _thorough(len(parts))
    for i, ((name, n), first) in enumerate(zip(parts, covered, strict=True)):
        if first < n:
            mark = source.mark(i, first, n - first, thorough=i in thorough)
            found.runs.append(Run(name, first, n - first, i in thorough, mark))
            found.added.append(name)
            found.n_added += n - first
    counts = np.array([n for _, n in parts], np.int64)
    starts = np.cumsum(counts) - counts
    n_of_run = np.array([run.n for run in found.runs], np.int64)
    start_of_run = np.array([starts[place[run.name]] + run.first for run in found.runs], np.int64)
    numbers = np.arange(n_of_run.sum())
    order = numbers + np.repeat(start_of_run - (np.cumsum(n_of_run) - n_of_run), n_of_run)
    found.order = None if np.array_equal(order, numbers) else order
    return found


class Renumbered:
    """A source whose documents stand in the order of their numbers."""

    streamed = False

    def __init__(self, source: Source, order: npt.NDArray[np.int64]) -> None:
        self.name, self.n_bytes, self.dropped = source.name, source.n_bytes, source.dropped
        self.fingerprint, self.structure = source.fingerprint, source.structure
        self._source, self._order = source, order

    def __len__(self) -> int:
        return len(self._order)

    def read(self, index: int) -> Document | Dropped:
        """Reads the document of that number."""
        return self._source.read(int(self._order[index]))

    def languages(self) -> npt.NDArray[np.uint8]:
        """Returns uint8 (n,): each document's index into LANGUAGES."""
        return self._source.languages()[self._order]

    def parts(self) -> list[tuple[str, int]]:
        """Returns the parts of the source as it is."""
        return self._source.parts()

    def mark(self, which: int, first: int, n: int, *, thorough: bool) -> str:
        """Returns the mark of documents of a part."""
        return self._source.mark(which, first, n, thorough=thorough)


class Late(NamedTuple):
    """Documents [first, first + n) of component `of`, for some epochs."""

    of: int
    first: int
    n: int
    epochs: int

    def component(self, of: Component, number: int) -> Component:
        """Returns it as a component that ends its epochs as fast as `of` does."""
        indices = np.arange(of.n_documents or 0) if of.indices is None else of.indices
        known = of.sizes[0][1]
        return Component(
            of.name, number, of.source, indices[self.first : self.first + self.n], self.n,
            of.weight * self.n / known, self.epochs, of.together,
        )  # fmt: skip


def epochs_of_rows(
    components: Sequence[Component], states: Sequence[RowState], first_row: int, rows: int
) -> tuple[list[int], list[int]]:
    """Returns of each component the first epoch of which none of the rows has drawn anything, and the first of which
    one of them still has something.

    Args:
        components: with the sizes under which the states were served.
        states: of consecutive rows.
        first_row: number of the first of them in the global batch.
        rows: G.
    """
    free, under_way = [0] * len(components), [_FAR] * len(components)
    for row, state in enumerate(states, start=first_row):
        for c, component in enumerate(components):
            if component.source.streamed:
                continue
            reached = state.reached[c]
            if reached:
                free[c] = max(free[c], component.epoch_of((reached - 1) * rows + row) + 1)
            # A block under way that has met the end of a component was packed without it: that end must stand.
            if state.within and component.epochs is not None and not component.has(reached * rows + row):
                free[c] = max(free[c], component.epochs)
            under_way[c] = min(under_way[c], component.epoch_of(state.ordinals[c] * rows + row))
    return free, under_way


def grown(component: Component, free: int, under_way: int) -> tuple[Sizes, Late | None]:
    """Returns the sizes of a component to which documents were added, and what serves these before it does.

    Args:
        component: with its sizes so far, and its documents now.
        free, under_way: from `epochs_of_rows`.
    """
    before, n = component.sizes, component.n_documents or 0
    known = before[-1][1]
    if known == n:
        return before, None
    # What was added earlier and is late is so up to the epoch that was free then.
    first = max(free, before[-1][0])
    sizes = (*(size for size in before if size[0] < first), (first, n))
    epochs = (first if component.epochs is None else min(first, component.epochs)) - (under_way + 1)
    return sizes, Late(component.number, known, n - known, epochs) if epochs > 0 else None
