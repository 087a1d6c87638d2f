"""Lines that nobody wrote by hand: minified code, data, one line of a megabyte."""

from dataclasses import dataclass, field
from typing import ClassVar

from codetitan.prepare.file import Drop, File
from codetitan.prepare.rules.checks import check_at_least, check_languages
from codetitan.prepare.rules.groups import LONG_LINES


@dataclass(kw_only=True, slots=True)
class LongLines:
    """Drops a file whose lines have more than `max_mean` characters on average, or one more than `max_longest`.

    A line's end is not counted. In `loose_languages`, where a paragraph or a document is a line, only the longest
    counts, against `max_longest_loose`.

    Source: StarCoder2 §2.1 ("Long line filters"): 100, 1000 and 100k. Differs: Roff and SMT are no languages here
    (groups.py). OpenCoder's `qsc_code_num_chars_line_max` and `_mean` count the line feed, too.
    """

    NAME: ClassVar[str] = "long_lines"

    enable: bool = True
    max_mean: float = 100.0
    max_longest: int = 1000
    max_longest_loose: int = 100_000
    loose_languages: list[str] = field(default_factory=lambda: list(LONG_LINES))

    def __post_init__(self) -> None:
        check_at_least("max_mean", self.max_mean, 1)
        check_at_least("max_longest", self.max_longest, 1)
        check_at_least("max_longest_loose", self.max_longest_loose, 1)
        check_languages("loose_languages", self.loose_languages)

    def judge(self, file: File) -> Drop | None:
        loose = file.language in self.loose_languages
        if not loose and file.n_lines and (mean := mean_length(file)) > self.max_mean:
            return Drop(self.NAME, "long lines on average", mean, self.max_mean)
        most = self.max_longest_loose if loose else self.max_longest
        if not _may_be_longer(file.data, most):
            return None
        longest = max(map(len, file.lines))
        return Drop(self.NAME, "a long line", longest, most) if longest > most else None


def mean_length(file: File) -> float:
    """Returns the mean of the lengths of a file's lines, of which there is one at least, in characters."""
    ends = file.histogram[10] + (file.data.count(b"\r\n") if b"\r" in file.data else 0)
    return (len(file.text) - ends) / file.n_lines


def _may_be_longer(data: bytes, length: int) -> bool:
    """Whether a line has more than `length` bytes: each step goes to the last line that ends within `length` + 1."""
    at = 0
    while at + length < len(data):
        end = data.rfind(b"\n", at, at + length + 1)
        if end < 0:
            return True
        at = end + 1
    return False
