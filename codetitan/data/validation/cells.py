"""What a label counts for: its cell, the losses of which are added up, and what people look at, sums over cells."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from codetitan.data.rows.packing import Int64s

CELL_SHIFT = 32
"""Bits of a label that are its token's id; the number of its cell stands above them."""

Split = Literal["text", "fim", "gold", "pair"]


@dataclass(frozen=True, order=True)
class Cell:
    """What a label counts for.

    Attributes:
        split: text from left to right, the middle of a hole, a gold solution, or an answer of a pair.
        language: of the document.
        kind: code, comment or docstring; of a conversation, response; of a hole, its order and kind, such as "psm
            line"; of an answer, the digest of its pair, and chosen or rejected.
    """

    split: Split
    language: str
    kind: str


@dataclass
class Counts:
    """Of a cell: labels, and bytes of text that they stand for."""

    tokens: int = 0
    n_bytes: int = 0


class Cells:
    """Cells by their numbers, in the order in which they come."""

    def __init__(self) -> None:
        self.all: list[Cell] = []
        self.counts: list[Counts] = []
        self._numbers: dict[Cell, int] = {}

    def number(self, cell: Cell) -> int:
        """Returns the number of a cell, a new one where it has none."""
        if cell not in self._numbers:
            self._numbers[cell] = len(self.all)
            self.all.append(cell)
            self.counts.append(Counts())
        return self._numbers[cell]

    def count(self, labelled: Int64s, n_bytes: npt.NDArray[np.uint32]) -> Int64s:
        """Counts the labels of a piece.

        Args:
            labelled: int64 (size,), the cell of each label; -1: it counts for nothing.
            n_bytes: uint32 (size,), of text that it stands for.

        Returns:
            `labelled`.
        """
        for number in np.unique(labelled[labelled >= 0]).tolist():
            here = labelled == number
            self.counts[number].tokens += int(here.sum())
            self.counts[number].n_bytes += int(n_bytes[here].sum())
        return labelled


@dataclass
class Sum:
    """Losses over some cells.

    Attributes:
        nats: sum of the losses.
        tokens, n_bytes: of the labels.
    """

    nats: float = 0.0
    tokens: int = 0
    n_bytes: int = 0

    @property
    def loss(self) -> float:
        """Nats a token."""
        return self.nats / self.tokens

    @property
    def bits_per_byte(self) -> float:
        """Bits a byte of text."""
        return self.nats / (math.log(2) * self.n_bytes)


def summarise(cells: Sequence[Cell], counts: Sequence[Counts], nats: Sequence[float]) -> dict[str, float]:
    """Returns what people look at: `loss`, `bits_per_byte`, both by language and kind, of holes and of gold solutions.

    Args:
        cells, counts: of `Samples`.
        nats: sum of the losses of each cell.
    """
    sums: dict[str, Sum] = {}
    for cell, count, nat in zip(cells, counts, nats, strict=True):
        for name in _names(cell):
            total = sums.setdefault(name, Sum())
            total.nats += nat
            total.tokens += count.tokens
            total.n_bytes += count.n_bytes
    values: dict[str, float] = {}
    for name, total in sums.items():
        place = f"/{name}" if name else ""
        if name in ("", "fim") and total.tokens:
            values[f"loss{place}"] = total.loss
        if total.n_bytes:
            values[f"bits_per_byte{place}"] = total.bits_per_byte
    return values


def _names(cell: Cell) -> list[str]:
    if cell.split == "gold":
        return ["gold"]
    if cell.split == "pair":  # compared, not added up
        return []
    if cell.split == "fim":
        return ["fim", f"fim/{cell.kind.replace(' ', '/')}"]
    return ["", cell.language, cell.kind]
