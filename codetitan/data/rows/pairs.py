"""The targets of a row of pairs: ids, and beside them what the objective of preferences asks for."""

import numpy as np

from codetitan.data.rows.packing import IGNORE_INDEX, Arrays, Int64s, Sample
from codetitan.data.rows.references import References


def sides(sample: Sample, arrays: Arrays) -> Int64s:
    """Returns int64 (L,): of each label that counts, the number of its answer in the row, even of a chosen one and odd
    of a rejected one; -1 elsewhere."""
    side_L = np.full(len(arrays.labels_L), -1, np.int64)
    at = 0
    for number, part in enumerate(sample):
        piece = part.piece
        (second,) = piece.starts
        side_L[at : at + second] = 2 * number
        side_L[at + second : at + piece.size] = 2 * number + 1
        at += piece.size
    side_L[arrays.labels_L == IGNORE_INDEX] = -1
    return side_L


def with_targets(sample: Sample, arrays: Arrays, references: References) -> Arrays:
    """Returns a row with what the loss of pairs reads, and what it is divided by.

    Args:
        sample: whole pairs.
        arrays: as `render` laid them out.
        references: of every pair.

    Returns:
        targets_LC, int64 (L, 3): labels, `sides`, and the bits of float64 that add up to log π_ref over an answer's
        labels; of labels_L one a pair is not IGNORE_INDEX.
    """
    side_L = sides(sample, arrays)
    reference_L, counted_L = np.zeros(len(side_L)), np.full(len(side_L), IGNORE_INDEX, np.int64)
    for number, part in enumerate(sample):
        first_of = [int((side_L == 2 * number + answer).argmax()) for answer in (0, 1)]
        reference_L[first_of] = references.of(part.piece)
        counted_L[first_of[0]] = arrays.labels_L[first_of[0]]
    targets_LC = np.stack([arrays.labels_L, side_L, reference_L.view(np.int64)], 1)
    return Arrays(arrays.input_L, counted_L, arrays.positions_L, targets_LC)
