"""Which document a row serves next: shares of tokens among sources and languages, and each one's own seeded order.

A component is a source, or one language of a source. The documents of all its epochs are one endless sequence, dealt
like cards to the G rows of the global batch: row i gets elements i, i + G, i + 2G, … So every document is used exactly
once an epoch, for any G, and what a row is dealt depends on nothing but (seed, G, its number).
"""

import contextlib
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from codetitan.data.document import Document, Dropped, EndOfStream
from codetitan.data.held_out import HeldOutConfig
from codetitan.data.order import key, permute, uniform
from codetitan.data.pieces.maker import TOO_LONG, PieceMaker
from codetitan.data.pieces.piece import Piece
from codetitan.data.sources.open import Source
from codetitan.errors import ConfigError

logger = logging.getLogger("codetitan")  # what a person sees of a run: codetitan/train.py


class DataError(RuntimeError):
    """A document that could not be prepared; the message names it."""


@contextlib.contextmanager
def _naming(component: "Component", document: str) -> Iterator[None]:
    """Gives an error that nobody foresaw the name of its document."""
    try:
        yield
    except BaseException as error:  # tiktoken's panics are no Exception
        if isinstance(error, (ConfigError, EndOfStream, KeyboardInterrupt, SystemExit)):
            raise
        raise DataError(f'{component.source.name}: "{document}": {type(error).__name__}: {error}') from error


@lru_cache(maxsize=64)
def _order_key(seed: int, component: int, epoch: int) -> int:
    return key(seed, "order", component, epoch)


Sizes = tuple[tuple[int, int], ...]
"""(first epoch, documents from then on), the first from epoch 0: a corpus may grow between two epochs."""


