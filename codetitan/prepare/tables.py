"""What stages hand on and what people read, as Parquet: files on their way, and files that were dropped.

The bytes of a table depend on its rows alone (and on pyarrow's version): settings are fixed, and rows come in groups of
so many bytes of text that no reader needs more than that in memory.
"""

import contextlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from codetitan.errors import ConfigError, one_line

if TYPE_CHECKING:
    import pyarrow as pa

_GROUP_BYTES = 16 << 20
_GROUP_ROWS = 10_000

TEXT, NUMBER, REAL = "string", "int64", "float64"

FILES = {
    "repo": TEXT, "path": TEXT, "content": TEXT, "language": TEXT, "licence": TEXT, "stars": NUMBER, "sha256": TEXT,
    "n_bytes": NUMBER, "token_count": NUMBER, "source": TEXT, "licence_from": TEXT, "quality": REAL, "date": TEXT,
    "document_parts": TEXT,
}  # fmt: skip
"""Columns of the corpus; `dataloader.sources` finds what it needs by their names. Dates are ISO 8601, in UTC."""

DROPPED = {
    "source": TEXT, "repo": TEXT, "path": TEXT, "language": TEXT, "licence": TEXT, "n_bytes": NUMBER, "rule": TEXT,
    "reason": TEXT, "value": TEXT, "threshold": TEXT, "twin": TEXT, "similarity": REAL,
}  # fmt: skip
"""Columns of what was dropped: a row a file, with the first rule that dropped it."""

Row = Mapping[str, Any]


def _schema(columns: Mapping[str, str]) -> "pa.Schema":
    import pyarrow as pa

    kinds = _types()
    return pa.schema([(name, kinds[kind]) for name, kind in columns.items()])


def _types() -> "dict[str, pa.DataType]":
    import pyarrow as pa

    return {TEXT: pa.string(), NUMBER: pa.int64(), REAL: pa.float64()}


def _reason(error: Exception) -> str:
    """Returns what the system says; pyarrow has it in a sentence of its own."""
    found = re.search(r".*\[errno \d+\] (.*)", text := one_line(error), re.IGNORECASE)
    return found[1] if found else text


def table(found: Sequence[Row], columns: Mapping[str, str]) -> "pa.Table":
    """Returns rows as a table; columns that a row lacks are null."""
    import pyarrow as pa

    arrays = [_array([row.get(name) for row in found], kind) for name, kind in columns.items()]
    return pa.Table.from_arrays(arrays, schema=_schema(columns))


def _array(values: list[Any], kind: str) -> "pa.Array":
    """Returns values, of which some may be null: what `pa.array` does, which imports pandas to ask whether they are its
    (pyarrow 26, `_is_array_like`): 0.4 s and 40 MB of each worker."""
    import numpy as np
    import pyarrow as pa

    if kind == TEXT:
        builder = pa.lib.StringBuilder()
        builder.append_values(values)
        return builder.finish()
    there = np.array([value is not None for value in values], bool)
    numbers = np.array([value or 0 for value in values], np.int64 if kind == NUMBER else np.float64)
    bits = None if there.all() else pa.py_buffer(np.packbits(there, bitorder="little"))
    return pa.Array.from_buffers(_types()[kind], len(values), [bits, pa.py_buffer(numbers)])


class Writer:
    """Writes rows to a Parquet file, a group at a time.

    Args:
        path: of the new file.
        columns: name → kind; what a row has beside them is left out.
        level: of zstd: 3 for what people keep, 1, twice as fast, for what the next stage reads.
        group_bytes: of text in a group, about: what its reader has in memory.

    Raises:
        ConfigError: it can't be written.
    """

    def __init__(
        self, path: Path, columns: Mapping[str, str], *, level: int = 3, group_bytes: int | None = None
    ) -> None:
        import pyarrow.parquet as pq

        self._columns, self._path, self._group_bytes = columns, path, group_bytes or _GROUP_BYTES
        self._rows: list[Row] = []
        self._n_bytes = self.n_rows = 0
        try:
            self._file = pq.ParquetWriter(path, _schema(columns), compression="zstd", compression_level=level)
        except OSError as error:
            raise ConfigError(f"{path} can't be written: {_reason(error)}") from None

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is None:
            self._flush()
        try:
            self._file.close()
        except OSError as closing:
            if kind is None:
                raise ConfigError(f"{self._path} can't be written: {_reason(closing)}") from None

    def add(self, row: Row) -> None:
        """Adds a row; columns that it lacks are null."""
        self._rows.append(row)
        self.n_rows += 1
        self._n_bytes += len(row.get("content") or "") + 100
        if self._n_bytes >= self._group_bytes or len(self._rows) >= _GROUP_ROWS:
            self._flush()

    def _flush(self) -> None:
        if not self._rows:
            return
        try:
            self._file.write_table(table(self._rows, self._columns))
        except OSError as error:
            raise ConfigError(f"{self._path} can't be written: {_reason(error)}") from None
        self._rows, self._n_bytes = [], 0


def n_rows(path: Path) -> int:
    """Returns how many rows a Parquet file has; raises ConfigError as `rows` does."""
    import pyarrow.parquet as pq

    try:
        n: int = pq.read_metadata(path).num_rows
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} can't be read: {_reason(error)}") from None
    return n


class LinesWriter:
    """Writes rows to a JSON Lines file, as `Writer` to a Parquet file.

    Args:
        path: of the new file.
        columns: name → kind; what a row has beside them is left out, and what it lacks is null.

    Raises:
        ConfigError: it can't be written.
    """

    def __init__(self, path: Path, columns: Mapping[str, str]) -> None:
        self._columns, self._path = columns, path
        with self._writing():
            self._file = path.open("w", encoding="utf-8", newline="\n")

    def __enter__(self) -> "LinesWriter":
        return self

    def __exit__(self, *_: object) -> None:
        with self._writing():
            self._file.close()

    def add(self, row: Row) -> None:
        """Adds a row."""
        with self._writing():
            self._file.write(json.dumps({name: row.get(name) for name in self._columns}, ensure_ascii=False) + "\n")

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ConfigError(f"{self._path} can't be written: {_reason(error)}") from None


def rows(path: Path, columns: list[str] | None = None) -> Iterator[dict[str, Any]]:
    """Yields the rows of a Parquet file, in order, a group in memory at a time.

    Args:
        path: of the file.
        columns: those that are read; None: all.

    Raises:
        ConfigError: it can't be read, or is damaged.
    """
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                yield from file.read_row_group(group, columns=columns).to_pylist()
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} can't be read: {_reason(error)}") from None
