"""What a file imports, as it is written: read by tree-sitter, of its beginning up to the last line that imports."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Protocol

from codetitan.data.pieces.grammars import grammar, parse
from codetitan.prepare.dependencies import c, go, java, javascript, python, rust
from codetitan.prepare.dependencies.paths import LONGEST, Paths

if TYPE_CHECKING:
    import tree_sitter


class Language(Protocol):
    """A file of this room: how a language imports.

    Attributes:
        QUERY: what `read` looks at, in tree-sitter's query language.
        STATEMENT: matches whatever may be an import, and more; behind the last match nothing is parsed.
    """

    QUERY: str
    STATEMENT: re.Pattern[bytes]

    def read(self, captures: "Mapping[str, Sequence[tree_sitter.Node]]") -> list[str]:
        """Returns imports in words of the language's own, which `edges` understands."""
        ...

    def edges(self, paths: Paths, imports: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, str]]:
        """Yields (path, path that it imports), given the imports of the language's files by their paths.

        A path that no file has is a node of its own, such as a package of many files, between them and who imports it.
        """
        ...


LANGUAGES: dict[str, Language] = {
    "python": python, "javascript": javascript, "typescript": javascript, "vue": javascript, "svelte": javascript,
    "java": java, "go": go, "rust": rust, "c": c, "c++": c, "cuda": c,
}  # fmt: skip
"""Language of a document → how it imports."""

MANIFESTS: dict[str, tuple[Language, Callable[[bytes], str | None]]] = {
    "go.mod": (go, go.name), "Cargo.toml": (rust, rust.name), "package.json": (javascript, javascript.name),
}  # fmt: skip
"""File name → language, and where it says what the package in its folder is called."""

_QUERIES = {"typescript": javascript.TYPESCRIPT_QUERY, "tsx": javascript.TYPESCRIPT_QUERY}
_GRAMMARS = {"cuda": "c++", "vue": "typescript", "svelte": "typescript"}
_MOST_BYTES = 1 << 18  # in some garbage, such as a line that goes on for ever, tree-sitter takes quadratic time
_SCRIPT, _SCRIPT_END = (re.compile(tag, re.IGNORECASE) for tag in (rb"<script\b[^>]{0,999}>", rb"</script"))


def language_of(path: str, language: str) -> Language | None:
    """Returns how a file imports; None if nothing is known of its language."""
    name = path.rpartition("/")[2]
    return MANIFESTS[name][0] if name in MANIFESTS else LANGUAGES.get(language)


def imports_of(path: str, language: str, data: bytes) -> list[str]:
    """Returns what a file imports, in words of its language's own (`Language.read`); of a manifest, its name.

    Args:
        path: of the file.
        language: one of LANGUAGES; of a manifest, any.
        data: its text.
    """
    name = path.rpartition("/")[2]
    if name in MANIFESTS:
        called = MANIFESTS[name][1](data)
        return [] if called is None else [called]
    if language in ("vue", "svelte"):
        data = b"\n".join(_scripts(data))
    return imports_in(data, LANGUAGES[language], grammar_of(path, language))


def _scripts(data: bytes) -> Iterator[bytes]:
    at = 0
    while (start := _SCRIPT.search(data, at)) and (end := _SCRIPT_END.search(data, start.end())):
        yield data[start.end() : end.start()]
        at = end.end()


def grammar_of(path: str, language: str) -> str:
    """Returns the name of a file's grammar."""
    return "tsx" if path.endswith(".tsx") else _GRAMMARS.get(language, language)


def imports_in(data: bytes, how: Language, name: str) -> list[str]:
    """Returns what a text imports, sorted; `name` is that of its grammar."""
    data = data[:_MOST_BYTES]
    beginning = head(data, how.STATEMENT)
    if not beginning:
        return []
    root = parse(beginning, name)
    if name == "python" and root.has_error and len(beginning) < len(data):
        root = parse(data, name)  # cut in the middle of a docstring, its words would be read as code
    return read_tree(root, how, name)


def head(data: bytes, statement: re.Pattern[bytes]) -> bytes:
    """Returns a text up to the line in which its last statement ends, not in a /* comment */; b"" where it has none."""
    end = -1
    for found in statement.finditer(data):
        end = found.end()
    if end < 0:
        return b""
    if data.rfind(b"/*", 0, end) > data.rfind(b"*/", 0, end):
        end = max(end, data.find(b"*/", end))
    newline = data.find(b"\n", end)
    return data if newline < 0 else data[: newline + 1]


def read_tree(root: "tree_sitter.Node", how: Language, name: str) -> list[str]:
    """Returns the imports in a syntax tree, sorted; `name` is that of its grammar."""
    import tree_sitter

    found = how.read(tree_sitter.QueryCursor(_query(_QUERIES.get(name, how.QUERY), name)).captures(root))
    return sorted({text for text in found if len(text) <= LONGEST})


@cache
def _query(text: str, name: str) -> "tree_sitter.Query":
    import tree_sitter

    return tree_sitter.Query(grammar(name), text)
