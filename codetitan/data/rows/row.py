"""One row of the global batch: its own endless stream of samples, and the integers from which it goes on (contract 3).

Best-fit packing works in blocks: pieces for about `block` samples are drawn, packed, and served in a shuffled order.
The state is where the block began and how many of its samples are served; the rest is worked out again.
"""

from collections import deque
from dataclasses import dataclass
from typing import Literal

from codetitan.data.language import LANGUAGES
from codetitan.data.order import key, uniform
from codetitan.data.pieces.piece import Piece
from codetitan.data.rows.mixture import Mixture
from codetitan.data.rows.packing import Part, Sample, best_fit

Packing = Literal["best-fit", "concatenate"]

# How many numbers of samples are tried for a block, to find one that is packed with little padding, and how little
# is good enough.
_TRIES = 8
_GOOD = 0.005


WAITING = -1


@dataclass(slots=True)
class RowState:
    """Where a row stands.

    Attributes:
        ordinals: a component: how many of its elements the row has finished; WAITING: it joins behind the block, or
            piece, that is under way.
        pieces: a component: how many pieces of its current element are finished.
        drawn: a component: tokens of the finished pieces.
        within: concatenation: tokens served of the piece that comes next; best-fit: samples served of the block.
        reached: a component: how many of its elements the row has begun, those included that the block looked at.
        served: tokens served of each component, then of each language, then of padding.
    """

    ordinals: list[int]
    pieces: list[int]
    drawn: list[int]
    within: int
    reached: list[int]
    served: list[int]

    @classmethod
    def start(cls, n_components: int) -> "RowState":
        """The state of a row that has served nothing."""
        zeros = [0] * n_components
        return cls(list(zeros), list(zeros), list(zeros), 0, list(zeros), [0] * (n_components + len(LANGUAGES) + 1))

    def to_list(self) -> list[int]:
        """Returns a line of the loader's table."""
        return [*self.ordinals, *self.pieces, *self.drawn, self.within, *self.reached, *self.served]

    @classmethod
    def from_list(cls, line: list[int], n_components: int) -> "RowState":
        """Reads a line of the loader's table."""
        n = n_components
        return cls(
            line[:n], line[n : 2 * n], line[2 * n : 3 * n], line[3 * n], line[3 * n + 1 : 4 * n + 1], line[4 * n + 1 :]
        )

    def with_more(self, n: int) -> "RowState":
        """Returns the state with `n` components more, which wait."""
        zeros, n_before = [0] * n, len(self.ordinals)
        return RowState(
            [*self.ordinals, *([WAITING] * n)], self.pieces + zeros, self.drawn + zeros, self.within,
            self.reached + zeros, [*self.served[:n_before], *zeros, *self.served[n_before:]],
        )  # fmt: skip


_Cursor = tuple[list[int], list[int], list[int]]


def _begun(cursor: _Cursor) -> list[int]:
    """Returns how many elements of each component were begun before a cursor."""
    ordinals, pieces, _ = cursor
    return [ordinal + (piece > 0) for ordinal, piece in zip(ordinals, pieces, strict=True)]


