"""A folder of several repositories that is read as one: said before hours are spent on it."""

import os
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from codetitan.data.sources.open import Directory
from codetitan.data.sources.repository import is_licence
from codetitan.errors import printable
from codetitan.places import expand
from codetitan.prepare.readers.open import RawConfig

_METADATA = {
    "pyproject.toml", "setup.py", "setup.cfg", "PKG-INFO", "package.json", "Cargo.toml", "go.mod", "pom.xml",
    "build.gradle", "composer.json",
}  # fmt: skip
_LOOKED_AT = 200  # folders, which may lie on a slow disk
_NAMED = 3


def unnamed(sources: Iterable[RawConfig]) -> Iterator[str]:
    """Yields a line for each folder without `repo_depth` whose own folders look like repositories, and it does not.

    Each of these has what a package or a repository has at its top, its metadata or its licence; checkouts with a .git
    are told apart in any case.
    """
    for source in sources:
        if not isinstance(source, Directory) or source.repo_depth:
            continue
        root = expand(source.path, "prepare.sources: directory")
        if _is_top(names := _names(root)) or ".git" in names:
            continue
        with os.scandir(root) as entries:
            folders = sorted(entry.name for entry in islice(entries, _LOOKED_AT) if entry.is_dir())
        found = [name for name in folders if ".git" not in (names := _names(root / name)) and _is_top(names)]
        if len(found) > 1:
            named = ", ".join(map(printable, found[:_NAMED])) + (", …" if len(found) > _NAMED else "")
            yield (
                f'note: directory "{source.path}" is read as one repository, but {named} in it look like repositories '
                "of their own; repo_depth = 1 in its table makes them so, such as "
                f'--prepare.sources \'[{{type = "directory", path = "{source.path}", repo_depth = 1}}]\''
            )


def _names(folder: Path) -> set[str]:
    try:
        return {path.name for path in folder.iterdir()}
    except OSError:  # opening the source says what there is to say
        return set()


def _is_top(names: set[str]) -> bool:
    return not names.isdisjoint(_METADATA) or any(map(is_licence, names))
