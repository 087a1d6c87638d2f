"""What servers answer to /v1/completions, in their four forms, and a completion made of it.

Log-probabilities come as OpenAI's lists of texts (SGLang, llama-cpp-python), with ids in the place of the texts (vLLM's
`return_tokens_as_token_ids`), or as the chat form's list of objects (llama.cpp's llama-server); vLLM gives the ids
beside them (`return_token_ids`).
"""

import functools
import itertools
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from codetitan.data.pieces.dialects import Sentinels
from codetitan.engine import Completion
from codetitan.tokenizer.encoding import Encoding


class GarbageError(ValueError):
    """An answer that is none; the text says what it lacks."""


@dataclass(frozen=True)
class Answer:
    """An answer's parts, as the server gave them.

    Attributes:
        text: of the completion; after the prompt's, where that was asked back.
        finish: finish_reason.
        stopped_by: vLLM's stop_reason, SGLang's matched_stop: the text of a stop, an id, or None; False where there is
            no such field.
        ids: of the completion (of prompt and completion, where the prompt was asked back); None where not given.
        tokens: their texts; None where not given.
        log_probabilities: None where not given; its first entry is None where there was nothing before it.
        prompt_tokens: None where not given.
    """

    text: str
    finish: str | None
    stopped_by: Any
    ids: list[int] | None
    tokens: list[str] | None
    log_probabilities: list[float | None] | None
    prompt_tokens: int | None


def read(contents: dict[str, Any]) -> Answer:
    """Takes an answer apart.

    Raises:
        GarbageError: it is none.
    """
    try:
        (choice,) = contents["choices"]
        text, finish = choice["text"], choice.get("finish_reason")
    except (KeyError, TypeError, ValueError, AttributeError):
        raise GarbageError("it has no choices with one text") from None
    if not isinstance(text, str):
        raise GarbageError("its text is no text")
    tokens, log_probabilities, ids = _tokens(choice.get("logprobs") or {})
    given = choice.get("token_ids")
    # Where the prompt is asked back vLLM's log-probabilities have it, its ids do not.
    if isinstance(given, list) and (log_probabilities is None or len(given) == len(log_probabilities)):
        ids = given
    if ids is not None and not all(type(number) is int for number in ids):
        raise GarbageError("its token ids are no numbers")
    if log_probabilities is not None and not all(
        p is None or (isinstance(p, int | float) and math.isfinite(p)) for p in log_probabilities
    ):
        raise GarbageError("its log-probabilities are no numbers")
    usage = contents.get("usage")
    n_prompt = usage.get("prompt_tokens") if isinstance(usage, dict) else None
    stopped_by = choice.get("stop_reason", choice.get("matched_stop", False))
    return Answer(text, finish, stopped_by, ids, tokens, log_probabilities, n_prompt)


def _tokens(given: Any) -> tuple[list[str] | None, list[float | None] | None, list[int] | None]:
    """Returns texts, log-probabilities and ids of a `logprobs`."""
    try:
        if isinstance(given.get("content"), list):
            entries = given["content"]
            ids = [entry["id"] for entry in entries] if all("id" in entry for entry in entries) else None
            return [entry["token"] for entry in entries], [entry["logprob"] for entry in entries], ids
        tokens, log_probabilities = given.get("tokens"), given.get("token_logprobs")
        if not tokens or log_probabilities is None or len(tokens) != len(log_probabilities):
            return None, None, None
        if all(token.startswith("token_id:") for token in tokens):
            return tokens, log_probabilities, [int(token.removeprefix("token_id:")) for token in tokens]
    except (AttributeError, KeyError, TypeError, ValueError):
        raise GarbageError("its logprobs have an unknown form") from None
    return tokens, log_probabilities, None


def earliest(text: str, ends: Collection[str]) -> int | None:
    """Returns where the earliest of some texts begins in another; None where none does."""
    found = [at for end in ends if end and (at := text.find(end)) >= 0]
    return min(found, default=None)


