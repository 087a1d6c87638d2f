"""Sorted records on disk, of which a part can be read: what sorts a corpus that does not fit into memory.

A run is two files: `NAME.records`, records of one NumPy dtype sorted by their cell, and `NAME.cells`, where each cell
begins. A task reads some cells of all runs and sorts them in memory; where a task's cells are too much for that, it
reads fewer of them at a time. So memory is bounded for any number of tasks.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Records = npt.NDArray[Any]
Ranks = npt.NDArray[np.uint64]

CELLS = 4096
"""Of a run by hash or by rank: into how many parts it can be cut."""

_BITS = np.uint64(64 - 12)


def cells_of_hashes(hashes: Ranks) -> Ranks:
    """Returns the cell of each: its first 12 bits."""
    return hashes >> _BITS


def cells_of_ranks(ranks: Ranks, n: int) -> Ranks:
    """Returns the cell of each rank below n; like the ranks, cells ascend."""
    return ranks // np.uint64(max(1, -(-n // CELLS)))


def write(path: Path, records: Records, cells: npt.NDArray[Any], n_cells: int = CELLS) -> None:
    """Writes a run.

    Args:
        path: without a suffix.
        records: sorted by cell.
        cells: of each record, below `n_cells`.
    """
    np.searchsorted(cells, np.arange(n_cells + 1)).astype(np.uint64).tofile(path.with_name(f"{path.name}.cells"))
    records.tofile(path.with_name(f"{path.name}.records"))


def named(folders: Iterable[Path], name: str) -> list[Path]:
    """Returns the runs NAME-000, NAME-001, … of the folders, as `write` names them."""
    found = (path for folder in folders for path in sorted(folder.glob(f"{name}-*.cells")))
    return [path.with_suffix("") for path in found]


def read(paths: Sequence[Path], dtype: npt.DTypeLike, first: int, stop: int) -> Records:
    """Returns the records of the cells [first, stop) of all runs, run by run."""
    dtype = np.dtype(dtype)
    parts = []
    for path in paths:
        start, end = _bounds(path, first, stop)[[0, -1]].tolist()
        if end > start:
            records = np.fromfile(
                path.with_name(f"{path.name}.records"), dtype, count=end - start, offset=start * dtype.itemsize
            )
            assert len(records) == end - start, f"{path}: records are missing"
            parts.append(records)
    return np.concatenate(parts) if parts else np.zeros(0, dtype)


def parts(paths: Sequence[Path], task: int, tasks: int, limit: int) -> Iterator[tuple[int, int]]:
    """Yields ranges of cells, (first, stop), which are a task's share together.

    Args:
        paths: the runs.
        task, tasks: which share, of how many.
        limit: records to be read at a time; a cell that has more is a range of its own.
    """
    begin, end = task * CELLS // tasks, (task + 1) * CELLS // tasks
    sizes = np.zeros(end - begin, np.int64)
    for path in paths:
        bounds = _bounds(path, begin, end).astype(np.int64)
        sizes += bounds[1:] - bounds[:-1]
    first, held = begin, 0
    for cell, size in enumerate(sizes.tolist(), begin):
        if held and held + size > limit:
            yield first, cell
            first, held = cell, 0
        held += size
    if held:
        yield first, end


def _bounds(path: Path, first: int, stop: int) -> Ranks:
    return np.fromfile(path.with_name(f"{path.name}.cells"), np.uint64, count=stop - first + 1, offset=first * 8)
