"""Files with nothing in them: an empty `__init__.py`, a placeholder."""

from dataclasses import dataclass
from typing import ClassVar

from codetitan.prepare.file import Drop, File
from codetitan.prepare.rules.checks import check_at_least


@dataclass(kw_only=True, slots=True)
class ShortFiles:
    """Drops a file of fewer than `min_characters` characters.

    Source: OpenCoder, `qsc_code_num_chars` and `qsc_doc_num_chars` < 50.
    """

    NAME: ClassVar[str] = "short_files"

    enable: bool = True
    min_characters: int = 50

    def __post_init__(self) -> None:
        check_at_least("min_characters", self.min_characters, 0)

    def judge(self, file: File) -> Drop | None:
        n = len(file.text)
        return Drop(self.NAME, "short file", n, self.min_characters) if n < self.min_characters else None
