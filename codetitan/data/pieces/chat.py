"""Chat formats as data: what stands around each turn of a conversation, and a conversation in ids.

A format is made of texts and tokens. Tokens are ids (contract 5); a turn's text is encoded with special tokens
disabled, so that nothing in it can end a turn. What stands between two tokens is encoded as one text, as a tokenizer
does with a rendered template; only a response is cut off what stands before it, for that is where generating begins.
Turns have no white space around them (codetitan.data.turns), so that no token goes over that cut.

Sources: ChatML as of Qwen2.5 (without its default system turn); the tokenizer_config.json of deepseek-coder-instruct;
Stanford Alpaca's prompt; Self-OSS-Instruct StarCoder2 (bigcode-project/starcoder2-self-align); Llama 2's chat in
CodeLlama (arXiv 2308.12950 §2.4).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from codetitan.data.pieces.dialects import Sentinels
from codetitan.data.pieces.encoded import Ids
from codetitan.data.turns import Learn, Speaker, Turn, Turns
from codetitan.errors import ConfigError, did_you_mean
from codetitan.tokenizer.encoding import Encoding


@dataclass(frozen=True, slots=True)
class Token:
    """A token of its own; without a name, the dialect's end of a document."""

    name: str = ""


END = Token()
Part = str | Token


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatFormat:
    """What stands around turns.

    Attributes:
        begin: what a conversation begins with.
        default_system: said by the system where nobody else is.
        before: speaker → what stands before a turn; an assistant's is what a prompt ends with.
        after: speaker → what stands behind it; an assistant's first token ends a response, and is learnt with it, as is
            the text before it.
        after_system: what stands before a user's first turn behind a system's; None: as before any.
        lead: text between `before` and a response, that is learnt.
    """

    begin: tuple[Part, ...] = ()
    default_system: str | None = None
    before: dict[Speaker, tuple[Part, ...]]
    after: dict[Speaker, tuple[Part, ...]]
    after_system: tuple[Part, ...] | None = None
    lead: str = ""

    @property
    def end(self) -> Token:
        """What ends a response."""
        return next(part for part in self.after["assistant"] if isinstance(part, Token))

    def tokens(self) -> list[str]:
        """Returns the names of its tokens."""
        parts = [*self.begin, *(self.after_system or ())]
        for around in (self.before, self.after):
            parts += [part for group in around.values() for part in group]
        return list(dict.fromkeys(part.name for part in parts if isinstance(part, Token) and part.name))


_IM_START, _IM_END, _EOT, _S, _END_S = map(Token, ("<|im_start|>", "<|im_end|>", "<|EOT|>", "<s>", "</s>"))
_BEGIN_OF_SENTENCE = Token("<｜begin▁of▁sentence｜>")

CHATS: dict[str, ChatFormat] = {
    "chatml": ChatFormat(
        before={
            "system": (_IM_START, "system\n"),
            "user": (_IM_START, "user\n"),
            "assistant": (_IM_START, "assistant\n"),
        },
        after=dict.fromkeys(("system", "user", "assistant"), (_IM_END, "\n")),
    ),
    "deepseek-coder": ChatFormat(
        begin=(_BEGIN_OF_SENTENCE,),
        default_system=(
            "You are an AI programming assistant, utilizing the DeepSeek Coder model, developed by DeepSeek Company, "
            "and you only answer questions related to computer science. For politically sensitive questions, security "
            "and privacy issues, and other non-computer science questions, you will refuse to answer."
        ),
        before={"system": (), "user": ("### Instruction:\n",), "assistant": ("### Response:\n",)},
        after={"system": ("\n",), "user": ("\n",), "assistant": ("\n", _EOT, "\n")},
    ),
    "alpaca": ChatFormat(
        default_system=(
            "Below is an instruction that describes a task. Write a response that appropriately completes the request."
        ),
        before={"system": (), "user": ("### Instruction:\n",), "assistant": ("### Response:\n",)},
        after={"system": ("\n\n",), "user": ("\n\n",), "assistant": (END, "\n\n")},
    ),
    "starcoder2-instruct": ChatFormat(
        begin=(END,),
        default_system=(
            "You are an exceptionally intelligent coding assistant that consistently delivers accurate and reliable "
            "responses to user instructions."
        ),
        before={"system": (), "user": ("### Instruction\n",), "assistant": ("### Response\n",)},
        after={"system": ("\n\n",), "user": ("\n\n",), "assistant": (END, "\n\n")},
    ),
    "codellama": ChatFormat(
        before={"system": (_S, "[INST] <<SYS>>\n"), "user": (_S, "[INST] "), "assistant": ()},
        after={"system": ("\n<</SYS>>\n\n",), "user": (" [/INST]",), "assistant": (" ", _END_S)},
        after_system=(),
        lead=" ",
    ),
}
"""tokenizer.chat → format."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A conversation in ids.

    Attributes:
        ids: uint32 (n,).
        learnt: bool (n,), whether a token is learnt.
        special: bool (n,), whether it is a token of the format.
    """

    ids: Ids
    learnt: npt.NDArray[np.bool_]
    special: npt.NDArray[np.bool_]


