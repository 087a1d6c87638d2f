"""The languages whose syntax trees are known: tree-sitter's grammars, a wheel a language. Imported when needed."""

import importlib
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tree_sitter

GRAMMARS = {
    "python": ("tree_sitter_python", "language"),
    "javascript": ("tree_sitter_javascript", "language"),
    "typescript": ("tree_sitter_typescript", "language_typescript"),
    "tsx": ("tree_sitter_typescript", "language_tsx"),  # no name of `language.py`: TypeScript with JSX
    "java": ("tree_sitter_java", "language"),
    "go": ("tree_sitter_go", "language"),
    "rust": ("tree_sitter_rust", "language"),
    "c": ("tree_sitter_c", "language"),
    "c++": ("tree_sitter_cpp", "language"),
    "c#": ("tree_sitter_c_sharp", "language"),
}
"""Language → (package, function that returns the grammar)."""


def grammar_versions() -> str:
    """Returns the versions of tree-sitter and its grammars: other ones may see another tree, so other spans."""
    packages = ["tree-sitter", *(package.replace("_", "-") for package, _ in GRAMMARS.values())]
    packages = list(dict.fromkeys(packages))
    return ", ".join(f"{package} {version(package)}" for package in packages)


@cache
def grammar(language: str) -> "tree_sitter.Language":
    """Returns the grammar of a language in GRAMMARS."""
    import tree_sitter

    package, function = GRAMMARS[language]
    return tree_sitter.Language(getattr(importlib.import_module(package), function)())


def parse(data: bytes, language: str) -> "tree_sitter.Node":
    """Returns the root of a text's syntax tree, for a language in GRAMMARS; what does not parse is in ERROR nodes."""
    import tree_sitter

    return tree_sitter.Parser(grammar(language)).parse(data).root_node


def parses(data: bytes, language: str) -> bool | None:
    """Whether a text has no syntax error; None where its language has no grammar here."""
    return not parse(data, language).has_error if language in GRAMMARS else None
