"""How much of a file does not parse, by its language's grammar."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from codetitan.data.pieces.grammars import GRAMMARS, parse
from codetitan.errors import did_you_mean
from codetitan.prepare.file import Drop, File
from codetitan.prepare.rules.checks import check_share

if TYPE_CHECKING:
    import tree_sitter

_CYTHON = (".pyx", ".pxd", ".pxi")  # "python" here, but not by the grammar


@dataclass(kw_only=True, slots=True)
class Syntax:
    """Drops a file of which more than `max_error_share` of the bytes are in tree-sitter's outermost ERROR nodes.

    What the parser had to add (a MISSING node) counts as one byte. Files without a grammar are not judged, Cython too.
    At some 5 MB/s a core, so off.

    Source: OpenCoder asks that a Python, JavaScript or HTML file parses at all (`qsc_codepython_cate_ast`, …); 0 is
    that. A share leaves what another version of the language, or a preprocessor, makes of a line: of 1,234 C and C++
    headers of a Linux machine, 4 % are above 0.1 and 7 % above 0.05.
    """

    NAME: ClassVar[str] = "syntax"

    enable: bool = False
    max_error_share: float = 0.1
    languages: list[str] = field(default_factory=lambda: [name for name in GRAMMARS if name != "tsx"])

    def __post_init__(self) -> None:
        check_share("max_error_share", self.max_error_share)
        for name in self.languages:
            if name not in GRAMMARS:
                hint = did_you_mean(name, GRAMMARS) or f"; there are {', '.join(GRAMMARS)}"
                raise ValueError(f'languages has "{name}", of which there is no grammar{hint}')

    def judge(self, file: File) -> Drop | None:
        if file.language not in self.languages or not file.data or file.path.endswith(_CYTHON):
            return None
        grammar = "tsx" if file.path.endswith(".tsx") else file.language
        share = n_in_errors(parse(file.data, grammar)) / len(file.data)
        if share > self.max_error_share:
            return Drop(self.NAME, "syntax errors", share, self.max_error_share)
        return None


def n_in_errors(root: "tree_sitter.Node") -> int:
    """Returns how many bytes are in the outermost ERROR nodes of a tree, a MISSING one counted as one."""
    n, left = 0, [root]
    while left:
        node = left.pop()
        if node.is_error or node.is_missing:
            n += max(node.end_byte - node.start_byte, 1)
        elif node.has_error:
            left += node.children
    return n
