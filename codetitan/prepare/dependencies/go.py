"""Go: a path of an import is a folder, all of whose files are the package; go.mod says what paths begin with.

Where go.mod is not in the corpus, the beginning is what leads most of the repository's imports to folders of it.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from codetitan.prepare.dependencies.paths import Paths, folder_of

if TYPE_CHECKING:
    import tree_sitter

QUERY = "(import_spec path: (_) @path)"
STATEMENT = re.compile(rb"^import\b\s*(?:\([^)]{0,9999}\)|[^\n]*)", re.MULTILINE)
_NAME = re.compile(rb"^[ \t]*module[ \t]+\"?([^\s\"]+)", re.MULTILINE)


def name(manifest: bytes) -> str | None:
    """Returns what a go.mod calls its module; None where it does not."""
    found = _NAME.search(manifest)
    return None if found is None else found[1].decode()


def read(captures: Mapping[str, Sequence["tree_sitter.Node"]]) -> list[str]:
    """Returns the paths, without quotes."""
    return [(node.text or b"").decode("utf-8", "replace")[1:-1] for node in captures.get("path", ())]


def edges(paths: Paths, imports: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, str]]:
    """Yields (file, package that it imports), and (package, file of it); a package is a node of its own: "a/b/*.go".

    Files of a package's own tests are no part of it, and come behind it.
    """
    members: dict[str, list[str]] = {}
    tests: list[str] = []
    for path in paths:
        if path.endswith("_test.go"):
            tests.append(path)
        elif path.endswith(".go"):
            members.setdefault(folder_of(path), []).append(path)
    modules = {
        name: folder_of(path)
        for path, texts in imports.items()
        if path.rpartition("/")[2] == "go.mod"
        for name in texts
    }
    if not modules:
        modules = _guessed(members, imports)
    used: set[str] = set()
    for path, texts in imports.items():
        if path.endswith(".go"):
            for text in texts:
                folder = _folder(text, modules)
                if folder in members and folder != folder_of(path):
                    used.add(folder)
                    yield path, _node(folder)
    for path in tests:
        if (folder := folder_of(path)) in members:
            used.add(folder)
            yield path, _node(folder)
    for folder in sorted(used):
        for member in members[folder]:
            yield _node(folder), member


def _node(folder: str) -> str:
    return f"{folder}/*.go" if folder else "*.go"


def _folder(text: str, modules: Mapping[str, str]) -> str | None:
    """Returns the folder of an import; of several modules that it may be of, the longest name decides."""
    start, rest = text, ""
    while True:
        if start in modules:
            return "/".join(part for part in (modules[start], rest) if part)
        start, slash, last = start.rpartition("/")
        if not slash:
            return None
        rest = f"{last}/{rest}" if rest else last


def _guessed(members: Mapping[str, Sequence[str]], imports: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Returns the beginning that leads the most imports to a folder, if more than one has it; with the top."""
    led: dict[str, set[str]] = defaultdict(set)
    for text in sorted({text for texts in imports.values() for text in texts}):
        if "." not in text.partition("/")[0]:
            continue  # the standard library's
        if text.rpartition("/")[0]:
            start, folder = text, ""
            while "/" in start:
                start, _, last = start.rpartition("/")
                folder = f"{last}/{folder}" if folder else last
                if folder in members:
                    led[start].add(folder)
    if not led:
        return {}
    best = max(sorted(led), key=lambda start: len(led[start]))
    return {best: ""} if len(led[best]) > 1 else {}
