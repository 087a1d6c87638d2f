"""Where a loader stands."""

from collections.abc import Sequence
from typing import TypedDict

import torch


class State(TypedDict):
    """Where a loader stands: after the last batch that was taken, not the last that was prepared.

    Attributes:
        rows: int64 (rows, n), a RowState a line.
        identity: what it belongs to (`identity.describe`), and what is kept for all rows.
    """

    rows: torch.Tensor
    identity: str


def join(states: Sequence[State]) -> State:
    """Returns the state of all ranks, from which loaders of any data-parallel degree go on.

    Args:
        states: of every rank, in their order, after the same step.

    Raises:
        ValueError: they are of different corpora or configurations.
    """
    if len({state["identity"] for state in states}) != 1:
        raise ValueError("the states are not of one run: their identities differ")
    return {"rows": torch.cat([state["rows"] for state in states]), "identity": states[0]["identity"]}
