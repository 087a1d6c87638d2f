"""How much of a file is white space."""

from dataclasses import dataclass
from typing import ClassVar

from codetitan.prepare.file import Drop, File
from codetitan.prepare.rules.characters import n_white
from codetitan.prepare.rules.checks import check_share


@dataclass(kw_only=True, slots=True)
class WhiteSpace:
    """Drops a file of which more than `max_share` of the characters are white space, line ends among them.

    Source: OpenCoder, `qsc_code_frac_chars_whitespace` > 0.5.
    """

    NAME: ClassVar[str] = "white_space"

    enable: bool = True
    max_share: float = 0.5

    def __post_init__(self) -> None:
        check_share("max_share", self.max_share)

    def judge(self, file: File) -> Drop | None:
        share = n_white(file) / max(len(file.text), 1)
        return Drop(self.NAME, "much white space", share, self.max_share) if share > self.max_share else None
