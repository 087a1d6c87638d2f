"""How much of a file is digits."""

from dataclasses import dataclass, field
from typing import ClassVar

from codetitan.prepare.file import Drop, File
from codetitan.prepare.rules.characters import n_digits, n_white
from codetitan.prepare.rules.checks import check_share, check_shares


@dataclass(kw_only=True, slots=True)
class Digits:
    """Drops a file of which more than `max_share` of the characters that are no white space are digits.

    Source: OpenCoder, `qsc_code_frac_chars_digital` > 0.2, of SQL 0.3 (pipeline/code_filter_config.py).
    """

    NAME: ClassVar[str] = "digits"

    enable: bool = True
    max_share: float = 0.2
    max_share_of: dict[str, float] = field(default_factory=lambda: {"sql": 0.3})
    """Language → its own share."""

    def __post_init__(self) -> None:
        check_share("max_share", self.max_share)
        check_shares("max_share_of", self.max_share_of)

    def judge(self, file: File) -> Drop | None:
        most = self.max_share_of.get(file.language, self.max_share)
        share = n_digits(file) / max(len(file.text) - n_white(file), 1)
        return Drop(self.NAME, "many digits", share, most) if share > most else None
