"""Kinds of text: code, comment, documentation; of the bytes of a document, and of each of its tokens.

A comment is what the language's grammar calls one, `#!` lines among them. It is told by the lexer, so it is known where
the text around it does not parse too: of 300 C headers of a Debian, 198 do not parse whole because of their macros,
and 15 % of their comments lie there. Documentation is what has a form of its own:

- Python: the first statement of a module, class or function, where it is a string (no f-string, no bytes);
- JavaScript, TypeScript, Java: `/** … */`;
- Rust: `///`, `//!`, `/** … */`, `/*! … */`;
- C#: `///`, `/** … */`.

Go, C and C++ have no form of their own (Go's are plain comments, Doxygen is no part of C): comments. A language without
a grammar (`grammars.py`) is code.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from enum import IntEnum
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from codetitan.data.pieces.grammars import GRAMMARS, grammar, parse

if TYPE_CHECKING:
    import tree_sitter


class Kind(IntEnum):
    """What a text is to its reader."""

    CODE = 0
    COMMENT = 1
    DOCSTRING = 2


KindRange = tuple[int, int, Kind]

# A ruler of stars or slashes and an empty `/**/` document nothing; nor do they for rustdoc and the C# compiler.
_STARS = rb"/\*\*(?![*/])"
_DOCUMENTATION = {
    "javascript": re.compile(_STARS),
    "typescript": re.compile(_STARS),
    "java": re.compile(_STARS),
    "rust": re.compile(rb"///(?!/)|//!|/\*!|" + _STARS),
    "c#": re.compile(rb"///(?!/)|" + _STARS),
}
_COMMENTS = "comment", "line_comment", "block_comment", "html_comment", "hash_bang_line", "shebang"
_BODIES = "(function_definition body: (block) @body) (class_definition body: (block) @body) (module) @body"
_NO_DOCSTRING = re.compile(rb"[rR]?[fFbBtT]")  # of a string's start: f"", b"", t"", rb""


@cache
def _query(language: str) -> "tree_sitter.Query":
    import tree_sitter

    known = grammar(language)
    text = " ".join(f"({name}) @comment" for name in _COMMENTS if known.id_for_node_kind(name, True) is not None)
    return tree_sitter.Query(known, f"{text} {_BODIES}" if language == "python" else text)


def kinds(data: bytes, language: str) -> list[KindRange]:
    """Returns (start, stop, kind) in bytes, in order: they cover the text, and neighbours differ.

    Args:
        data: a text in UTF-8.
        language: one of `codetitan.data.language.LANGUAGES`.
    """
    ranges: list[KindRange] = []
    at = 0
    for start, stop, kind in sorted(_found(data, language)) if language in GRAMMARS else ():
        if start < at:  # in a docstring's f-string, say: what began first has it
            continue
        if start > at:
            ranges.append((at, start, Kind.CODE))
        if ranges and ranges[-1][2] == kind:
            start = ranges.pop()[0]
        ranges.append((start, stop, kind))
        at = stop
    return [*ranges, (at, len(data), Kind.CODE)] if at < len(data) else ranges


def _found(data: bytes, language: str) -> Iterator[KindRange]:
    import tree_sitter

    root = parse(data, language)
    if language == "typescript" and root.has_error and not (jsx := parse(data, "tsx")).has_error:
        language, root = "tsx", jsx  # whose text between tags may hold a `//`
    documentation = _DOCUMENTATION.get("typescript" if language == "tsx" else language)
    captures = tree_sitter.QueryCursor(_query(language)).captures(root)
    for node in captures.get("comment", ()):
        # Rust's line comments hold their line end, which is none of it.
        start, stop = node.start_byte, node.start_byte + len(data[node.start_byte : node.end_byte].rstrip(b"\r\n"))
        if start < stop:
            yield start, stop, Kind.DOCSTRING if documentation and documentation.match(data, start) else Kind.COMMENT
    for body in captures.get("body", ()):
        string = _docstring(body)
        if string is not None:
            yield string.start_byte, string.end_byte, Kind.DOCSTRING


def _docstring(body: "tree_sitter.Node") -> "tree_sitter.Node | None":
    """Returns the string that documents a module or the body of a class or function of Python."""
    statement = next((child for child in body.named_children if child.type != "comment"), None)
    if statement is None or statement.type != "expression_statement" or statement.named_child_count != 1:
        return None
    node = statement.named_children[0]
    strings = node.named_children if node.type == "concatenated_string" else [node]
    for string in strings:
        if string.type == "comment":  # between the parts of one
            continue
        if string.type != "string" or _NO_DOCSTRING.match(string.children[0].text or b""):
            return None
    return node


def kind_of_each(ranges: Sequence[KindRange], start: int, n_bytes: npt.NDArray[np.integer]) -> npt.NDArray[np.uint8]:
    """Returns uint8 (n,): the kind in which most bytes of each token lie, of equal ones the first.

    Args:
        ranges: what `kinds` returns.
        start: byte at which the first token begins.
        n_bytes: (n,) of each token; they follow each other. A token of none is where it stands.
    """
    stops = start + np.cumsum(n_bytes, dtype=np.int64)
    starts = stops - n_bytes
    edges = np.array([stop for _, stop, _ in ranges], np.int64)
    first = np.minimum(edges.searchsorted(starts, "right"), len(ranges) - 1)
    each = np.array([kind for _, _, kind in ranges], np.uint8)[first]
    last = np.minimum(edges.searchsorted(stops, "left"), len(ranges) - 1)
    for i in np.flatnonzero(last > first).tolist():  # few: where one kind ends and another begins
        each[i] = _most(ranges[first[i] : last[i] + 1], int(starts[i]), int(stops[i]))
    return each


def _most(ranges: Iterable[KindRange], start: int, stop: int) -> Kind:
    n_bytes: dict[Kind, int] = {}
    for a, b, kind in ranges:
        n_bytes[kind] = n_bytes.get(kind, 0) + min(b, stop) - max(a, start)
    return max(n_bytes, key=n_bytes.__getitem__)  # of equal ones the one that was put in first