class Chat:
    """A format in the ids of a tokenizer.

    Args:
        name: of the format.
        encoding: the tokenizer.
        sentinels: its dialect.

    Attributes:
        name, format: of CHATS.

    Raises:
        ConfigError: there is no such format, or the tokenizer lacks one of its tokens.
    """

    def __init__(self, name: str, encoding: Encoding, sentinels: Sentinels) -> None:
        if name not in CHATS:
            raise ConfigError(f'tokenizer.chat = "{name}" must be one of {", ".join(CHATS)}{did_you_mean(name, CHATS)}')
        lacking = {
            chat: [token for token in form.tokens() if token not in encoding.special_tokens]
            for chat, form in CHATS.items()
        }
        if lacking[name]:
            fit = " or ".join(f'"{chat}"' for chat, tokens in lacking.items() if not tokens)
            raise ConfigError(
                f'tokenizer.chat = "{name}": the tokenizer {encoding.name} has no {lacking[name][0]}; use {fit}, whose '
                "tokens it has"
            )
        self.name, self.format = name, CHATS[name]
        self._encoding = encoding
        self._end = sentinels.end

    def encode(self, turns: Turns, learn: Learn, *, first: int = 0) -> Encoded:
        """Returns a conversation in ids, up to the token that ends its last response.

        Args:
            turns: from a user, after an optional system, to an assistant.
            learn: which tokens are.
            first: no turn before this one is learnt.
        """
        runs: list[tuple[Ids, bool, bool]] = []
        for part, learnt in self._stretches(turns, learn, first):
            if isinstance(part, Token):
                ids = np.array([self.number(part)], np.uint32)
            else:
                ids = self._encoding.encode(self._encoding.normalize(part))
            runs.append((ids, learnt, isinstance(part, Token)))
        counts = [len(ids) for ids, _, _ in runs]
        return Encoded(
            np.concatenate([ids for ids, _, _ in runs]),
            np.repeat([learnt for _, learnt, _ in runs], counts),
            np.repeat([special for _, _, special in runs], counts),
        )

    def number(self, token: Token) -> int:
        """Returns the id of a token of the format."""
        return self._encoding.special_tokens[token.name] if token.name else self._end

    def _stretches(self, turns: Turns, learn: Learn, first: int) -> Iterator[tuple[Part, bool]]:
        """Yields tokens and the texts between them, and whether each is learnt."""
        text, text_is_learnt = "", False
        for part, learnt, cut in self._parts(turns, learn, first):
            if isinstance(part, str) and learnt == text_is_learnt and not cut:
                text += part
                continue
            if text:
                yield text, text_is_learnt
            text, text_is_learnt = (part, learnt) if isinstance(part, str) else ("", False)
            if isinstance(part, Token):
                yield part, learnt
        # What would follow is behind the token that ends the last response.

    def _parts(self, turns: Turns, learn: Learn, first: int) -> Iterator[tuple[Part, bool, bool]]:
        """Yields what a conversation is made of, whether it is learnt, and whether a response begins with it."""
        form = self.format
        said = turns
        if turns[0].speaker != "system" and form.default_system is not None:
            said = (Turn("system", form.default_system), *turns)
            first += first > 0
        for part in form.begin:
            yield part, learn == "all" and first == 0, False
        for number, turn in enumerate(said):
            given = learn == "all" and number >= first
            behind_system = number == 1 and said[0].speaker == "system" and form.after_system is not None
            for part in form.after_system or () if behind_system else form.before[turn.speaker]:
                yield part, given, False
            if turn.speaker != "assistant":
                for part in (turn.text, *form.after[turn.speaker]):
                    yield part, given, False
                continue
            learnt = number >= first and (learn != "last-response" or number == len(said) - 1)
            yield form.lead + turn.text, learnt, True
            for part in form.after["assistant"]:
                yield part, learnt, False
                if isinstance(part, Token):  # which ends the response
                    learnt = given
