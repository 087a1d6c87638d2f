from itertools import pairwise

import numpy as np
import pytest

from codetitan.data.packing import RowState, fill

DOCUMENTS = [[10, 11, 12, 0], [20, 0], [0], [], [30, 31, 32, 33, 34, 35, 36, 0], [40, 41, 0]]


def tokens_of(ordinal: int) -> np.ndarray:
    return np.array(DOCUMENTS[ordinal % len(DOCUMENTS)], np.int64)


def pairs(n_epochs: int) -> list[tuple[int, int]]:
    """What every document has to teach: each token with the next one, in order."""
    return [pair for _ in range(n_epochs) for d in DOCUMENTS for pair in pairwise(d)]


@pytest.mark.parametrize("seq_len", [1, 2, 3, 4, 5, 7, 11, 50])
def test_nothing_is_lost_or_repeated(seq_len: int) -> None:
    state, served = RowState(), []
    while len(served) < len(pairs(3)):
        sample, state = fill(state, seq_len, tokens_of)
        served += list(zip(sample.input_L.tolist(), sample.labels_L.tolist(), strict=True))
    assert served[: len(pairs(3))] == pairs(3)


def test_positions_restart_at_documents_and_samples() -> None:
    sample, state = fill(RowState(), 6, tokens_of)
    assert sample.input_L.tolist() == [10, 11, 12, 20, 30, 31]
    assert sample.labels_L.tolist() == [11, 12, 0, 0, 31, 32]
    assert sample.positions_L.tolist() == [0, 1, 2, 0, 0, 1]
    assert state == RowState(ordinal=4, offset=2)
    sample, _ = fill(state, 6, tokens_of)
    assert sample.input_L.tolist() == [32, 33, 34, 35, 36, 40]
    assert sample.positions_L.tolist() == [0, 1, 2, 3, 4, 0]


def test_state_is_all_there_is() -> None:
    """Going on from a state gives what going on without a stop gives, at every stop."""
    state, samples, states = RowState(), [], []
    for _ in range(20):
        states.append(state)
        sample, state = fill(state, 5, tokens_of)
        samples.append(sample)
    for i, start in enumerate(states):
        again, _ = fill(RowState(start.ordinal, start.offset), 5, tokens_of)
        assert (again.input_L == samples[i].input_L).all() and (again.positions_L == samples[i].positions_L).all()
