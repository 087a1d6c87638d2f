"""A conversation: turns of a system, a user and an assistant, as stores write them, and what is wrong with one."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Speaker = Literal["system", "user", "assistant"]
Learn = Literal["responses", "last-response", "all"]
"""What of a conversation is learnt."""
Conversations = Literal["responses", "last-response", "all", "pairs"]
"""The same, or that two answers to a prompt are compared."""

_SPEAKERS: dict[str, Speaker] = {
    "system": "system", "developer": "system",
    "user": "user", "human": "user", "prompter": "user",
    "assistant": "assistant", "gpt": "assistant", "model": "assistant", "bot": "assistant", "chatgpt": "assistant",
}  # fmt: skip
_HH = {"\n\nHuman:": "user", "\n\nAssistant:": "assistant"}  # of Anthropic's hh-rlhf


@dataclass(frozen=True, slots=True)
class Turn:
    """What one of them says.

    Attributes:
        speaker: who.
        text: what, without white space around it, not empty.
    """

    speaker: Speaker
    text: str


Turns = tuple[Turn, ...]


class TurnsError(ValueError):
    """A record is no conversation; the message is the reason under which it is counted."""


def of_pair(prompt: object, answer: object, system: object = None, context: object = None) -> Turns:
    """Returns a question and its answer.

    Args:
        prompt, answer: texts.
        system: what a system says before; None or empty: nothing.
        context: more of the question, such as Alpaca's `input`; None or empty: nothing.

    Raises:
        TurnsError: one is missing or no text.
    """
    asked = _text(prompt, "no prompt")
    if isinstance(context, str) and context.strip():
        asked = f"{asked}\n\n{context.strip()}"
    first = (Turn("system", system.strip()),) if isinstance(system, str) and system.strip() else ()
    return (*first, Turn("user", asked), Turn("assistant", _text(answer, "no response")))


def of_messages(messages: object) -> Turns:
    """Returns the turns of a list of `{role, content}` or `{from, value}`.

    Raises:
        TurnsError: it is none, somebody unknown speaks, or they don't take turns and end with a response.
    """
    turns = _read(messages)
    _check(turns)
    return turns


def of_preference(prompt: object, chosen: object, rejected: object, system: object = None) -> tuple[Turns, Turns]:
    """Returns two conversations that differ in their ends, the better one first.

    Args:
        prompt: a text, or messages; None: both answers hold it.
        chosen, rejected: answers as text or messages, or whole conversations, also in one text ("Human: …").
        system: as `of_pair`.

    Raises:
        TurnsError: one of them is no conversation, or they are the same.
    """
    found = tuple(_answer(prompt, answer, system) for answer in (chosen, rejected))
    for turns in found:
        _check(turns)
    better, worse = found
    if better == worse:
        raise TurnsError("chosen is rejected")
    same = common(better, worse)
    if same in (len(better), len(worse)):
        raise TurnsError("one answer is the beginning of the other")
    if better[same].speaker != "assistant":
        raise TurnsError("chosen and rejected have other prompts")
    return better, worse


def common(first: Turns, second: Turns) -> int:
    """Returns how many turns are the same from the beginning."""
    n = 0
    while n < min(len(first), len(second)) and first[n] == second[n]:
        n += 1
    return n


def _answer(prompt: object, answer: object, system: object) -> Turns:
    if isinstance(answer, str):
        if prompt is None:
            return _of_text(answer)
        return of_pair(prompt, answer, system) if isinstance(prompt, str) else (
            *_read(prompt), Turn("assistant", _text(answer, "no response")),
        )  # fmt: skip
    turns = _read(answer)
    if prompt is None or turns[0].speaker != "assistant":
        return turns
    if isinstance(prompt, str):
        first = (Turn("system", system.strip()),) if isinstance(system, str) and system.strip() else ()
        return (*first, Turn("user", _text(prompt, "no prompt")), *turns)
    return (*_read(prompt), *turns)


def _of_text(text: str) -> Turns:
    """Returns the turns of a text in which "\\n\\nHuman:" and "\\n\\nAssistant:" stand before each."""
    turns: list[Turn] = []
    rest = text if text.startswith("\n") else f"\n\n{text}"
    while rest:
        mark = next((mark for mark in _HH if rest.startswith(mark)), None)
        if mark is None:
            raise TurnsError("no prompt")
        rest = rest[len(mark) :]
        ends = [at for other in _HH if (at := rest.find(other)) >= 0]
        said, rest = (rest[: min(ends)], rest[min(ends) :]) if ends else (rest, "")
        speaker: Speaker = "user" if _HH[mark] == "user" else "assistant"
        turns.append(Turn(speaker, _text(said, "an empty turn")))
    return tuple(turns)


def _read(messages: object) -> Turns:
    if isinstance(messages, str) and messages.lstrip().startswith("["):  # some stores keep lists as JSON
        try:
            messages = json.loads(messages)
        except (ValueError, RecursionError):
            raise TurnsError("no conversation") from None
    if not isinstance(messages, Sequence) or isinstance(messages, str) or not messages:
        raise TurnsError("no conversation")
    turns = []
    for message in messages:
        if not isinstance(message, Mapping):
            raise TurnsError("a message that is no table")
        who, what = _either(message, "role", "from"), _either(message, "content", "value")
        speaker = _SPEAKERS.get(who.lower()) if isinstance(who, str) else None
        if speaker is None:
            raise TurnsError("an unknown role")
        if isinstance(what, Sequence) and not isinstance(what, str):  # parts, such as {"type": "text", "text": …}
            texts = [part.get("text") if isinstance(part, Mapping) else part for part in what]
            what = "".join(text for text in texts if isinstance(text, str))
        turns.append(Turn(speaker, _text(what, "an empty turn")))
    return tuple(turns)


def _either(message: Mapping[str, Any], first: str, second: str) -> Any:
    return message.get(second) if message.get(first) is None else message[first]


def _text(value: object, otherwise: str) -> str:
    """Returns a text without white space around it: at its ends a tokenizer could make one token of it and of what a
    chat format has there, which no prompt ends with."""
    if value is not None and not isinstance(value, str):
        raise TurnsError("a turn that is no text")
    if value is None or not value.strip():
        raise TurnsError(otherwise)
    return value.strip()


def _check(turns: Turns) -> None:
    spoken = turns[1:] if turns[0].speaker == "system" else turns
    if not any(turn.speaker == "assistant" for turn in spoken):
        raise TurnsError("no response")
    expected: Speaker = "user"
    for turn in spoken:
        if turn.speaker != expected:
            raise TurnsError("roles out of order")
        expected = "assistant" if expected == "user" else "user"
    if spoken[-1].speaker != "assistant":
        raise TurnsError("no response at the end")
