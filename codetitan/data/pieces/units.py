r"""Where a text may be cut in two: at the ends of lines, and between the characters that people see.

A line ends with `\n`, `\r\n` or `\r`, as Python reads source and editors show it; form feed, U+2028 and the others at
which `str.splitlines` cuts stand inside a line. A character may be several code points: a base and its accents, an
emoji, a flag, a Hangul syllable, a conjunct of an Indic script; a pair of surrogate escapes (`\ud83d\ude00`) is one as
well. Source: Unicode's UAX #29, extended grapheme clusters.
"""

import re
import unicodedata

LINE_END = re.compile(rb"\r\n?|\n")

# Of Unicode 3.2, which every Python has: the table of a Python's own version would make tokens depend on that.
_category, _class = unicodedata.ucd_3_2_0.category, unicodedata.ucd_3_2_0.combining
_VIRAMA = 9  # the combining class of what joins two consonants
_JOINER = "\u200d"
# What else goes on with a character: the blocks of marks that came later, joiners, half-width voicing, Thai and Lao AM,
# variation selectors, the colours of skin, tags.
_GOES_ON = re.compile(
    "[\u200c\u200d\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe00-\ufe0f\ufe20-\ufe2f\uff9e\uff9f\u0e33\u0eb3"
    "\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f\U000e0100-\U000e01ef]"
)
_FLAG = re.compile("[\U0001f1e6-\U0001f1ff]")  # two letters make one
_FLAG_BYTES = 4
_LEADING, _HANGUL = re.compile("[\u1100-\u115f\ua960-\ua97c]"), re.compile("[\u1100-\u11ff\ua960-\ua97c\uac00-\ud7fb]")
_VOWEL_OR_TRAILING = re.compile("[\u1160-\u11ff\ud7b0-\ud7fb]")

_ESCAPES = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}")
_ESCAPES_BYTES = 12


def line_start(data: bytes, position: int) -> int:
    """Returns where the line of a byte begins; a line end belongs to the line before it."""
    return behind_last_line(data, 0, position)


def behind_last_line(data: bytes, start: int, stop: int) -> int:
    """Returns the place behind the last line end that lies in [start, stop); `start` where there is none."""
    newline = data.rfind(b"\n", start, stop)
    if stop > start and data[stop - 1 : stop + 1] == b"\r\n":
        stop -= 1
    # Behind the last \n, a \r is a line end of its own.
    return max(newline, data.rfind(b"\r", max(newline + 1, start), stop), start - 1) + 1


def character_start(data: bytes, position: int, low: int = 0) -> int:
    """Moves a byte position back to where its character begins, or to `low`, which begins one."""
    if low < position < len(data) and b"\\u" in data[max(low, position - _ESCAPES_BYTES + 1) : position + 1]:
        position = _escapes_start(data, position, low)
    position = code_point_start(data, position)
    while low < position < len(data) and _joined(data, position, low):
        position = code_point_start(data, position - 1)
    return max(position, low)


def code_point_start(data: bytes, position: int) -> int:
    """Moves a byte position back to where its code point begins."""
    while 0 < position < len(data) and data[position] & 0xC0 == 0x80:
        position -= 1
    return position


def _escapes_start(data: bytes, position: int, low: int) -> int:
    for found in _ESCAPES.finditer(data, max(low, position - _ESCAPES_BYTES + 1), position + _ESCAPES_BYTES):
        if found.start() < position < found.end():
            return found.start()
    return position


def _joined(data: bytes, position: int, low: int) -> bool:
    """Whether the code points before and behind a position are of one character."""
    if data[position] < 0x80:
        return data[position - 1 : position + 1] == b"\r\n"
    start = code_point_start(data, position - 1)
    before = data[start:position].decode()
    behind = data[position : position + 4].decode(errors="ignore")[0]
    if before < " ":  # nothing goes on with a line end
        return False
    if _category(behind)[0] == "M" or _GOES_ON.match(behind) or before == _JOINER:
        return True
    if _FLAG.match(behind) and _FLAG.match(before):
        return _flags_before(data, position, low) % 2 == 1
    if _HANGUL.match(behind):
        return bool(_HANGUL.match(before if _VOWEL_OR_TRAILING.match(behind) else "") or _LEADING.match(before))
    return _class(before) == _VIRAMA and _category(behind) == "Lo"


def _flags_before(data: bytes, position: int, low: int) -> int:
    n = 0
    while (at := position - _FLAG_BYTES) >= low and _FLAG.match(data[at:position].decode(errors="replace")):
        n, position = n + 1, at
    return n