@dataclass
class Component:
    """A source, or a part of it, with its share.

    Attributes:
        name: for people: the source's, with the language where it is one of several.
        number: place in the mixture; keys its draws.
        source: what is read.
        indices: int64, the documents of the source that belong to it; None: the first `n_documents`.
        n_documents: how many there are; None: a stream, of which nobody knows before its end.
        weight: share of the tokens, relative to the other components'.
        epochs: how often each document is served at most; None: for ever.
        together: documents that are drawn together (neighbours, of which one repository's may share a sample).
        sizes: how many there were in earlier epochs, where there were fewer; (): always `n_documents`.
    """

    name: str
    number: int
    source: Source
    indices: npt.NDArray[np.int64] | None
    n_documents: int | None
    weight: float
    epochs: int | None
    together: int
    sizes: Sizes = ()

    def _place(self, place: int) -> tuple[int, int, int]:
        """Returns the epoch of an element of the sequence of all epochs, its place in it, and the epoch's documents."""
        assert self.n_documents is not None
        sizes = self.sizes or ((0, self.n_documents),)
        for (first, n_documents), (end, _) in pairwise(sizes):
            n_units = -(-n_documents // self.together)
            if place < (end - first) * n_units:
                return first + place // n_units, place % n_units, n_documents
            place -= (end - first) * n_units
        first, n_documents = sizes[-1]
        n_units = -(-n_documents // self.together)
        return first + place // n_units, place % n_units, n_documents

    def epoch_of(self, place: int) -> int:
        """Returns the epoch of element `place` of the sequence of all epochs."""
        return self._place(place)[0]

    def has(self, place: int) -> bool:
        """Whether the sequence of all epochs has an element number `place`."""
        return self.n_documents is None or self.epochs is None or self.epoch_of(place) < self.epochs

    def unit(self, place: int, seed: int) -> tuple[int, list[int]]:
        """Returns the epoch, and the indices in the source of the documents of element `place`."""
        if self.source.streamed:
            return 0, list(range(place * self.together, (place + 1) * self.together))
        epoch, number, n_documents = self._place(place)
        n_units = -(-n_documents // self.together)
        first = permute(number, n_units, _order_key(seed, self.number, epoch)) * self.together
        within = range(first, min(first + self.together, n_documents))
        return epoch, list(within) if self.indices is None else self.indices[within].tolist()

    def ends_after(self, n_documents: int) -> None:
        """Notes where a stream ended."""
        self.n_documents = n_documents if self.n_documents is None else min(self.n_documents, n_documents)
        self.epochs = 1


class Mixture:
    """The components, and the pieces of whatever a row draws from them.

    Args:
        components: at least one.
        maker: makes pieces.
        seed: of the order and the dealing.
        rows: G.
        repository_level: probability that neighbours of one repository share a sample.
        held_out: which documents are not served.

    Attributes:
        maker: as it was given.
        dropped: reason → documents that could not be served, as far as this process has met them.
    """

    def __init__(
        self,
        components: Sequence[Component],
        maker: PieceMaker,
        *,
        seed: int,
        rows: int,
        repository_level: float,
        held_out: HeldOutConfig,
    ) -> None:
        self.components = components
        self.dropped: Counter[str] = Counter()
        self._dropped: set[tuple[int, int]] = set()
        self.maker = maker
        self._seed = seed
        self._rows = rows
        self._repository_level = repository_level
        self._held_out = held_out

    @property
    def finite(self) -> bool:
        """Whether the data has an end."""
        return all(component.epochs is not None or component.source.streamed for component in self.components)

    def ahead(self, row: int, most: int) -> list[float]:
        """Returns how many tokens, up to `most`, each component of a row counts as drawn before the first: so that rows
        do not all draw the same component at the same time, which would unbalance a global batch."""
        draw_key = key(self._seed, "mixture", row)
        return [most * uniform(draw_key, component.number) for component in self.components]

    def has(self, component: int, row: int, ordinal: int) -> bool:
        """Whether a row has an element number `ordinal` of a component."""
        return self.components[component].has(ordinal * self._rows + row)

    def has_any(self, row: int, ordinals: Sequence[int]) -> bool:
        """Whether a row has an element of any component behind those that it has had."""
        return any(self.has(c, row, max(0, ordinal)) for c, ordinal in enumerate(ordinals))

    def check_patience(self, component: int, in_vain: int) -> None:
        """Ends a search that finds nothing.

        Raises:
            ConfigError: so many elements of a component, drawn one after the other, had nothing to serve that none has.
        """
        chosen = self.components[component]
        # Were a single document usable, it would have been met by now but for a chance of e^-20.
        if chosen.n_documents is not None and in_vain > 64 + 20 * chosen.n_documents:
            counts = ", ".join(f"{count} {reason}" for reason, count in sorted(self.dropped.items()))
            if self._held_out.share:
                counts += f"{', ' if counts else ''}the others held out by validation.share = {self._held_out.share}"
            raise ConfigError(f"dataloader.sources: no document of {chosen.name} can be used: {counts}")

    def pieces(self, component: int, row: int, ordinal: int) -> list[Piece]:
        """Returns the pieces of a row's element number `ordinal` of a component; none where nothing can be served.

        Raises:
            DataError: a document could not be prepared; names it.
        """
        chosen = self.components[component]
        epoch, indices = chosen.unit(ordinal * self._rows + row, self._seed)
        made: list[Piece] = []
        for neighbours in self._by_repository(chosen, indices):
            if len(neighbours) > 1 and self._share_a_sample(epoch, component, neighbours[0][0]):
                with _naming(chosen, ", ".join(document.path for _, document in neighbours)):
                    made += self.maker.repository(neighbours, epoch=epoch, source=component)
                continue
            for index, document in neighbours:
                with _naming(chosen, document.path):
                    if not document.turns:
                        made += self.maker.pieces(document, epoch=epoch, source=component, index=index)
                    elif piece := self.maker.conversation(document):
                        made.append(piece)
                    else:
                        self._count(chosen, index, Dropped(document.source, document.path, TOO_LONG))
        return made

    def _share_a_sample(self, epoch: int, component: int, first: int) -> bool:
        return uniform(key(self._seed, "repository", epoch, component, first), 0) < self._repository_level

    def _by_repository(self, component: Component, indices: list[int]) -> list[list[tuple[int, Document]]]:
        """Reads documents, and groups neighbours of one repository; a document of none stands alone, as does a
        structured one or a conversation, which is no file that the code beside it could use."""
        groups: list[list[tuple[int, Document]]] = []
        for index in indices:
            try:
                with _naming(component, f"document {index}"):
                    document = self._read(component, index)
            except EndOfStream:
                component.ends_after(index)
                break
            if document is None:
                continue
            before = groups[-1][-1][1] if groups else None
            together = before is not None and document.repo is not None and before.repo == document.repo
            if together and before is not None and not any(d.parts or d.turns for d in (before, document)):
                groups[-1].append((index, document))
            else:
                groups.append([(index, document)])
        return groups

    def _read(self, component: Component, index: int) -> Document | None:
        document = component.source.read(index)
        if isinstance(document, Document) and self._held_out.holds_out(document):
            return None  # how many they are is said by the validation (data/validation/corpus.py)
        if isinstance(document, Document) and (reason := self.maker.why_not(document)):
            document = Dropped(document.source, document.path, reason)
        if isinstance(document, Document):
            return document
        self._count(component, index, document)
        return None

    def _count(self, component: Component, index: int, dropped: Dropped) -> None:
        if (component.number, index) not in self._dropped:
            self._dropped.add((component.number, index))
            if self.dropped[dropped.reason] == 0:
                logger.warning('data: skipped "%s": %s (more of these are counted)', dropped.path, dropped.reason)
            self.dropped[dropped.reason] += 1
