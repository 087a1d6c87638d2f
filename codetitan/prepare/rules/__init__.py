"""What a file must be to get into the corpus: a rule a file, each a dataclass that is its table `[prepare.NAME]`.

A rule looks at one file and is asked alone: `judge(file)` says why it is left out, or None; `change(file)` gives
another text. `balance` looks at the corpus. Where StarCoder2 and OpenCoder disagree, the default is StarCoder2's. May
import what the room `prepare` may.
"""

from typing import Any, ClassVar, Protocol

from codetitan.prepare.file import Drop, File
from codetitan.prepare.rules.alphabetic import Alphabetic
from codetitan.prepare.rules.asserts import Asserts
from codetitan.prepare.rules.balance import Balance
from codetitan.prepare.rules.comments import Comments
from codetitan.prepare.rules.copyright import Copyright
from codetitan.prepare.rules.data_files import DataFiles
from codetitan.prepare.rules.digits import Digits
from codetitan.prepare.rules.duplicate_lines import DuplicateLines
from codetitan.prepare.rules.encoded_data import EncodedData
from codetitan.prepare.rules.generated import Generated
from codetitan.prepare.rules.html import Html
from codetitan.prepare.rules.line_count import LineCount
from codetitan.prepare.rules.long_lines import LongLines
from codetitan.prepare.rules.paths import Paths
from codetitan.prepare.rules.quality import Quality
from codetitan.prepare.rules.replacement import Replacement
from codetitan.prepare.rules.short_files import ShortFiles
from codetitan.prepare.rules.short_lines import ShortLines
from codetitan.prepare.rules.syntax import Syntax
from codetitan.prepare.rules.white_space import WhiteSpace
from codetitan.prepare.rules.xml import Xml


class Judge(Protocol):
    """A rule that keeps a file or drops it."""

    NAME: ClassVar[str]
    enable: bool

    def judge(self, file: File) -> Drop | None:
        """Returns why a file is left out; None where it is not."""
        ...


TEXT_RULES: dict[str, type[Any]] = {
    rule.NAME: rule
    for rule in (
        Replacement, ShortFiles, LineCount, LongLines, ShortLines, Generated, Xml, DataFiles, Html, Alphabetic, Digits,
        WhiteSpace, EncodedData, DuplicateLines, Comments, Asserts,
    )
}  # fmt: skip
"""Table → rule: what lines and text tell, the cheapest first; each has `judge(file)`."""

OF_FILES = {*TEXT_RULES, Syntax.NAME} - {Replacement.NAME, ShortFiles.NAME, LineCount.NAME, EncodedData.NAME}
"""Rules that are not asked of issues, commits, notebooks and pull requests: they know what a file of code looks like.
Their readers have rules of their own."""

RULES: dict[str, type[Any]] = {
    Paths.NAME: Paths,
    Copyright.NAME: Copyright,
    **TEXT_RULES,
    Syntax.NAME: Syntax,
    Quality.NAME: Quality,
    Balance.NAME: Balance,
}
"""Table → rule, in the order in which a file meets them; other rooms' rules come in between.

`copyright` has `change(file)`, and what comes after it looks at that text, as OpenCoder's filters do: else a short
header with a long licence would be dropped by `comments`. `generated` alone looks at the file as it was, for its marks
may stand in a notice, and it goes by first lines.
`balance` comes last, and has `kept(n_bytes)` and `judge(file, kept)`.
"""
