r"""Data written into code: base64, bytes in hexadecimal, escapes of UTF-16.

The three expressions are the published ones. They are slow over a whole corpus (hexadecimal: 21 MB/s), so each runs
only over a file that a necessary condition leaves: `_may_have_…` below, at 900, 500 and 1200 MB/s.
"""

import re
from dataclasses import dataclass
from typing import ClassVar

from codetitan.prepare.file import Drop, File
from codetitan.prepare.rules import checks

BASE64 = re.compile(r"[a-zA-Z0-9+/\n=]{64,}")
HEXADECIMAL = re.compile(r"(?:\b(?:0x|\\x)?[0-9a-fA-F]{2}(?:,|\b\s*)){8,}")
UNICODE = re.compile(r"(?:\\u[0-9a-fA-F]{4}){8,}")

_UNITS = 8  # of HEXADECIMAL and UNICODE, at least
_HEX = b"0123456789abcdefABCDEF"
_WORD = _HEX + b"ghijklmnopqrstuvwxyzGHIJKLMNOPQRSTUVWXYZ_"
_IN_BASE64 = bytes(120 if byte in b"+/\n=" or (chr(byte).isalnum() and byte < 128) else 32 for byte in range(256))
_IN_HEX = bytes(120 if byte in _HEX + b"x\\," or byte >= 128 else 32 for byte in range(256))
_IS_HEX = bytes(byte in _HEX for byte in range(256))
_IS_WORD = bytes(byte in _WORD for byte in range(256))
# What may stand between two pairs of digits; what is not ASCII may be white space, or the end of a word.
_BETWEEN = re.compile(rb"(?:,|[\s\x1c-\x1f\x80-\xff]*)(?:0x|\\x)?")


@dataclass(kw_only=True, slots=True)
class EncodedData:
    """Drops a file with a run of encoded data of more than `max_run` characters, or more than `max_share` in all.

    Source: StarCoder2 §2.1 ("Encoded data filter"): the expressions, 1024 characters and 50 %; OpenCoder's
    `qsc_code_cate_encoded_data` is the same. What two of the expressions match is counted twice, as there.
    """

    NAME: ClassVar[str] = "encoded_data"

    enable: bool = True
    max_run: int = 1024
    max_share: float = 0.5

    def __post_init__(self) -> None:
        checks.at_least("max_run", self.max_run, 1)
        checks.share("max_share", self.max_share)

    def judge(self, file: File) -> Drop | None:
        found = []
        if _may_have_base64(file.data):
            found.append(BASE64)
        if _may_have_hexadecimal(file.data):
            found.append(HEXADECIMAL)
        if file.data.count(b"\\u") >= _UNITS:
            found.append(UNICODE)
        lengths = [len(match[0]) for pattern in found for match in pattern.finditer(file.text)]
        if not lengths:
            return None
        if (longest := max(lengths)) > self.max_run:
            return Drop(self.NAME, "a run of encoded data", longest, self.max_run)
        share = sum(lengths) / len(file.text)
        return Drop(self.NAME, "much encoded data", share, self.max_share) if share > self.max_share else None


def _may_have_base64(data: bytes) -> bool:
    return b"x" * 64 in data.translate(_IN_BASE64)


def _may_have_hexadecimal(data: bytes) -> bool:
    """Whether eight pairs of digits follow each other: first roughly, then by their places."""
    # Without the white space, a match is a run of what it may have in it, of two digits a unit at least.
    if b"x" * (2 * _UNITS) not in data.translate(_IN_HEX, b" \t\r\n\f\v\x1c\x1d\x1e\x1f"):
        return False
    return _has_pairs(data)


def _has_pairs(data: bytes) -> bool:
    import numpy as np

    # A pair of digits has no word before it, or an x; and none behind it.
    padded = b" " + data + b" "
    digit = np.frombuffer(padded.translate(_IS_HEX), np.bool_)
    word = np.frombuffer(padded.translate(_IS_WORD), np.bool_)
    pairs = np.flatnonzero(digit[1:-2] & digit[2:-1] & ~word[3:] & ~word[:-3])
    if len(pairs) * 16 > len(data):
        return True  # so many that the expression itself is as fast
    run = 1
    for here, following in zip(pairs.tolist(), pairs[1:].tolist(), strict=False):
        run = run + 1 if _BETWEEN.fullmatch(data, here + 2, following) else 1
        if run == _UNITS:
            return True
    return False
