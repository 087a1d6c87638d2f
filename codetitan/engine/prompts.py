"""How a text is asked to go on, or a hole to be filled: the ids are laid out as in training (data/pieces/maker.py), the
text encoded with special tokens as plain text."""

from codetitan.data.pieces.dialects import Sentinels
from codetitan.data.pieces.fim import Order
from codetitan.data.pieces.metadata import Headers
from codetitan.data.pieces.units import character_start
from codetitan.engine import cursor
from codetitan.errors import ConfigError
from codetitan.tokenizer.encoding import Encoding


class Prompts:
    """Makes prompts for a model.

    Args:
        encoding: its tokenizer.
        sentinels: its dialect in the tokenizer's ids.
        context: tokens that a prompt and what follows it may have.
    """

    def __init__(self, encoding: Encoding, sentinels: Sentinels, context: int) -> None:
        self.encoding, self.sentinels, self.context = encoding, sentinels, context

    def encode(self, text: str) -> list[int]:
        """Returns the ids of a text.

        Raises:
            ConfigError: the tokenizer can't encode it.
        """
        if not self.encoding.can_encode(text):
            raise ConfigError(f"the tokenizer {self.encoding.name} can't encode the text")
        ids: list[int] = self.encoding.encode(self.encoding.normalize(text)).tolist()
        return ids

    def begin(self) -> list[int]:
        """Returns what stands before a document's text: the dialect's word for no path, or what ends a document.

        Raises:
            ConfigError: the tokenizer has neither.
        """
        head = Headers(self.sentinels, self.encode).no_path()
        if not head and self.sentinels.dialect.end in self.sentinels.appended:
            raise ConfigError("the text is empty, and the model's tokenizer has nothing that begins one")
        return head or [self.sentinels.end]

    def completion(self, prefix: str, max_new_tokens: int) -> list[int]:
        """Returns the ids of a text to go on with; of a long one its end, of an empty one what ends a document."""
        head = Headers(self.sentinels, self.encode).no_path()
        room = self._room(max_new_tokens, len(head))
        return head + self._last(prefix, self.encode(prefix), room) or self.begin()

    def infill(self, prefix: str, suffix: str, order: Order, max_new_tokens: int) -> list[int]:
        """Returns the ids of a text with a hole; of long texts what is next to the hole.

        Args:
            prefix, suffix: what stands before and behind.
            order: psm (prefix, suffix, middle) or spm (suffix, prefix, middle).
            max_new_tokens: what the middle may take of the context.

        Raises:
            ConfigError: the tokenizer lacks the dialect's sentinels, or the hole stands inside a line end or a
                character.
        """
        dialect, ids = self.sentinels.dialect, self.sentinels.ids
        if self.sentinels.appended:
            raise ConfigError(
                f"the model's tokenizer has no {', '.join(self.sentinels.appended)}: it was not trained to infill; use "
                "codetitan complete"
            )
        head = Headers(self.sentinels, self.encode).no_path()
        room = self._room(max_new_tokens, len(head) + 3)
        before, after = self.encode(prefix), self.encode(suffix)
        if cursor.character_start(prefix + suffix, len(prefix)) != len(prefix):
            raise ConfigError(
                "the hole stands inside a character of several code points, or between \\r and \\n, where none was in "
                "training; begin the suffix with all of it"
            )
        # What is short leaves its half to the other.
        n_after = min(len(after), max(room // 2, room - len(before)))
        before = self._last(prefix, before, room - n_after)
        after = after[: self._whole(suffix, after, n_after, -1)]
        prefix_id, suffix_id, middle_id = (ids[s] for s in (dialect.fim_prefix, dialect.fim_suffix, dialect.fim_middle))
        if order == "spm":
            return [*head, prefix_id, suffix_id, *after, middle_id, *before]
        return [*head, prefix_id, *before, suffix_id, *after, middle_id]

    def fits(self, prefix: str, suffix: str | None, max_new_tokens: int) -> bool:
        """Whether `completion`, or with a suffix `infill`, keeps all of the text."""
        n_sentinels = len(Headers(self.sentinels, self.encode).no_path()) + (0 if suffix is None else 3)
        return len(self.encode(prefix)) + len(self.encode(suffix or "")) <= self._room(max_new_tokens, n_sentinels)

    def _last(self, text: str, ids: list[int], n: int) -> list[int]:
        """Returns at most the last `n` of the ids of a text, from the beginning of a character on."""
        return ids[self._whole(text, ids, max(0, len(ids) - n), 1) :]

    def _whole(self, text: str, ids: list[int], at: int, step: int) -> int:
        """Moves a place among the ids of a text, on or back, to where no character is cut."""
        data = self.encoding.normalize(text).encode()
        byte = len(self.encoding.decode_bytes(ids[:at]))
        while 0 < at < len(ids) and character_start(data, byte) != byte:
            byte += step * len(self.encoding.decode_bytes([ids[at if step > 0 else at - 1]]))
            at += step
        return at

    def _room(self, max_new_tokens: int, sentinels: int) -> int:
        """Returns how many tokens of text a prompt may have."""
        if max_new_tokens > self.context // 2:
            raise ConfigError(
                f"--max-new-tokens {max_new_tokens} must leave the prompt half of the model's {self.context} tokens: "
                f"at most {self.context // 2}"
            )
        room = self.context - max_new_tokens - sentinels
        if room < 1:
            raise ConfigError(f"the model's context of {self.context} tokens leaves no room for a text")
        return room
