r"""Data written into code: base64, bytes in hexadecimal, escapes of UTF-16.

The three expressions are the published ones. They are slow over a whole corpus (hexadecimal: 21 MB/s). So runs of
base64 are found by steps of 64 bytes, and the others run only over files that a necessary condition leaves.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from codetitan.prepare.file import Drop, File
from codetitan.prepare.rules.checks import check_at_least, check_share

HEXADECIMAL = re.compile(r"(?:\b(?:0x|\\x)?[0-9a-fA-F]{2}(?:,|\b\s*)){8,}")
UNICODE = re.compile(r"(?:\\u[0-9a-fA-F]{4}){8,}")

_64 = b"x" * 64
_UNITS = 8  # of HEXADECIMAL and UNICODE, at least
_HEX = b"0123456789abcdefABCDEF"
_BACKSLASH = 92
_WORD = _HEX + b"ghijklmnopqrstuvwxyzGHIJKLMNOPQRSTUVWXYZ_"
_IN_BASE64 = bytes(120 if byte in b"+/\n=" or (chr(byte).isalnum() and byte < 128) else 32 for byte in range(256))
_IN_HEX = bytes(120 if byte in _HEX + b"x\\,\n" or byte >= 128 else 32 for byte in range(256))
_IS_HEX = bytes(byte in _HEX for byte in range(256))
_IS_WORD = bytes(byte in _WORD for byte in range(256))
# What may stand between two pairs of digits; what is not ASCII may be white space, or the end of a word.
_BETWEEN = re.compile(rb"(?:,|[\s\x1c-\x1f\x80-\xff]*)(?:0x|\\x)?")


@dataclass(kw_only=True, slots=True)
class EncodedData:
    """Drops a file with a run of encoded data of more than `max_run` characters, or more than `max_share` in all.

    Base64 is `[a-zA-Z0-9+/\\n=]{64,}`, the others `HEXADECIMAL` and `UNICODE`.

    Source: StarCoder2 §2.1 ("Encoded data filter"): the expressions, 1024 characters and 50 %; OpenCoder's
    `qsc_code_cate_encoded_data` is the same. What two of the expressions match is counted twice, as there.
    """

    NAME: ClassVar[str] = "encoded_data"

    enable: bool = True
    max_run: int = 1024
    max_share: float = 0.5

    def __post_init__(self) -> None:
        check_at_least("max_run", self.max_run, 1)
        check_share("max_share", self.max_share)

    def judge(self, file: File) -> Drop | None:
        lengths = list(runs_of_base64(file.data))
        if _may_have_hexadecimal(file):
            lengths += [len(match[0]) for match in HEXADECIMAL.finditer(file.text)]
        if file.histogram[_BACKSLASH] >= _UNITS and file.data.count(b"\\u") >= _UNITS:
            lengths += [len(match[0]) for match in UNICODE.finditer(file.text)]
        if not lengths:
            return None
        if (longest := max(lengths)) > self.max_run:
            return Drop(self.NAME, "a run of encoded data", longest, self.max_run)
        share = sum(lengths) / len(file.text)
        return Drop(self.NAME, "much encoded data", share, self.max_share) if share > self.max_share else None


def runs_of_base64(data: bytes) -> Iterator[int]:
    """Yields the lengths of the matches of `[a-zA-Z0-9+/\\n=]{64,}`, in their order."""
    marked = data.translate(_IN_BASE64)
    at = marked.find(_64)
    while at >= 0:
        end = marked.find(b" ", at)
        end = len(marked) if end < 0 else end
        yield end - at
        at = marked.find(_64, end)


def _may_have_hexadecimal(file: File) -> bool:
    """Whether eight pairs of digits follow each other: first roughly, then by their places."""
    # Without the white space, a match is a run of what it may have in it, of two digits a unit at least.
    return b"x" * (2 * _UNITS) in file.tight.translate(_IN_HEX) and _has_pairs(file.data)


def _has_pairs(data: bytes) -> bool:
    import numpy as np

    # A pair of digits has no word before it, or an x; and none behind it.
    padded = b" " + data + b" "
    digit = np.frombuffer(padded.translate(_IS_HEX), np.bool_)
    word = np.frombuffer(padded.translate(_IS_WORD), np.bool_)
    x = np.frombuffer(padded, np.uint8) == ord("x")
    pairs = np.flatnonzero(digit[1:-2] & digit[2:-1] & ~word[3:] & (~word | x)[:-3])
    if len(pairs) * 16 > len(data):
        return True  # so many that the expression itself is as fast
    run = 1
    for here, following in zip(pairs.tolist(), pairs[1:].tolist(), strict=False):
        run = run + 1 if _BETWEEN.fullmatch(data, here + 2, following) else 1
        if run == _UNITS:
            return True
    return False
