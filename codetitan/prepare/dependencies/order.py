"""The files of a repository in the order of their dependencies."""

from collections.abc import Sequence
from typing import NamedTuple

from codetitan.prepare.dependencies.graph import dependencies_first
from codetitan.prepare.dependencies.imports import Language, imports_of, language_of
from codetitan.prepare.dependencies.paths import Paths


class Imports(NamedTuple):
    """What is left of a file when its order is asked for.

    Attributes:
        path: in its repository.
        how: how it imports; None where nothing is known of its language.
        found: what it imports, as it is written.
    """

    path: str
    how: Language | None
    found: Sequence[str]


def imports_in_file(path: str, language: str, text: str) -> Imports:
    """Returns what a file imports."""
    how = language_of(path, language)
    return Imports(path, how, imports_of(path, language, text.encode()) if how is not None else ())


def arranged(files: Sequence[Imports]) -> list[int]:
    """Returns the places of files in the order in which they are read: each behind those that it imports.

    Files of one path, of several versions of a repository, stay together, and the first is the one that is imported.

    Args:
        files: of one repository, by path.
    """
    places: dict[str, list[int]] = {}
    for place, file in enumerate(files):
        places.setdefault(file.path, []).append(place)
    numbers = {path: number for number, path in enumerate(places)}
    edges = [
        (numbers.setdefault(path, len(numbers)), numbers.setdefault(imported, len(numbers)))
        for path, imported in dependencies([files[of_path[0]] for of_path in places.values()])
    ]
    by_number = list(places.values())
    order = dependencies_first(len(numbers), edges)
    return [place for number in order if number < len(by_number) for place in by_number[number]]


def dependencies(files: Sequence[Imports]) -> list[tuple[str, str]]:
    """Returns (path, path that it imports); a package of many files is a node of its own (`Language.edges`).

    Args:
        files: of one repository, each path once.
    """
    paths = Paths(file.path for file in files)
    found: dict[int, tuple[Language, dict[str, Sequence[str]]]] = {}
    for file in files:
        if file.how is not None:
            found.setdefault(id(file.how), (file.how, {}))[1][file.path] = file.found
    return [edge for how, imports in found.values() for edge in how.edges(paths, imports)]
