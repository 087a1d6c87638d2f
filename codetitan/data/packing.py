"""Plain concatenation: documents one after the other, cut where a sample is full.

Nothing is lost: a document that is cut goes on in the row's next sample. Labels are shifted inside a document, so
no document predicts the next one's first token, and `positions` restart at 0 at each document and at each sample,
so nothing attends across documents.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

TokenArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Sample:
    """One row's share of a step: L = seq_len tokens.

    Attributes:
        input_L: int64 (L,) token ids.
        labels_L: int64 (L,) the next token of the same document.
        positions_L: int64 (L,) position inside the document, 0 at the start of each document or sample.
    """

    input_L: TokenArray
    labels_L: TokenArray
    positions_L: TokenArray


@dataclass(frozen=True, slots=True)
class RowState:
    """Where a row stands: two integers, from which everything pending is recomputed.

    Attributes:
        ordinal: how many documents the row has finished, over all epochs.
        offset: how many (input, label) pairs of the current document are served.
    """

    ordinal: int = 0
    offset: int = 0


def fill(state: RowState, seq_len: int, tokens_of: Callable[[int], TokenArray]) -> tuple[Sample, RowState]:
    """Takes the row's next sample.

    Args:
        state: where the row stands.
        seq_len: L, tokens a sample.
        tokens_of: the tokens of the row's document number `ordinal`, int64 (n,), its end token included; n < 2 means
            that the document has nothing to train on.

    Returns:
        The sample, and where the row stands after it.
    """
    input_L = np.empty(seq_len, np.int64)
    labels_L = np.empty(seq_len, np.int64)
    positions_L = np.empty(seq_len, np.int64)
    ordinal, offset, filled = state.ordinal, state.offset, 0
    while filled < seq_len:
        tokens = tokens_of(ordinal)
        n = min(len(tokens) - 1 - offset, seq_len - filled)
        if n > 0:
            part = slice(filled, filled + n)
            input_L[part] = tokens[offset : offset + n]
            labels_L[part] = tokens[offset + 1 : offset + n + 1]
            positions_L[part] = np.arange(n)
            filled, offset = filled + n, offset + n
        if offset >= len(tokens) - 1:
            ordinal, offset = ordinal + 1, 0
    return Sample(input_L, labels_L, positions_L), RowState(ordinal, offset)
