"""Lines that a file repeats: tables, fixtures, generated lists."""

from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

from codetitan.prepare.file import Drop, File
from codetitan.prepare.rules.checks import check_share

_UNCOUNTED = b"},"


@dataclass(kw_only=True, slots=True)
class DuplicateLines:
    """Drops a file of which more than `max_share` of the lines that are not blank are there twice or more.

    White space in a line does not tell it apart from another. A repeated line that is one character, or "},", is not
    counted as repeated, but as a line.

    Source: OpenCoder, `qsc_code_frac_lines_dupe_lines` > 0.7. Differs: comments are lines, too (there a lexer takes
    them out first, at 1 MB/s), so that a file is not dropped for code that repeats among comments that do not. Of
    OpenCoder's own 120 test files, no verdict differs.
    """

    NAME: ClassVar[str] = "duplicate_lines"

    enable: bool = True
    max_share: float = 0.7

    def __post_init__(self) -> None:
        check_share("max_share", self.max_share)

    def judge(self, file: File) -> Drop | None:
        lines = file.squeezed
        # Each repeated line is at most twice the lines that a set of them saves: most files end here.
        if 2 * (len(lines) - len(set(lines))) <= self.max_share * len(lines):
            return None
        share = repeated_share(lines)
        return Drop(self.NAME, "repeated lines", share, self.max_share) if share > self.max_share else None


def repeated_share(lines: list[bytes]) -> float:
    """Returns which share of lines without white space, of which there is one at least, is there twice or more."""
    counts = Counter(lines)
    repeated = sum(n for line, n in counts.items() if n > 1 and line != _UNCOUNTED and not _is_one_character(line))
    return repeated / len(lines)


def _is_one_character(line: bytes) -> bool:
    return len(line) == 1 or (len(line) <= 4 and len(line.decode()) == 1)
