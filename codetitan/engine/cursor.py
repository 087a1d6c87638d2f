"""Where a text is cut in two: a cursor as editors count, between the characters that people see."""

import re

from codetitan.data.pieces import units
from codetitan.errors import ConfigError

LINE_END = re.compile(units.LINE_END.pattern.decode())
"""Lines and characters are those of training."""


def cursor(text: str, line: int, column: int) -> tuple[str, str]:
    """Cuts a text at a cursor.

    Args:
        text: the file's.
        line: from 1.
        column: from 1, in characters: what stands before the cursor is one shorter.

    Raises:
        ConfigError: there is no such place, or it is inside a character that people see as one.
    """
    ends = list(LINE_END.finditer(text))
    if not 1 <= line <= len(ends) + 1:
        raise ConfigError(f"--cursor {line}:{column}: the file has {len(ends) + 1} lines")
    start = ends[line - 2].end() if line > 1 else 0
    width = (ends[line - 1].start() if line <= len(ends) else len(text)) - start
    if not 1 <= column <= width + 1:
        raise ConfigError(f"--cursor {line}:{column}: line {line} has columns 1 to {width + 1}")
    at = start + column - 1
    whole = character_start(text, at)
    if whole != at:
        raise ConfigError(
            f"--cursor {line}:{column} stands inside a character of several code points; it begins at column "
            f"{column - (at - whole)}"
        )
    return text[:at], text[at:]


def character_start(text: str, at: int) -> int:
    """Moves a place in a text back to where a hole may be cut."""
    data, byte = text.encode(), len(text[:at].encode())
    return at - len(data[units.character_start(data, byte) : byte].decode())
