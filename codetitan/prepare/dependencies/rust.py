"""Rust: `mod a;`, `use crate::a::b`, `use super::a`, `use a::b`, and the crates of a workspace by name."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from codetitan.prepare.dependencies.paths import LONGEST, Paths, folder_of, joined, upwards

if TYPE_CHECKING:
    import tree_sitter

QUERY = "(mod_item) @module (use_declaration argument: (_) @use) (extern_crate_declaration name: (_) @use)"
# To the end of the file: cut in a module, it would not be known which one.
STATEMENT = re.compile(rb"^[ \t]*(?:pub(?:\([^)\n]*\))?[ \t]+)?(?:mod|use|extern)\b(?s:.*)", re.MULTILINE)
_NAME = re.compile(rb"^\[package\][^\n]*\n(?:(?!\[)[^\n]*\n)*?[ \t]*name[ \t]*=[ \t]*\"([^\"\n]+)\"", re.MULTILINE)

_ROOTS = ("lib", "main")
_MOST_NAMES = 10_000  # of one use
_MOST_ATTRIBUTES = 20  # of a module, comments between them among them


def name(manifest: bytes) -> str | None:
    """Returns what a Cargo.toml calls its crate; None where it does not."""
    found = _NAME.search(manifest)
    return None if found is None else found[1].decode()


def read(captures: Mapping[str, Sequence["tree_sitter.Node"]]) -> list[str]:
    """Returns "mod a::b" of `mod a { mod b; }`, "path a::b.rs" of one with such an attribute, "use a::b c::d" of a use
    of c::d in the module a::b inside of the file, "use  c::d" outside of one."""
    found: list[str] = []
    inside: list[tuple[int, str]] = []  # (where it ends, its name) of the modules around
    nodes = [("mod", node) for node in captures.get("module", ())] + [("use", node) for node in captures.get("use", ())]
    for kind, node in sorted(nodes, key=lambda pair: pair[1].start_byte):
        while inside and inside[-1][0] <= node.start_byte:
            inside.pop()
        around = "::".join(name for _, name in inside)
        if kind == "use":
            found += [f"use {around} {name}" for name in _names(node)]
            continue
        name = _text(node.child_by_field_name("name"))
        if node.child_by_field_name("body") is not None:
            inside.append((node.end_byte, name))
        elif (path := _path_attribute(node)) is not None:
            found.append(f"path {around} {path}")
        else:
            found.append(f"mod {around} {name}")
    return found


def _text(node: "tree_sitter.Node | None") -> str:
    return "" if node is None else "".join((node.text or b"").decode("utf-8", "replace").split()).replace("r#", "")


def _path_attribute(node: "tree_sitter.Node") -> str | None:
    before = node.prev_named_sibling
    for _ in range(_MOST_ATTRIBUTES):  # tree-sitter looks for each from the first child on
        if before is None or before.type not in ("attribute_item", "line_comment"):
            break
        found = re.search(rb'\bpath\s*=\s*"([^"\n]+)"', before.text or b"")
        if found:
            return found[1].decode()
        before = before.prev_named_sibling
    return None


def _names(node: "tree_sitter.Node") -> list[str]:
    """Returns the paths of a use: `a::{b, c::{self, d}}` is "a::b", "a::c", "a::c::d"."""
    found: list[str] = []
    left: list[tuple[str, tree_sitter.Node]] = [("", node)]
    while left and len(found) < _MOST_NAMES:
        start, at = left.pop()
        if len(start) > LONGEST:
            continue
        if at.type == "use_list":
            left += [(start, child) for child in reversed(at.named_children)]
        elif at.type == "scoped_use_list":
            path = at.child_by_field_name("path")
            inner = at.child_by_field_name("list")
            if inner is not None:
                left.append((_scoped(start, _text(path)), inner))
        elif at.type == "use_as_clause":
            path = at.child_by_field_name("path")
            if path is not None:
                left.append((start, path))
        elif at.type == "use_wildcard":
            found.append(_scoped(start, _text(at).removesuffix("*").removesuffix("::")))
        elif at.type == "self":
            found.append(start or "self")
        elif at.type in ("identifier", "scoped_identifier", "crate", "super"):
            found.append(_scoped(start, _text(at)))
    return found


def _scoped(start: str, name: str) -> str:
    return f"{start}::{name}" if start and name else start or name


class _Crates:
    """The crates of a repository, and which module each file is.

    A module is the path that its submodules' files begin with: "src" of src/lib.rs, "src/a" of src/a.rs, src/a/mod.rs.
    """

    def __init__(self, paths: Paths, imports: Mapping[str, Sequence[str]]) -> None:
        self._paths = paths
        self._names: dict[str, str] = {}
        for path, texts in imports.items():
            folder = folder_of(path)
            if path.rpartition("/")[2] == "Cargo.toml":
                for name in texts:
                    self._names.setdefault(name.replace("-", "_"), f"{folder}/src" if folder else "src")
        for path in paths:
            if path.endswith("/src/lib.rs"):
                name = path.split("/")[-3].replace("-", "_")
                self._names.setdefault(name, folder_of(path))

    def _module_of(self, path: str) -> str:
        folder, _, name = path.rpartition("/")
        stem = name.removesuffix(".rs")
        if stem in ("mod", "lib", "main", "build") or self._is_target(folder):
            return folder
        return f"{folder}/{stem}" if folder else stem

    def _is_target(self, folder: str) -> bool:
        return folder.rpartition("/")[2] in ("bin", "examples", "benches", "tests") and not self._of(folder)

    def _of(self, module: str) -> str | None:
        """Returns the file of a module."""
        if not module:
            return None
        return self._paths.first((f"{module}.rs", f"{module}/mod.rs"))

    def _root(self, module: str) -> str:
        """Returns the module that is the crate which another is in: the next upwards that has a crate's file."""
        for above in upwards(module):
            if self._root_file(above) is not None:
                return above
            if self._of(above) is None and above != module:
                break  # no module any more: a test or an example is a crate by itself
        return module

    def _root_file(self, module: str) -> str | None:
        return self._paths.first(_under(module, [f"{root}.rs"]) for root in _ROOTS)

    def _file(self, module: str, names: Sequence[str]) -> str | None:
        """Returns the file of the last name below a module that has one, else the module's own."""
        for n in range(len(names), 0, -1):
            if (found := self._of(_under(module, names[:n]))) is not None:
                return found
        return self._root_file(module) or self._of(module)

    def resolve(self, path: str, text: str) -> str | None:
        """Returns the file that an import of a file leads to."""
        kind, around, target = text.split(" ", 2)
        inner = around.split("::") if around else []
        module = self._module_of(path)
        if kind == "path":
            found = joined(_under(module, inner) if inner else folder_of(path), target)
            return found if found in self._paths else None
        if kind == "mod":
            return self._of(_under(module, [*inner, target]))
        names = target.split("::")
        if names[0] == "crate":
            return self._file(self._root(module), names[1:])
        if names[0] in ("self", "super"):
            n_up = 0
            while names and names[0] in ("self", "super"):
                n_up += names.pop(0) == "super"
            while n_up and (inner or module):
                n_up -= 1
                if inner:
                    del inner[-1]
                else:
                    module = folder_of(module)
            return self._file(_under(module, inner), names)
        below = _under(module, [*inner, names[0]])
        if self._of(below) is not None:
            return self._file(below, names[1:])
        if names[0] in self._names:
            return self._file(self._names[names[0]], names[1:])
        return None


def _under(module: str, names: Sequence[str]) -> str:
    return "/".join([module, *names] if module else names)


def edges(paths: Paths, imports: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, str]]:
    """Yields (file, file of a module that it declares or uses)."""
    crates = _Crates(paths, imports)
    for path, texts in imports.items():
        if path.endswith(".rs"):
            for text in texts:
                if (found := crates.resolve(path, text)) is not None:
                    yield path, found
