"""JavaScript and TypeScript: `import … from "./a"`, `export … from`, `require("./a")`, `import("./a")`.

Paths are resolved as Node.js and bundlers do: with endings, index files, `.js` for a `.ts`; "@/" and "~/" are src/ or
the top of a project, and a package's name leads to the folder whose package.json has it.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from codetitan.prepare.dependencies.paths import Paths, folder_of, joined, upwards

if TYPE_CHECKING:
    import tree_sitter

QUERY = """
(import_statement source: (string) @path)
(export_statement source: (string) @path)
(call_expression function: (import) arguments: (arguments . (string) @path))
(call_expression function: (identifier) @function arguments: (arguments . (string) @path) (#eq? @function "require"))
"""
TYPESCRIPT_QUERY = QUERY + "(import_require_clause source: (string) @path)"
STATEMENT = re.compile(rb"\b(?:from|import|require)\b\s*(?:\(\s*)?(?:/\*[^*]*\*/\s*)?[\"'][^\"'\n]*")

_TYPESCRIPT = (".ts", ".tsx", ".d.ts", ".mts", ".cts", ".d.mts", ".d.cts", ".js", ".jsx", ".mjs", ".cjs")
_JAVASCRIPT = (".js", ".jsx", ".mjs", ".cjs", ".ts", ".tsx", ".mts", ".cts", ".d.ts", ".d.mts", ".d.cts")
_OTHERS = (".vue", ".svelte", ".json", ".css", ".scss")
_COMPILED = {".js": (".ts", ".tsx", ".d.ts"), ".jsx": (".tsx",), ".mjs": (".mts", ".d.mts"), ".cjs": (".cts", ".d.cts")}
_ENTRIES = ("index", "src/index", "src/main", "lib/index", "main")


def read(captures: Mapping[str, Sequence["tree_sitter.Node"]]) -> list[str]:
    """Returns the paths as they are written, without quotes."""
    return [(node.text or b"").decode("utf-8", "replace")[1:-1] for node in captures.get("path", ())]


def name(manifest: bytes) -> str | None:
    """Returns what a package.json calls its package, which is no name of its author's; None where it does not."""
    try:
        found = json.loads(manifest)
    except (ValueError, RecursionError):
        return None
    called = found.get("name") if isinstance(found, dict) else None
    return called if isinstance(called, str) and called else None


def _file(paths: Paths, importer: str, stem: str) -> str | None:
    endings = (_TYPESCRIPT if importer.endswith(("ts", "tsx")) else _JAVASCRIPT) + _OTHERS
    if stem in paths:
        return stem
    for ending, sources in _COMPILED.items():
        if stem.endswith(ending) and (found := paths.first(stem.removesuffix(ending) + source for source in sources)):
            return found
    return paths.first(stem + ending for ending in endings) or paths.first(
        f"{stem}/index{ending}" if stem else f"index{ending}" for ending in endings
    )


def _resolve(paths: Paths, packages: Mapping[str, str], path: str, text: str) -> str | None:
    text = text.partition("?")[0]  # a bundler's: "./logo.svg?raw"
    folder = folder_of(path)
    if text.startswith("."):
        stem = joined(folder, text)
        return None if stem is None else _file(paths, path, stem)
    if text.startswith(("@/", "~/")):
        for above in upwards(folder):
            for below in ("src", "app", ""):
                stem = joined(above, f"{below}/{text[2:]}".lstrip("/"))
                if stem and (found := _file(paths, path, stem)):
                    return found
        return None
    parts = text.split("/")
    n_names = 2 if text.startswith("@") else 1
    package = packages.get("/".join(parts[:n_names]))
    if package is None:
        return None
    inside = "/".join(parts[n_names:])
    for place in (inside, f"src/{inside}") if inside else _ENTRIES:
        stem = joined(package, place)
        if stem is not None and (found := _file(paths, path, stem)):
            return found
    return None


def edges(paths: Paths, imports: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, str]]:
    """Yields (file, file that it imports)."""
    packages: dict[str, str] = {}
    for path, texts in imports.items():
        if path.rpartition("/")[2] == "package.json":
            for name in texts:
                packages.setdefault(name, folder_of(path))
    for path, texts in imports.items():
        if path.rpartition("/")[2] != "package.json":
            for text in texts:
                if (found := _resolve(paths, packages, path, text)) is not None:
                    yield path, found
