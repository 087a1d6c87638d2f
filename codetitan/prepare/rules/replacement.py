"""Text that was decoded wrongly: U+FFFD stands where a byte had no meaning."""

from dataclasses import dataclass
from typing import ClassVar

from codetitan.prepare.file import Drop, File
from codetitan.prepare.rules.checks import check_share


@dataclass(kw_only=True, slots=True)
class Replacement:
    """Drops a file of which more than `max_share` of the characters are U+FFFD.

    Source: OpenCoder, `qsc_code_frac_chars_replacement_symbols` > 0.01 (pipeline/code_filter_config.py).
    """

    NAME: ClassVar[str] = "replacement"

    enable: bool = True
    max_share: float = 0.01

    def __post_init__(self) -> None:
        check_share("max_share", self.max_share)

    def judge(self, file: File) -> Drop | None:
        if file.text.isascii():
            return None
        found = file.text.count("\ufffd") / len(file.text)
        return Drop(self.NAME, "wrongly decoded", found, self.max_share) if found > self.max_share else None
