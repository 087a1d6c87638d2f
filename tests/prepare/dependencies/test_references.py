"""How many imports lead to the file that Python itself and the C compiler say: recall and precision."""

import ast
import importlib.machinery
import importlib.util
import os
import shutil
import subprocess
import sysconfig
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from codetitan.data.language import language_of
from codetitan.prepare.dependencies.order import dependencies, imports_in_file

Edges = set[tuple[str, str]]


def read(top: Path, pattern: str) -> list[tuple[str, str, str]]:
    """Files as a corpus has them: no empty ones, so hardly an __init__.py."""
    found = []
    for file in sorted(top.rglob(pattern)):
        path = file.relative_to(top).as_posix()
        try:
            text = file.read_text("utf-8")
        except UnicodeDecodeError:
            continue
        if text.strip() and "site-packages/" not in path:
            found.append((path, language_of(path, text), text))
    return found


def found_in(files: list[tuple[str, str, str]]) -> Edges:
    return set(dependencies([imports_in_file(*file) for file in files]))


def shares(name: str, expected: Edges, found: Edges) -> tuple[float, float]:
    """Recall and precision; a file that imports itself does not count."""
    expected, found = ({(a, b) for a, b in edges if a != b} for edges in (expected, found))
    recall, precision = len(found & expected) / len(expected), len(found & expected) / len(found)
    print(f"\n{name}: {len(expected):,} imports within; recall {recall:.4f}, precision {precision:.4f}")
    return recall, precision


def names_of(tree: ast.AST, package: str) -> Iterator[tuple[str, str | None]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module != "__future__":
            try:
                module = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            except ImportError:
                continue
            yield from ((module, alias.name) for alias in node.names)


def of_python(top: Path, files: list[tuple[str, str, str]]) -> Edges:
    """The files that Python's own finders find, below `top` alone."""

    @cache
    def find(name: str) -> tuple[str | None, list[str]] | None:
        parent, _, _ = name.rpartition(".")
        above = find(parent) if parent else (None, [str(top)])
        for folder in above[1] if above else ():
            finder = importlib.machinery.FileFinder(folder, (importlib.machinery.SourceFileLoader, [".py"]))
            if (spec := finder.find_spec(name)) is not None:
                return spec.origin, list(spec.submodule_search_locations or [])
        return None

    there, edges = {path for path, _, _ in files}, set()
    for path, _, text in files:
        try:
            tree = ast.parse(text)
        except SyntaxError:
            continue
        for module, name in names_of(tree, ".".join(path.split("/")[:-1])):
            spec = find(f"{module}.{name}") if name else None
            if spec is None or spec[0] is None:
                spec = find(module)
            if spec is not None and spec[0] is not None:
                edges.add((path, Path(spec[0]).relative_to(top).as_posix()))
    return {(a, b) for a, b in edges if b in there}


@pytest.mark.parametrize(
    "package", ["torchtitan", *(pytest.param(name, marks=pytest.mark.slow) for name in ("networkx", "pip", "numpy"))]
)
def test_python_packages(package: str) -> None:
    top = Path(sysconfig.get_path("purelib"))
    files = [(f"{package}/{path}", language, text) for path, language, text in read(top / package, "*.py")]
    recall, precision = shares(package, of_python(top, files), found_in(files))
    assert recall >= 0.98 and precision >= 0.99


@pytest.mark.slow
def test_the_standard_library() -> None:
    top = Path(sysconfig.get_path("stdlib"))
    files = read(top, "*.py")
    recall, precision = shares("standard library", of_python(top, files), found_in(files))
    assert recall >= 0.98 and precision >= 0.98


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")
def test_headers_of_c() -> None:
    """Of Python's headers: what `gcc -H` opens, from Python.h; what stands under an #if is not asked of it."""
    top = Path(sysconfig.get_path("include")).resolve()
    files = read(top, "*.h")
    ran = subprocess.run(
        ["gcc", "-E", "-H", "-o", os.devnull, f"-I{top}", top / "Python.h"], capture_output=True, text=True, check=True
    )
    expected, seen, around = set(), {"Python.h"}, ["Python.h"]
    for line in ran.stderr.split("\n"):
        dots, _, file = line.partition(" ")
        if dots and set(dots) == {"."}:
            del around[len(dots) :]
            around.append(os.path.relpath(os.path.realpath(file), top))
            if not around[-1].startswith(".."):
                expected.add((around[-2], around[-1]))
                seen.add(around[-1])
    found = {(a, b) for a, b in found_in(files) if {a, b} <= seen}
    # a header that has been read is not opened again, so that -H is silent on it
    recall, _ = shares("Python.h", expected, found)
    assert recall == 1.0 and len(expected) > 50
