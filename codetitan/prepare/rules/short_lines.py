"""Lines of next to nothing: columns of numbers, lists of letters."""

from dataclasses import dataclass
from typing import ClassVar

from codetitan.prepare.file import Drop, File
from codetitan.prepare.rules.checks import check_at_least
from codetitan.prepare.rules.long_lines import mean_length


@dataclass(kw_only=True, slots=True)
class ShortLines:
    """Drops a file whose lines have fewer than `min_mean` characters on average.

    Source: OpenCoder, `qsc_code_num_chars_line_mean` < 5; that counts the line feed too, so it is 4 here.
    """

    NAME: ClassVar[str] = "short_lines"

    enable: bool = True
    min_mean: float = 4.0

    def __post_init__(self) -> None:
        check_at_least("min_mean", self.min_mean, 0)

    def judge(self, file: File) -> Drop | None:
        mean = mean_length(file) if file.n_lines else 0.0
        return Drop(self.NAME, "short lines on average", mean, self.min_mean) if mean < self.min_mean else None
