"""[objective]: what a run learns, by name. No torch here: the data reads it too."""

from dataclasses import dataclass
from typing import Any, Literal

from codetitan.data.turns import Conversations, Learn


@dataclass(kw_only=True)
class NextToken:
    """Each next token of each document."""


@dataclass(kw_only=True)
class SFT:
    """What the assistant says in conversations, and what documents among them say."""

    learn: Learn = "responses"
    """Of a conversation: what the assistant says, only the last of it, or every token. Documents beside conversations
    are learnt as in pre-training."""


@dataclass(kw_only=True)
class DPO:
    """Which of two answers to a prompt is the better one: direct preference optimization."""

    beta: float = 0.1
    """How far the model may go from the reference for it: the larger, the less."""

    loss: Literal["sigmoid", "ipo"] = "sigmoid"
    """Of a pair, by how much more the model prefers the chosen answer than the reference does, Δ: −log σ(βΔ), or
    (Δ − 1/2β)²."""

    label_smoothing: float = 0.0
    """Share of pairs that are taken to be labelled the wrong way round; for sigmoid."""

    length_normalised: bool = False
    """Whether an answer's log-probability is divided by its tokens."""


OBJECTIVES: dict[str, type | None] = {"next-token": NextToken, "sft": SFT, "dpo": DPO}


def conversations(objective: Any) -> Conversations | None:
    """Returns what an objective learns of conversations; None: it takes none."""
    if isinstance(objective, DPO):
        return "pairs"
    learn: Learn | None = getattr(objective, "learn", None)
    return learn


Objective = Any  # one of OBJECTIVES' values
