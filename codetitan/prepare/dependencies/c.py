"""C, C++ and CUDA: `#include "a/b.h"`, from the file's folder, else by the end of a path; `<a/b.h>` by that alone."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from codetitan.prepare.dependencies.paths import Paths, folder_of, joined

if TYPE_CHECKING:
    import tree_sitter

QUERY = "(preproc_include path: [(string_literal) (system_lib_string)] @path)"
STATEMENT = re.compile(rb"^[ \t]*#[ \t]*include\b[^\n]*", re.MULTILINE)


def read(captures: Mapping[str, Sequence["tree_sitter.Node"]]) -> list[str]:
    """Returns the paths with their quotes or brackets."""
    return [(node.text or b"").decode("utf-8", "replace") for node in captures.get("path", ())]


def edges(paths: Paths, imports: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, str]]:
    """Yields (file, file that it includes)."""
    for path, texts in imports.items():
        folder = folder_of(path)
        for text in texts:
            inner = text[1:-1]
            if text.startswith("<"):
                # A name alone is the system's: a repository's own string.h is seldom meant.
                found = paths.nearest(inner, folder) if "/" in inner else None
            else:
                found = _quoted(paths, inner, folder)
            if found is not None:
                yield path, found


def _quoted(paths: Paths, text: str, folder: str) -> str | None:
    beside = joined(folder, text)
    if beside is not None and beside in paths:
        return beside
    while text.startswith(("../", "./")):
        text = text.partition("/")[2]
    return paths.nearest(text, folder)
