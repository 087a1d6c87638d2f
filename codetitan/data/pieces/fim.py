"""Fill in the middle: where a text is cut, and in which order its parts stand. Pure: randomness is an argument.

Sources: arXiv 2207.14255 (orders, character cuts, joint encoding of prefix and middle in SPM), 2506.00204 (middles
that are syntax nodes).
"""

import importlib
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from typing import Any, Literal

from codetitan.data.pieces.units import LINE_END, character_start, line_start

Span = tuple[int, int]
Order = Literal["psm", "spm"]


@dataclass(kw_only=True, slots=True)
class SpanConfig:
    """Weights of the kinds of middles."""

    random: float = 1.0
    """Two characters drawn uniformly."""

    line: float = 0.0
    """1 to 32 whole lines."""

    syntax: float = 0.0
    """A node of the syntax tree (Python, JavaScript, TypeScript, Java, Go, Rust, C, C++, C#); random elsewhere, and
    where the text does not parse."""


@dataclass(kw_only=True, slots=True)
class FimConfig:
    """Fill in the middle: each piece of a document with probability `rate`."""

    rate: float = 0.0
    """Share of the pieces."""

    spm: float = 0.5
    """Share of these in the order suffix, prefix, middle; the others are prefix, suffix, middle."""

    loss: Literal["all", "middle"] = "all"
    """What is learnt of a piece with a hole: all of it, or its middle alone."""

    spans: SpanConfig = field(default_factory=SpanConfig)


@dataclass(frozen=True, slots=True)
class Hole:
    """A middle: bytes [start, stop) of a text, at character boundaries.

    Attributes:
        order: in which order the parts are served.
        kind: how the middle was chosen; "random" too where another kind was drawn and not possible.
    """

    start: int
    stop: int
    order: Order
    kind: Literal["random", "line", "syntax"]


def choose_hole(data: bytes, language: str, config: FimConfig, draw: Callable[[int], float]) -> Hole | None:
    """Decides whether a piece gets a hole, and which.

    Args:
        data: the piece's text in UTF-8.
        language: of its document.
        config: rate, orders and kinds.
        draw: number → float in [0, 1).
    """
    if not data or draw(0) >= config.rate:
        return None
    order: Order = "spm" if draw(1) < config.spm else "psm"
    spans = config.spans
    kind = draw(2) * (spans.random + spans.line + spans.syntax)
    span: Span | None = None
    if kind < spans.syntax:
        span = syntax_span(data, language, draw(3), draw(4))
        if span is not None:
            return Hole(*span, order, "syntax")
    elif kind < spans.syntax + spans.line:
        return Hole(*line_span(data, draw(3), draw(4)), order, "line")
    return Hole(*random_span(data, draw(3), draw(4)), order, "random")


def random_span(data: bytes, a: float, b: float) -> Span:
    """Returns the middle between two characters drawn uniformly."""
    first, second = sorted((int(a * (len(data) + 1)), int(b * (len(data) + 1))))
    return character_start(data, first), character_start(data, second)


def line_span(data: bytes, a: float, b: float) -> Span:
    """Returns 1 to 32 whole lines (log-uniform) from the line of a byte drawn uniformly; the last line end is left to
    the suffix."""
    start = line_start(data, int(a * len(data)))
    at = start
    for _ in range(int(33**b)):
        end = LINE_END.search(data, at)
        if end is None:
            return start, len(data)
        stop, at = end.span()
    return start, stop


# language → (package, function that returns the grammar)
_GRAMMARS = {
    "python": ("tree_sitter_python", "language"),
    "javascript": ("tree_sitter_javascript", "language"),
    "typescript": ("tree_sitter_typescript", "language_typescript"),
    "java": ("tree_sitter_java", "language"),
    "go": ("tree_sitter_go", "language"),
    "rust": ("tree_sitter_rust", "language"),
    "c": ("tree_sitter_c", "language"),
    "c++": ("tree_sitter_cpp", "language"),
    "c#": ("tree_sitter_c_sharp", "language"),
}


def grammar_versions() -> str:
    """Returns the versions of tree-sitter and its grammars: other ones may see another tree, so other spans."""
    packages = ["tree-sitter", *(package.replace("_", "-") for package, _ in _GRAMMARS.values())]
    return ", ".join(f"{package} {version(package)}" for package in packages)


@cache
def _grammar(language: str) -> Any:
    import tree_sitter

    package, function = _GRAMMARS[language]
    return tree_sitter.Language(getattr(importlib.import_module(package), function)())


def syntax_span(data: bytes, language: str, a: float, b: float) -> Span | None:
    """Returns a named node of the syntax tree: one of those around a byte drawn uniformly, so that large nodes are
    drawn more often than small ones. None where the language has no grammar here, or nothing there parses."""
    if language not in _GRAMMARS:
        return None
    import tree_sitter

    root = tree_sitter.Parser(_grammar(language)).parse(data).root_node
    position = min(int(a * len(data)), len(data) - 1)
    node = root.named_descendant_for_byte_range(position, position)
    if node == root:  # between two statements: the next one, or the last
        children = root.named_children
        after = (child for child in children if child.end_byte > position)
        node = next(after, children[-1] if children else None)
    around = []
    while node is not None and node.parent is not None:  # the root is the whole text: nothing would be around the hole
        if not node.has_error and not node.is_missing and node.end_byte > node.start_byte:
            around.append((node.start_byte, node.end_byte))
        node = node.parent
    if not around:
        return None
    start, stop = around[math.floor(b * len(around))]
    return character_start(data, start), character_start(data, stop)


def parses(data: bytes, language: str) -> bool | None:
    """Whether a text has no syntax error; None where its language has no grammar here."""
    if language not in _GRAMMARS:
        return None
    import tree_sitter

    return not tree_sitter.Parser(_grammar(language)).parse(data).root_node.has_error
