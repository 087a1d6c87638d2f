"""A text and its ids: where it is cut into parts that fit, and the ids of any part without encoding it all again.

A hole's parts are texts of their own, so each must be encoded by itself; but the ids of a part and those of the whole
text are the same except near its ends. Before a single space between two visible characters every pre-tokenizer breaks
(`Encoding.splits`, checked when a tokenizer is loaded): only what lies outside such places is encoded again.
"""

import re

import numpy as np
import numpy.typing as npt

from codetitan.data.pieces.fim import Span
from codetitan.data.pieces.units import behind_last_line, character_start, code_point_start
from codetitan.tokenizer.encoding import Encoding

Ids = npt.NDArray[np.uint32]

_FIRST = re.compile(rb"[!-~]( )[!-~]")
_LAST = re.compile(rb".*[!-~]( )[!-~]", re.DOTALL)
_REACH = 400  # bytes in which a break is looked for; in code there is one every 10 or so


def token_sizes(encoding: Encoding, ids: Ids) -> npt.NDArray[np.int64]:
    """Returns int64 (n,): the bytes that each token stands for."""
    sizes = encoding.token_bytes
    if sizes is None:
        return np.array([len(encoding.decode_bytes([number])) for number in ids.tolist()], np.int64)
    return sizes[ids]


class EncodedText:
    """A text in ids.

    Args:
        encoding: the tokenizer.
        text: what `encoding.normalize` returns.

    Attributes:
        data: the text in UTF-8.
        ids: uint32 (n,) of the whole text.
    """

    def __init__(self, encoding: Encoding, text: str) -> None:
        self._encoding = encoding
        self.data = text.encode()
        self.ids: Ids = encoding.encode(text)
        sizes = encoding.token_bytes
        # byte at which each token ends; None where the tokenizer does not tell
        self._ends = None if sizes is None else sizes[self.ids].cumsum()

    def part(self, start: int, stop: int) -> Ids:
        """Returns the ids of bytes [start, stop), the same as encoding that text by itself would give."""
        if start == 0 and stop == len(self.data):
            return self.ids
        if self._ends is not None and self._encoding.splits and stop - start > 64:
            first = start
            if start > 0:
                found = _FIRST.search(self.data, start, min(stop, start + _REACH))
                first = found.start(1) if found else stop
            last = stop
            if stop < len(self.data) and first < stop:
                found = _LAST.match(self.data, max(first, stop - _REACH), stop)
                last = found.start(1) if found else first
            if first < last:
                i, j = self._token_at(first), self._token_at(last)
                parts = [self._encode(start, first), self.ids[i:j], self._encode(last, stop)]
                return np.concatenate([part for part in parts if len(part)])
        return self._encode(start, stop)

    def _encode(self, start: int, stop: int) -> Ids:
        return self._encoding.encode(self.data[start:stop].decode()) if start < stop else self.ids[:0]

    def _token_at(self, byte: int) -> int:
        """Returns how many tokens end at or before a byte."""
        assert self._ends is not None
        return int(self._ends.searchsorted(byte, "right"))

    def tokens_before(self, ids: Ids, n_bytes: int) -> int:
        """Returns how many of the tokens `ids` end within the first `n_bytes` of their text."""
        return int(self.sizes(ids).cumsum().searchsorted(n_bytes, "right"))

    def sizes(self, ids: Ids) -> npt.NDArray[np.int64]:
        """Returns int64 (n,): the bytes that each token stands for."""
        return token_sizes(self._encoding, ids)

    def cut(self, most: int, first: int | None = None) -> list[Span]:
        """Cuts the text at line ends into parts of at most about `most` tokens; a line that is longer, between
        characters. A part encoded by itself may have a few tokens more than it has here, where its text is cut.

        Args:
            most: tokens.
            first: of the first part, where it has less room; at most `most`.
        """
        room = most if first is None else first
        if len(self.ids) <= room:
            return [(0, len(self.data))]
        if self._ends is None:
            return self._halve(0, len(self.data), room)
        spans = []
        start = token = 0
        while token + room < len(self.ids):
            limit = int(self._ends[token + room - 1])
            stop = behind_last_line(self.data, start, limit)
            if self._token_at(stop) - token < max(2, room // 8):  # a line of nearly `most` or more
                stop = self._between_characters(start, limit)
            while stop <= start or (stop < len(self.data) and stop != code_point_start(self.data, stop)):
                stop = max(stop, limit) + 1  # a code point of more than `most` tokens
            spans.append((start, stop))
            start, token, room = stop, self._token_at(stop), most
        return [*spans, (start, len(self.data))] if start < len(self.data) else spans

    def _halve(self, start: int, stop: int, most: int) -> list[Span]:
        if len(self._encode(start, stop)) <= most or stop - start < 8:
            return [(start, stop)]
        middle = (start + stop) // 2
        low = start + (stop - start) // 8
        cut = behind_last_line(self.data, low, middle)
        if cut == low:
            cut = self._between_characters(start, middle)
        return self._halve(start, cut, most) + self._halve(cut, stop, most)

    def _between_characters(self, start: int, position: int) -> int:
        """Returns where a part that begins at `start` may end, at or before a position: between code points where one
        character, such as a letter with thousands of accents, takes all of it."""
        stop = character_start(self.data, position, start)
        return stop if stop > start else code_point_start(self.data, position)
