"""[objective]: what a run learns, by name. No torch here: the data reads it too."""

from dataclasses import dataclass
from typing import Any, Literal

Learn = Literal["responses", "last-response", "all"]


@dataclass(kw_only=True)
class NextToken:
    """Each next token of each document."""


@dataclass(kw_only=True)
class SFT:
    """What the assistant says in conversations, and what documents among them say."""

    learn: Learn = "responses"
    """Of a conversation: what the assistant says, only the last of it, or every token. Documents beside conversations
    are learnt as in pre-training."""


OBJECTIVES: dict[str, type | None] = {"next-token": NextToken, "sft": SFT}

Objective = Any  # one of OBJECTIVES' values