@dataclass(frozen=True)
class Maker:
    """Makes completions of answers.

    Attributes:
        encoding: the model's tokenizer.
        sentinels: its dialect's.
        ends: ids that end a completion.
        keeps_stops: whether the server leaves the stop that it found in the text.
    """

    encoding: Encoding
    sentinels: Sentinels
    ends: frozenset[int]
    keeps_stops: bool

    def completion(self, answer: Answer, stops: Sequence[str]) -> Completion:
        """Cuts an answer at the first sentinel and the earliest stop.

        Where the server gives no ids, or not all that the text is made of (llama-server takes those of a stop away by
        guess), they are those of the text, and there are no log-probabilities.
        """
        sentinel = earliest(answer.text, self.sentinels.ids)
        text = answer.text[:sentinel]
        ids, log_probabilities = self._ids(answer)
        pieces: list[bytes] = []
        if ids is not None:
            n = next((i for i, number in enumerate(ids) if number in self.ends), len(ids))
            pieces = [self._bytes(number) for number in ids[:n]]
            whole = b"".join(pieces).decode(errors="replace")
            # A character that is cut off is written in several ways, or not at all.
            if n < len(ids) or whole.rstrip("\ufffd").startswith(text.rstrip("\ufffd")):
                text, ids, sentinel = whole, ids[:n], n if n < len(ids) else sentinel
            else:
                ids = None
        cut = earliest(text, stops)
        ended = self._ended(answer, cut is not None, sentinel is not None, bool(stops))
        if cut is None and ended == "stop" and len(answer.text) < len(text):
            cut = len(answer.text)  # the server took the stop away, and the ids have its beginning
        text = text[:cut]
        if ids is None:
            return Completion(self.encoding.encode(self.encoding.normalize(text)).tolist(), text, [], ended)
        n = len(ids)
        if cut is not None:  # up to and with the token in which the stop begins
            sums = list(itertools.accumulate(map(len, pieces)))
            n = next((i + 1 for i, there in enumerate(sums) if there > len(text.encode())), n)
        return Completion(ids[:n], text, log_probabilities[:n], ended)

    def _ids(self, answer: Answer) -> tuple[list[int] | None, list[float]]:
        """Returns an answer's ids, found by their texts where they have to be, and their log-probabilities."""
        ids = answer.ids
        if ids is None and answer.tokens is not None:
            ids = self.of_texts(answer.tokens, answer.text)
        if ids is None:
            return None, []
        given = [p for p in answer.log_probabilities or [] if p is not None]
        return ids, given if len(given) >= len(ids) else []

    def of_texts(self, tokens: Sequence[str], text: str) -> list[int] | None:
        """Returns the ids of tokens whose texts these are, together `text`; None where they can't be told."""
        ids: list[int] = []
        for token in tokens:
            special = self.sentinels.ids.get(token, self.encoding.special_tokens.get(token))
            ids += [special] if special is not None else self.encoding.encode(token).tolist()
        if len(ids) != len(tokens) or "\ufffd" in "".join(tokens) or "" in tokens:
            # Parts of a character have no text of their own: the whole may have as many tokens.
            ids = self.encoding.encode(self.encoding.normalize(text)).tolist()
        return ids if len(ids) == len(tokens) else None

    def _bytes(self, number: int) -> bytes:
        """Returns what a token stands for in the text: special ones, and ids that are no token, for nothing."""
        if number in self._silent:
            return b""
        try:
            return self.encoding.decode_bytes([number])
        except KeyError:
            return b""

    @functools.cached_property
    def _silent(self) -> frozenset[int]:
        return frozenset({*self.sentinels.ids.values(), *self.encoding.special_tokens.values()})

    def _ended(self, answer: Answer, stop: bool, sentinel: bool, asked: bool) -> Literal["stop", "end", "length"]:
        if stop:
            return "stop"
        if sentinel:
            return "end"
        if answer.finish == "length":
            return "length"
        if answer.stopped_by is not False:
            return "stop" if isinstance(answer.stopped_by, str) else "end"
        return "stop" if asked and not self.keeps_stops else "end"
