"""How many lines a file has."""

from dataclasses import dataclass
from typing import ClassVar

from codetitan.prepare.file import Drop, File
from codetitan.prepare.rules.checks import check_at_least, check_order


@dataclass(kw_only=True, slots=True)
class LineCount:
    """Drops a file with more than `max_lines` lines, or fewer than `min_lines`.

    Source: StarCoder2 §2.1, "more than 100k lines"; OpenCoder, `qsc_code_num_lines`, which also asks for 10 at least:
    off here, for StarCoder2 has no such rule and many short files of a repository are named by the others.
    """

    NAME: ClassVar[str] = "line_count"

    enable: bool = True
    max_lines: int = 100_000
    min_lines: int | None = None

    def __post_init__(self) -> None:
        check_at_least("max_lines", self.max_lines, 1)
        check_at_least("min_lines", self.min_lines, 1)
        check_order("min_lines", self.min_lines, "max_lines", self.max_lines)

    def judge(self, file: File) -> Drop | None:
        if file.n_lines > self.max_lines:
            return Drop(self.NAME, "too many lines", file.n_lines, self.max_lines)
        if self.min_lines is not None and file.n_lines < self.min_lines:
            return Drop(self.NAME, "too few lines", file.n_lines, self.min_lines)
        return None
