"""Rows of the corpus in the order of their repositories' dependencies, whatever a repository comes to."""

import shutil
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path

from codetitan.prepare.dependencies.order import Imports, arranged, imports_in_file
from codetitan.prepare.stages.deal import bytes_of, in_order
from codetitan.prepare.tables import NUMBER, Row, Writer, rows

_PLACE = "place"


def by_dependencies(found: Iterable[Row], columns: Mapping[str, str], folder: Path, *, memory: int) -> Iterator[Row]:
    """Yields rows, given by repository and path, so that each repository's files are in order.

    Behind them come its documents in parts (issues, commits, notebooks), which nothing imports. Rows without a
    repository stay where they are.

    Args:
        found: the rows.
        columns: of what is written where a repository does not fit into memory.
        folder: new; where that is done; nothing is left there.
        memory: in bytes, of the rows that are held.
    """
    for repo, of_repo in groupby(found, key=lambda row: row["repo"] or ""):
        if repo:
            yield from _repository(of_repo, columns, folder, memory)
        else:
            yield from of_repo


def _repository(of_repo: Iterator[Row], columns: Mapping[str, str], folder: Path, memory: int) -> Iterator[Row]:
    imports: list[Imports] = []
    numbers: tuple[list[int], list[int]] = [], []  # of files, of documents
    held, n_bytes = list[Row](), 0

    def seen() -> Iterator[Row]:
        for number, row in enumerate(of_repo):
            is_document = bool(row["document_parts"])
            numbers[is_document].append(number)
            if not is_document:
                imports.append(imports_in_file(row["path"], row["language"], row["content"]))
            yield row

    each = seen()
    for row in each:
        held.append(row)
        n_bytes += bytes_of(row)
        if n_bytes > memory:
            break
    if n_bytes <= memory:
        yield from (held[number] for number in _order(imports, numbers))
        return
    folder.mkdir()
    with Writer(folder / "repository.parquet", columns, level=1) as writer:
        for row in held:
            writer.add(row)
        held.clear()
        for row in each:
            writer.add(row)
    order = _order(imports, numbers)
    places = [0] * len(order)
    for place, number in enumerate(order):
        places[number] = place
    placed = ({**row, _PLACE: place} for row, place in zip(rows(folder / "repository.parquet"), places, strict=True))
    yield from in_order(placed, lambda row: row[_PLACE], {**columns, _PLACE: NUMBER}, folder, memory=memory)
    shutil.rmtree(folder)


def _order(imports: list[Imports], numbers: tuple[list[int], list[int]]) -> list[int]:
    files, documents = numbers
    return [*(files[place] for place in arranged(imports)), *documents]
