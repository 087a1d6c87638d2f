"""A part of a document as it is served: header, text and, where it has one, the hole, in the layout of a dialect.

A hole lies in the text of one stretch. All that stands before it, sentinels of structure too, is its prefix, all that
stands behind it its suffix: the middle of a notebook's cell is completed from the cells above and below.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from codetitan.data.document import Document
from codetitan.data.pieces.dialects import Sentinels
from codetitan.data.pieces.encoded import Ids
from codetitan.data.pieces.fim import FimConfig, Hole, choose_hole
from codetitan.data.pieces.kinds import kind_of_each
from codetitan.data.pieces.piece import Role
from codetitan.data.pieces.stretches import Segment, Stretch

_WHICH = 5  # the number of the draw that chooses a stretch; `choose_hole` has those below


@dataclass(frozen=True, slots=True)
class Run:
    """Tokens of one role that follow each other.

    Attributes:
        role: what they are there for.
        ids: uint32 (n,).
        of: whose text they are; None: they are no text.
        start: byte of that text at which they begin.
    """

    role: Role
    ids: Ids
    of: Segment | None = None
    start: int = 0


@dataclass(frozen=True, slots=True)
class Chunk:
    """Stretches of a document that go into one piece.

    Attributes:
        document: whose they are.
        stretches: in their order.
        header: metadata before them.
        body: their tokens, as they are served.
        hole: in one of them, if any.
    """

    document: Document
    stretches: Sequence[Stretch]
    header: list[int]
    body: list[Run]
    hole: Hole | None = None

    def runs(self) -> list[Run]:
        """Returns header and body."""
        return [Run(Role.METADATA, np.array(self.header, np.uint32)), *self.body] if self.header else self.body

    def __len__(self) -> int:
        return len(self.header) + sum(len(run.ids) for run in self.body)

    def whole(self) -> "Chunk":
        """Returns it without its hole."""
        return replace(self, body=_plain(self.stretches), hole=None)

    def annotation(self) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint32]]:
        """Returns the kind of each token, and the bytes that it stands for; the segments have kinds."""
        each_kind, each_size = np.zeros(len(self), np.uint8), np.zeros(len(self), np.uint32)
        i = 0
        for run in self.runs():
            j = i + len(run.ids)
            if run.of is not None and j > i:
                sizes = run.of.text.sizes(run.ids)
                each_size[i:j] = sizes
                each_kind[i:j] = kind_of_each(run.of.kinds, run.start, sizes)
            i = j
        return each_kind, each_size


class Layout:
    """Cuts holes and puts tokens in their order.

    Args:
        sentinels: the dialect in its ids.
        fim: which get a hole, how often.
    """

    def __init__(self, sentinels: Sentinels, fim: FimConfig) -> None:
        self._fim = fim
        dialect = sentinels.dialect
        self._prefix, self._suffix, self._middle = (
            Run(Role.SENTINEL, np.array([sentinels.ids[text]], np.uint32))
            for text in (dialect.fim_prefix, dialect.fim_suffix, dialect.fim_middle)
        )

    def chunk(
        self, document: Document, stretches: Sequence[Stretch], header: list[int], draw: Callable[[int], float]
    ) -> Chunk:
        """Returns stretches of a document as they are served.

        Args:
            document: whose they are.
            stretches: at least one.
            header: before them.
            draw: number → float in [0, 1).
        """
        which = self._choose(stretches, draw) if self._fim.rate else None
        if which is not None:
            chosen = stretches[which]
            data = chosen.segment.text.data[chosen.start : chosen.stop]
            hole = choose_hole(data, chosen.segment.language, self._fim, draw)
            if hole is not None:
                return Chunk(document, stretches, header, self._with_hole(stretches, which, hole), hole)
        return Chunk(document, stretches, header, _plain(stretches))

    def _choose(self, stretches: Sequence[Stretch], draw: Callable[[int], float]) -> int | None:
        """Returns the stretch that may have a hole, of several a larger one more often; None: none of them."""
        sizes = [(stretch.stop - stretch.start) * stretch.segment.holes for stretch in stretches]
        if len(sizes) == 1:
            return 0 if sizes[0] else None
        ends = np.cumsum(sizes)
        return int(ends.searchsorted(int(draw(_WHICH) * ends[-1]), "right")) if ends[-1] else None

    def _with_hole(self, stretches: Sequence[Stretch], which: int, hole: Hole) -> list[Run]:
        chosen, segment = stretches[which], stretches[which].segment
        start, a, b, stop = chosen.start, chosen.start + hole.start, chosen.start + hole.stop, chosen.stop
        before = [*_plain(stretches[:which], Role.PREFIX), *_sentinel(chosen)]
        behind = _plain(stretches[which + 1 :], Role.SUFFIX)
        suffix = [self._suffix, Run(Role.SUFFIX, segment.text.part(b, stop), segment, b), *behind]
        if hole.order == "psm":
            prefix = Run(Role.PREFIX, segment.text.part(start, a), segment, start)
            middle = Run(Role.MIDDLE, segment.text.part(a, b), segment, a)
            return [self._prefix, *before, prefix, *suffix, self._middle, middle]
        joint = segment.text.part(start, b)
        n = segment.text.tokens_before(joint, a - start)
        prefix = Run(Role.PREFIX, joint[:n], segment, start)
        # Encoded together with its middle, a prefix may end a token before the hole begins.
        middle = Run(Role.MIDDLE, joint[n:], segment, start + int(segment.text.sizes(joint[:n]).sum()))
        return [self._prefix, *suffix, self._middle, *before, prefix, middle]


def _plain(stretches: Sequence[Stretch], role: Role = Role.CODE) -> list[Run]:
    """Returns stretches in their order, without a hole."""
    return [
        run
        for stretch in stretches
        for run in (*_sentinel(stretch), Run(role, stretch.ids(), stretch.segment, stretch.start))
    ]


def _sentinel(stretch: Stretch) -> list[Run]:
    number = stretch.sentinel
    return [] if number is None else [Run(Role.SENTINEL, np.array([number], np.uint32))]