class Row:
    """A row's stream of samples.

    Args:
        mixture: what it draws from.
        number: of the row in the global batch.
        packing: how pieces fill samples.
        seq_len: L.
        block: samples that are packed together, about.
        rows: G.
        seed: of the order of samples.
        state: where to go on.
    """

    def __init__(
        self,
        mixture: Mixture,
        number: int,
        packing: Packing,
        *,
        seq_len: int,
        block: int,
        rows: int,
        seed: int,
        state: RowState,
    ) -> None:
        self._mixture = mixture
        self._number = number
        self._packing = packing
        self._seq_len = seq_len
        self._block = block
        self._rows = rows
        self._seed = seed
        self._weights = [component.weight for component in mixture.components]
        self._ahead = mixture.ahead(number, seq_len)
        self._elements: dict[int, tuple[int, list[Piece]]] = {}
        self._next: deque[tuple[int, Piece, _Cursor]] = deque()  # drawn, but beyond the state
        self._samples: list[list[tuple[int, Piece]]] | None = None  # of the block, in the order of serving
        self._after_block: _Cursor | None = None
        self._reached: list[int] = []  # what the block looked at: it would be packed otherwise if that changed
        self._end: _Cursor | None = None  # where every source has served its epochs, once that is known
        self.state = state
        self._move(within=state.within, reached=state.reached)

    def next(self) -> Sample:
        """Returns the next sample and moves the state behind it; an empty one where every source has served its
        epochs."""
        parts = self._fit() if self._packing == "best-fit" else self._concatenate()
        served, n = list(self.state.served), len(self._weights)
        room = self._seq_len
        for component, part in parts:
            size = part.stop - part.start
            served[component] += size
            room -= size
            # A part of a piece in several languages counts as the first: only concatenation cuts pieces.
            whole = size == part.piece.size
            languages = part.piece.languages if whole else part.piece.languages[:1]
            first = n + languages[0][0]
            served[first] += size
            for language, tokens in languages[1:]:
                served[n + language] += tokens
                served[first] -= tokens
        served[-1] += room
        self.state.served = served
        self._look_for_the_end()
        return tuple(part for _, part in parts)

    def _look_for_the_end(self) -> None:
        """Moves the state to the end of the data where nothing is left but documents that can't be served."""
        if self._mixture.finite and self.state.within == 0 and not self._samples and not self._next:
            drawn = self._draw(None)
            if drawn is None:
                self._move(self._end, within=0)
            else:
                self._next.append(drawn)

    def _fit(self) -> list[tuple[int, Part]]:
        if self._samples is None:
            self._samples, self._after_block = self._plan()
        sample = self._samples[self.state.within]
        if self.state.within + 1 < len(self._samples):
            self._move(within=self.state.within + 1, reached=self._reached)
        else:
            self._move(self._after_block, within=0)
            self._samples = None
        return [(component, Part(piece, 0, piece.size)) for component, piece in sample]

    def _plan(self) -> tuple[list[list[tuple[int, Piece]]], _Cursor | None]:
        """Draws and packs the block that begins at the state."""
        drawn = sum(self.state.drawn)
        # First blocks of different length, so that not all rows have to work at the same step.
        block = self._block if drawn else 1 + self._number * self._block // self._rows
        pieces: list[tuple[int, Piece, _Cursor]] = []
        sizes: list[int] = []
        tokens = 0
        best: tuple[float, int, list[list[int]]] | None = None
        for n_samples in range(block, block + _TRIES):
            while tokens <= n_samples * self._seq_len:
                piece = self._draw(pieces[-1][2] if pieces else None)
                if piece is None:
                    break
                pieces.append(piece)
                sizes.append(piece[1].size)
                tokens += sizes[-1]
            # All but the piece that is too many: what is left free of the last sample is less than that piece.
            n = max(1, len(pieces) - 1) if tokens > n_samples * self._seq_len else len(pieces)
            if n == 0:
                return [[]], self._end
            total = sum(sizes[:n])
            if best is None or 1 - total / (-(-total // self._seq_len) * self._seq_len) < best[0]:
                bins = best_fit(sizes[:n], self._seq_len)
                padding = 1 - total / (len(bins) * self._seq_len)
                if best is None or padding < best[0]:
                    best = padding, n, bins
            if best[0] < _GOOD or n == len(pieces):  # the latter: nothing is left
                break
        assert best is not None
        last = self._end if len(pieces) and tokens <= n_samples * self._seq_len else pieces[-1][2]
        assert last is not None
        self._reached = _begun(last)
        _, n, bins = best
        self._next.extendleft(reversed(pieces[n:]))
        # Best-fit has the largest pieces in the first bins: shuffled, every stretch of samples is alike.
        order_key = key(self._seed, "samples", self._number, drawn)
        bins.sort(key=lambda indices: uniform(order_key, indices[0]))
        return [[pieces[i][:2] for i in indices] for indices in bins], pieces[n - 1][2]

    def _concatenate(self) -> list[tuple[int, Part]]:
        parts: list[tuple[int, Part]] = []
        room, start = self._seq_len, self.state.within
        while room > 0:
            drawn = self._draw(None)
            if drawn is None:
                self._move(self._end, within=0)
                break
            component, piece, after = drawn
            n = min(piece.size - start, room)
            parts.append((component, Part(piece, start, start + n)))
            room -= n
            if start + n == piece.size:
                self._move(after, within=0)
                start = 0
            else:
                self._next.appendleft((component, piece, after))
                self._move(within=start + n, reached=_begun(after))
        return parts

    def _move(self, cursor: _Cursor | None = None, *, within: int, reached: list[int] | None = None) -> None:
        cursor = cursor or (self.state.ordinals, self.state.pieces, self.state.drawn)
        if within == 0 and WAITING in cursor[0]:
            cursor, reached = self._joined(cursor), None
            self._next.clear()  # drawn without what joins
        self.state = RowState(*cursor, within, reached or _begun(cursor), self.state.served)

    def _joined(self, cursor: _Cursor) -> _Cursor:
        """Lets the waiting components in, as if they had had their share so far."""
        ordinals, pieces, drawn = (list(numbers) for numbers in cursor)
        there = [c for c, ordinal in enumerate(ordinals) if ordinal != WAITING]
        left = [c for c in there if self._mixture.has(c, self._number, ordinals[c])]
        had = min(((drawn[c] + self._ahead[c]) / self._weights[c] for c in left), default=0.0)
        for c, ordinal in enumerate(ordinals):
            if ordinal == WAITING:
                ordinals[c], drawn[c] = 0, int(had * self._weights[c])
        return ordinals, pieces, drawn

    def _draw(self, cursor: _Cursor | None) -> tuple[int, Piece, _Cursor] | None:
        """Draws the piece after `cursor` (None: after the state); returns its component, itself, and the cursor after
        it; None where every source has served its epochs. A component is chosen by the tokens that it has had,
        relative to its share."""
        if self._next:
            return self._next.popleft()
        ordinals, pieces, drawn = cursor or (self.state.ordinals, self.state.pieces, self.state.drawn)
        ordinals, pieces, drawn = list(ordinals), list(pieces), list(drawn)
        in_vain = [0] * len(ordinals)
        while True:
            left = [c for c, n in enumerate(ordinals) if n != WAITING and self._mixture.has(c, self._number, n)]
            if not left:
                self._end = ordinals, pieces, drawn
                return None
            c = min(left, key=lambda c: (drawn[c] + self._ahead[c]) / self._weights[c])
            element = self._element(c, ordinals[c])
            if not element:
                in_vain[c] += 1
                self._mixture.check_patience(c, in_vain[c])
                ordinals[c] += 1
                continue
            piece = element[pieces[c]]
            pieces[c] += 1
            drawn[c] += piece.size
            if pieces[c] == len(element):
                ordinals[c], pieces[c] = ordinals[c] + 1, 0
            return c, piece, (ordinals, pieces, drawn)

    def _element(self, component: int, ordinal: int) -> list[Piece]:
        kept = self._elements.get(component)
        if kept is None or kept[0] != ordinal:
            kept = ordinal, self._mixture.pieces(component, self._number, ordinal)
            self._elements[component] = kept
        return kept[1]
