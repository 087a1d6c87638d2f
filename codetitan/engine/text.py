"""A completion while it grows: its text, and where that ends."""

from typing import Literal

from codetitan.data.pieces.dialects import Sentinels
from codetitan.engine import Completion
from codetitan.tokenizer.encoding import Encoding


class Growing:
    """The tokens of one completion, and the bytes that they stand for.

    Args:
        encoding, sentinels: the model's; special tokens and ids that are no token stand for no byte.
        stops: in UTF-8. Found among the bytes: UTF-8 can't begin in the middle of a character.
    """

    def __init__(self, encoding: Encoding, sentinels: Sentinels, stops: tuple[bytes, ...]) -> None:
        self._encoding = encoding
        self._silent = {*sentinels.ids.values(), *encoding.special_tokens.values()}
        self._stops = stops
        self._longest = max(map(len, stops), default=0)
        self._data = bytearray()
        self._begins: list[int] = []  # of each token, its place among the bytes
        self._ids: list[int] = []
        self._log_probabilities: list[float] = []

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, number: int, log_probability: float) -> bool:
        """Takes a token; returns whether a stop is now in the text."""
        self._ids.append(number)
        self._log_probabilities.append(log_probability)
        before = len(self._data)
        self._begins.append(before)
        if number not in self._silent:
            try:
                self._data += self._encoding.decode_bytes([number])
            except KeyError:  # an id between others that is no token
                return False
        start = max(0, before - self._longest + 1)
        return any(self._data.find(stop, start) >= 0 for stop in self._stops)

    def done(self, ended: Literal["stop", "end", "length"]) -> Completion:
        """Returns the completion, cut at the earliest stop."""
        places = [place for stop in self._stops if (place := self._data.find(stop)) >= 0]
        cut, n = min(places, default=len(self._data)), len(self._ids)
        if places:  # up to and with the token that has the stop's first byte
            ends = [*self._begins[1:], len(self._data)]
            n = 1 + next(i for i, (begin, end) in enumerate(zip(self._begins, ends, strict=True)) if begin <= cut < end)
        text = self._data[:cut].decode("utf-8", errors="replace")
        return Completion(self._ids[:n], text, self._log_probabilities[:n], ended)
