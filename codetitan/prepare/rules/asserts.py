"""Files that mostly assert: lists of expectations."""

from dataclasses import dataclass, field
from typing import ClassVar

from codetitan.prepare.file import Drop, File
from codetitan.prepare.rules.checks import check_languages, check_share
from codetitan.prepare.rules.groups import DATA, TEXT

_WORD = b"assert"


@dataclass(kw_only=True, slots=True)
class Asserts:
    """Drops a file of which more than `max_share` of the lines that are not blank have "assert", in any letter case.

    Source: OpenCoder, `qsc_code_frac_lines_assert` > 0.4, which it does not ask of data, HTML, shell and Go. Differs:
    comments are lines, too.
    """

    NAME: ClassVar[str] = "asserts"

    enable: bool = True
    max_share: float = 0.4
    except_languages: list[str] = field(default_factory=lambda: [*TEXT, *DATA, "html", "shell", "go"])

    def __post_init__(self) -> None:
        check_share("max_share", self.max_share)
        check_languages("except_languages", self.except_languages)

    def judge(self, file: File) -> Drop | None:
        if file.language in self.except_languages:
            return None
        lines = file.squeezed
        if file.tight.lower().count(_WORD) <= self.max_share * len(lines):
            return None  # no more words than that, so no more lines
        share = sum(_WORD in line.lower() for line in lines) / max(len(lines), 1)
        return Drop(self.NAME, "mostly asserts", share, self.max_share) if share > self.max_share else None
