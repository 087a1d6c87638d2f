"""Pieces to samples of seq_len tokens. Nothing is lost: what a sample has no room for, a later one holds.

`best_fit` keeps pieces whole and pads what is left of a sample; `concatenate` lays them one after the other and cuts
where a sample is full. In both, labels are shifted inside a piece, so that no piece predicts the next one's first
token, and positions restart at each piece, so that nothing attends across pieces.

Source: arXiv 2404.10830 (best-fit decreasing; fewer truncations make better code).
"""

from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from codetitan.data.pieces.piece import Piece, Role

Int64s = npt.NDArray[np.int64]

IGNORE_INDEX = -100  # the label that torch's cross entropy, and so torchtitan's, passes over


@dataclass(frozen=True, slots=True)
class Part:
    """Pairs [start, stop) of a piece: pair j is token j and its label, token j + 1."""

    piece: Piece
    start: int
    stop: int


Sample = tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Arrays:
    """One row's share of a step: L = seq_len tokens.

    Attributes:
        input_L: int64 (L,) token ids.
        labels_L: int64 (L,) the next token of the same piece; IGNORE_INDEX where nothing is learnt.
        positions_L: int64 (L,) position inside the piece, 0 at the start of each piece and sample.
        targets_LC: int64 (L, C), what the loss reads, where it is more than labels; these are then what it is divided
            by the number of.
    """

    input_L: Int64s
    labels_L: Int64s
    positions_L: Int64s
    targets_LC: Int64s | None = None


def best_fit(sizes: Sequence[int], room: int) -> list[list[int]]:
    """Packs by best-fit decreasing: the largest first, each where it leaves the least room.

    Args:
        sizes: at most `room` each.
        room: of a bin.

    Returns:
        The bins, each the indices of its sizes in ascending order.
    """
    bins: list[list[int]] = []
    open_bins: list[tuple[int, int]] = []  # (room left, bin), ascending
    for i in sorted(range(len(sizes)), key=lambda i: -sizes[i]):
        at = bisect_left(open_bins, (sizes[i], -1))
        if at < len(open_bins):
            left, b = open_bins.pop(at)
            bins[b].append(i)
        else:
            left, b = room, len(bins)
            bins.append([i])
        if left > sizes[i]:
            insort(open_bins, (left - sizes[i], b))
    return [sorted(b) for b in bins]


def render(sample: Sample, seq_len: int, *, pad: int, loss: Literal["all", "middle"]) -> Arrays:
    """Lays a sample out; what it leaves free is padded with the id `pad`, which is never learnt.

    Args:
        sample: at most `seq_len` pairs.
        seq_len: L.
        pad: an id.
        loss: "middle": of pieces with a hole, only the middle and what ends it is learnt.
    """
    input_L = np.empty(seq_len, np.int64)
    labels_L = np.empty(seq_len, np.int64)
    positions_L = np.empty(seq_len, np.int64)
    counting = np.arange(seq_len)
    at = 0
    for part in sample:
        n = part.stop - part.start
        here = slice(at, at + n)
        input_L[here] = part.piece.ids[part.start : part.stop]
        labels_L[here] = part.piece.ids[part.start + 1 : part.stop + 1]
        positions_L[here] = counting[:n]
        if loss == "middle":
            labels_L[here][~of_middle(part.piece)[part.start : part.stop]] = IGNORE_INDEX
        if part.piece.learnt is not None:
            labels_L[here][~part.piece.learnt[part.start : part.stop]] = IGNORE_INDEX
        for start in part.piece.starts:  # of a whole piece: only texts of one kind are cut
            labels_L[at + start - 1] = IGNORE_INDEX
            positions_L[at + start : at + n] = counting[: n - start]
        at += n
    input_L[at:] = pad
    labels_L[at:] = IGNORE_INDEX
    positions_L[at:] = counting[: seq_len - at]
    return Arrays(input_L, labels_L, positions_L)


def of_middle(piece: Piece) -> npt.NDArray[np.bool_]:
    """Returns bool (size,): of a piece with a hole, whether each pair's label is in a middle (or in a file without a
    hole beside it), or ends one; of other pieces, True."""
    if not any(role == Role.MIDDLE or role == Role.PREFIX or role == Role.SUFFIX for role, _ in piece.roles):
        return np.ones(piece.size, np.bool_)
    roles = piece.role_of_each()
    text = (roles == Role.MIDDLE) | (roles == Role.CODE)
    learnt = np.asarray(text[1:] | text[:-1])
    learnt[-1] |= roles[-1] == Role.SENTINEL  # what ends an empty middle
    return learnt
