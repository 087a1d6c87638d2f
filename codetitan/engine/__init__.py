"""Prompts as ids → completions with log-probabilities: what `codetitan evaluate`, `complete` and `infill` ask.

`Engine` is what a back-end gives: a model in this process (`local`) or a server. It imports data/pieces, tokenizer and
hf, nothing of training but how a checkpoint describes itself; torch and transformers only inside the back-ends.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from codetitan.data.pieces.dialects import Sentinels
from codetitan.tokenizer.encoding import Encoding


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How tokens are chosen, and when a completion ends.

    Attributes:
        temperature: 0 takes the likeliest token each time.
        top_p: of the likeliest tokens, as many as have this probability together.
        max_new_tokens: at most.
        n: completions a prompt; with temperature 0 they are all the same.
        seed: of the draws. A draw is keyed by (seed, the prompt's ids, the completion's number, the token's number): it
            depends neither on the batch nor on the other prompts.
        stops: texts that end a completion where the earliest of them begins.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    max_new_tokens: int = 512
    n: int = 1
    seed: int = 0
    stops: tuple[str, ...] = ()


@dataclass(frozen=True)
class Completion:
    """What a model wrote.

    Attributes:
        ids: the tokens up to the stop: of the token in which it begins, too; without the sentinel that ended it.
        text: theirs, up to the stop, which is not in it.
        log_probabilities: of each id, in nats, of the model itself: temperature 1, before top-p.
        ended: by a stop; by a sentinel or an end token of the model's own; at max_new_tokens or the context's end.
    """

    ids: list[int]
    text: str
    log_probabilities: list[float]
    ended: Literal["stop", "end", "length"]


class Engine(Protocol):
    """A model that completes and scores.

    Attributes:
        weights_version: rises when its weights are replaced.
        encoding: its tokenizer.
        sentinels: its dialect's, in the tokenizer's ids.
        context: tokens that a prompt and its completion may have together.
        scored_context: tokens of a sequence that is scored, but for the last, which is only looked up.
        name: for people: what it is and where.
        facts: for results, as JSON has it: `back_end`, `model` (a path or a server's word), `fingerprint` (SHA-256 of
            the folder's weights; None where it has none), `device`, `dtype`, `versions`, what else decides the text,
            and of a server `probe` (log-probabilities that tell other weights).
    """

    weights_version: int
    encoding: Encoding
    sentinels: Sentinels
    context: int
    scored_context: int
    name: str
    facts: Mapping[str, object]

    def complete(self, prompts: Sequence[Sequence[int]], sampling: Sampling) -> Iterator[tuple[int, list[Completion]]]:
        """Yields, as they are done, (a prompt's index, its `sampling.n` completions).

        Raises:
            ConfigError: a prompt leaves no room in the context, or the model can't be reached.
        """
        ...

    def score(self, sequences: Sequence[Sequence[int]]) -> Iterator[tuple[int, list[float]]]:
        """Yields, as they are done, (a sequence's index, the log-probability in nats of each id but the first).

        Raises:
            ConfigError: a sequence has more than `scored_context` + 1 ids, or the back-end
                gives no log-probabilities.
        """
        ...

    def close(self) -> None:
        """Gives back what it holds: memory, connections. It may be called twice."""
        ...
