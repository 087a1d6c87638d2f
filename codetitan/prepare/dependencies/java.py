"""Java: `import a.b.C;`, `import static a.b.C.m;`, `import a.b.*;`, by the path that a class's package gives it.

Classes of the same package need no import, so that nothing is known of them here.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from codetitan.prepare.dependencies.paths import Paths, folder_of

if TYPE_CHECKING:
    import tree_sitter

QUERY = "(import_declaration) @import"
STATEMENT = re.compile(rb"^[ \t]*import\s[^\n]*", re.MULTILINE)


def read(captures: Mapping[str, Sequence["tree_sitter.Node"]]) -> list[str]:
    """Returns imports as "a.b.C" and "a.b.*"."""
    found = []
    for node in captures.get("import", ()):
        names = [child for child in node.named_children if child.type in ("scoped_identifier", "identifier")]
        if names:
            every = any(child.type == "asterisk" for child in node.named_children)
            found.append("".join((names[0].text or b"").decode("utf-8", "replace").split()) + (".*" if every else ""))
    return found


def edges(paths: Paths, imports: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, str]]:
    """Yields (file, file that it imports); a package as a whole is a node of its own: "a/b/*.java"."""
    of_folder: dict[str, list[str]] = {}
    for path in paths:
        if path.endswith(".java"):
            of_folder.setdefault(folder_of(path), []).append(path)
    folders = Paths(f"{folder}/*" for folder in of_folder if folder)
    used: set[str] = set()
    for path, texts in imports.items():
        for text in texts:
            parts = text.split(".")
            if parts[-1] == "*":
                del parts[-1]
                package = folders.nearest("/".join([*parts, "*"]), folder_of(path))
                if package is not None and folder_of(package) != folder_of(path):
                    used.add(package)
                    yield path, f"{package}.java"
                    continue
            if (found := _class(paths, parts, folder_of(path))) is not None:
                yield path, found
    for package in sorted(used):
        for member in of_folder[folder_of(package)]:
            yield f"{package}.java", member


def _class(paths: Paths, parts: Sequence[str], folder: str) -> str | None:
    """Returns the file of a class; of a class in a class, or of a static member, that of the outer one."""
    for n in range(len(parts), 1, -1):
        if (found := paths.nearest("/".join(parts[:n]) + ".java", folder)) is not None:
            return found
    return None
