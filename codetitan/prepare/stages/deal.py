"""Rows dealt out over shards, and rows in order, whatever they come to: what does not fit into memory lies in runs.

A run of dealt rows is two files: NAME-RUN.rows, an Arrow stream for each shard that has rows, one behind the other, and
NAME-RUN.ends, where each ends. So a task leaves a few files for any number of shards, and a shard reads its own part.
"""

import heapq
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from codetitan.prepare.tables import Row, Writer, rows, table

_ROW_BYTES = 2_000  # of memory that a row takes beside its text, most of it Python's
_RUN_GROUP_BYTES = 1 << 20  # of a run, while all of them are merged: a group of each is in memory


def memory_of_rows(memory_mb: float) -> int:
    """Returns how many bytes of rows may be held of a worker's memory: they lie there twice while a table is made of
    them, and runs are read beside."""
    return int(memory_mb * 2**20) // 4


def bytes_of(row: Row) -> int:
    """Returns how many bytes of memory a row takes, about."""
    return len(row.get("content") or "") + _ROW_BYTES


class Dealer:
    """Deals rows out.

    Args:
        folder: where the runs go.
        name: of the runs.
        columns: name → kind; what a row has beside them is left out.
        shards: how many.
        memory: in bytes, of the rows that wait.
    """

    def __init__(self, folder: Path, name: str, columns: Mapping[str, str], shards: int, *, memory: int) -> None:
        self._folder, self._name, self._columns, self._shards, self._memory = folder, name, columns, shards, memory
        self._rows: dict[int, list[Row]] = {}
        self._held = self._runs = 0

    def __enter__(self) -> "Dealer":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is None:
            self._write()

    def add(self, shard: int, row: Row) -> None:
        """Adds a row; columns that it lacks are null."""
        self._rows.setdefault(shard, []).append(row)
        self._held += bytes_of(row)
        if self._held > self._memory:
            self._write()

    def _write(self) -> None:
        import pyarrow as pa

        if not self._rows:
            return
        path = self._folder / f"{self._name}-{self._runs:03}.rows"
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        ends = np.zeros(self._shards, np.uint64)
        with path.open("wb") as file:
            for shard in range(self._shards):
                if shard in self._rows:
                    stream = io.BytesIO()
                    found = table(self._rows.pop(shard), self._columns)
                    with pa.ipc.new_stream(stream, found.schema, options=options) as writer:
                        writer.write_table(found)
                    file.write(stream.getbuffer())
                ends[shard] = file.tell()
        ends.tofile(path.with_suffix(".ends"))
        self._held, self._runs = 0, self._runs + 1


def dealt(folders: Iterable[Path], name: str, shard: int) -> Iterator[dict[str, Any]]:
    """Yields a shard's rows of what `Dealer` wrote into each folder, in the order in which they were added."""
    import pyarrow as pa

    for folder in folders:
        for path in sorted(folder.glob(f"{name}-*.ends")):
            first = max(0, shard - 1)
            ends = np.fromfile(path, np.uint64, count=shard - first + 1, offset=8 * first).tolist()
            start, stop = ends if shard else (0, *ends)
            if stop > start:
                with path.with_suffix(".rows").open("rb") as file:
                    file.seek(start)
                    data = file.read(stop - start)
                with pa.ipc.open_stream(data) as stream:
                    for batch in stream:
                        yield from batch.to_pylist()


def in_order(
    found: Iterable[Row], key: Callable[[Row], Any], columns: Mapping[str, str], folder: Path, *, memory: int
) -> Iterator[Row]:
    """Yields rows by their keys; of the same key, in the order in which they came.

    Args:
        found: the rows.
        key: of a row.
        columns: of what is written where they do not fit into memory.
        folder: where that is done; nothing is left there when all have been asked for.
        memory: in bytes, of the rows that are held.
    """
    held: list[Row] = []
    n_bytes, runs = 0, list[Path]()
    for row in found:
        held.append(row)
        n_bytes += bytes_of(row)
        if n_bytes > memory:
            runs.append(folder / f"run-{len(runs):03}.parquet")
            _write_run(sorted(held, key=key), columns, runs[-1])
            held, n_bytes = [], 0
    held.sort(key=key)
    yield from heapq.merge(*(rows(run) for run in runs), held, key=key)
    for run in runs:
        run.unlink()


def _write_run(found: Sequence[Row], columns: Mapping[str, str], path: Path) -> None:
    with Writer(path, columns, level=1, group_bytes=_RUN_GROUP_BYTES) as writer:
        for row in found:
            writer.add(row)
