"""Python: `import a.b`, `from a import b`, `from ..a import b`; packages, namespace packages, folders of scripts.

An empty `__init__.py` is no document of a corpus, so that a folder is known to be a package by how files import: those
in it relatively, or others by its name.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from codetitan.prepare.dependencies.paths import Paths, folder_of, upwards

if TYPE_CHECKING:
    import tree_sitter

QUERY = "(import_statement) @import (import_from_statement) @import"
STATEMENT = re.compile(rb"(?:^|[;:])[ \t]*(?:from|import)\b[^\n(;]*(?:\([^)]{0,9999}\))?", re.MULTILINE)

_ENDINGS = (".py", ".pyx", ".pyi", ".pxd")
_BELOW = ("", "src", "lib")  # where a project's packages lie below its top


def read(captures: Mapping[str, Sequence["tree_sitter.Node"]]) -> list[str]:
    """Returns imports as "a.b" of `import a.b`, "a:b" of `from a import b`, "..a:*" of `from ..a import *`."""
    found: list[str] = []
    for node in captures.get("import", ()):
        names = [_name(child) for child in node.children_by_field_name("name")]
        module = node.child_by_field_name("module_name")
        if module is None:
            found += names
        else:
            found += [f"{_text(module)}:{name}" for name in names or ["*"]]
    return found


def _name(node: "tree_sitter.Node") -> str:
    inner = node.child_by_field_name("name") if node.type == "aliased_import" else node
    return "" if inner is None else _text(inner)


def _text(node: "tree_sitter.Node") -> str:
    return "".join((node.text or b"").decode("utf-8", "replace").split())


class _Modules:
    """The modules of a repository."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._packages: set[str] = set()
        self._tops = Paths(())  # packages that are in no other

    def learn(self, imports: Mapping[str, Sequence[str]]) -> None:
        """Finds out which folders are packages."""
        paths = self._paths
        packages = {folder_of(path) for path in paths if path.endswith(("/__init__.py", "/__init__.pyi"))}
        for path, of_path in imports.items():
            folder = folder_of(path)
            for text in set(of_path):
                names, _, last = text.partition(":")
                level = len(names) - len(names.lstrip("."))
                first, _, rest = f"{names[level:]}.{last}".strip(".").partition(".")
                if level:
                    packages |= self._above(folder, level, first)
                elif second := rest.partition(".")[0].strip("*"):
                    for root in self._roots(folder):
                        package = _under(root, first)
                        if package in paths.folders and self._has(_under(package, second)):
                            packages.add(package)
        self._packages = packages
        self._tops = Paths(package for package in packages if folder_of(package) not in packages)

    def _above(self, folder: str, level: int, first: str) -> set[str]:
        """Returns the packages that an import relative to so many folders above tells of, if it finds something."""
        above = {folder} - {""}
        for _ in range(level - 1):
            folder = folder_of(folder)
            if not folder:
                return set()
            above.add(folder)
        return above if level == 1 or first == "*" or self._has(_under(folder, first)) else set()

    def _has(self, stem: str) -> bool:
        return stem in self._paths.folders or self._file(stem) is not None

    def _file(self, stem: str) -> str | None:
        return self._paths.first(f"{stem}{ending}" for ending in _ENDINGS)

    def _roots(self, folder: str) -> Iterator[str]:
        """Yields folders in which absolute imports of a folder's files may begin, the nearest first."""
        for above in upwards(folder):
            if above not in self._packages:
                for below in _BELOW:
                    root = _under(above, below)
                    if root in self._paths.folders and root not in self._packages:
                        yield root

    def resolve(self, path: str, text: str) -> str | None:
        """Returns the file that an import of a file is; a name's module where it is no module itself."""
        names, is_from, last = text.partition(":")
        level = len(names) - len(names.lstrip("."))
        parts = [part for part in names[level:].split(".") if part]
        whole = [*parts, last] if is_from and last != "*" else parts
        folder = folder_of(path)
        if level:
            for _ in range(level - 1):
                if not folder:
                    return None
                folder = folder_of(folder)
            return self._module(folder, whole, parts)
        if not parts:
            return None
        for root in self._roots(folder):
            if (found := self._module(root, whole, parts)) is not None:
                return found
        top = self._tops.nearest(parts[0], folder)
        return None if top is None else self._module(folder_of(top), whole, parts)

    def _module(self, root: str, whole: Sequence[str], parts: Sequence[str]) -> str | None:
        """Returns the file of a name below a folder: the module, else the one that has the name in it."""
        for names in (whole, parts) if len(whole) > len(parts) else (parts,):
            stem = "/".join([root, *names] if root else names)
            found = self._file(f"{stem}/__init__" if stem else "__init__") or (self._file(stem) if names else None)
            if found is not None:
                return found
        # `os.path` is a name in os.py
        for n in range(len(parts) - 1, 0, -1):
            if (found := self._file("/".join([root, *parts[:n]] if root else parts[:n]))) is not None:
                return found
        return None


def _under(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder and name else folder or name


def edges(paths: Paths, imports: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, str]]:
    """Yields (file, file that it imports)."""
    modules = _Modules(paths)
    modules.learn(imports)
    for path, of_path in imports.items():
        for text in of_path:
            if (found := modules.resolve(path, text)) is not None:
                yield path, found
