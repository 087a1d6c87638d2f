"""Files of rows, Parquet and JSON Lines, read one after another: what readers of dumps have in common."""

import gzip
import json
import zlib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from codetitan.errors import ConfigError, one_line
from codetitan.places import expand
from codetitan.prepare.readers import PACKED, stamp

_ENDS = (".parquet", ".jsonl", ".jsonl.gz")
_ROWS = 64  # of a batch: each may be a repository
BROKEN = "no JSON object"
"""Why a line is left out."""


class RowReader:
    """A reader of rows; a unit is a file of them. See `Reader`.

    Args:
        kind: the type of the source.
        path: a file, or a folder: every *.parquet, *.jsonl and *.jsonl.gz below it.
        needs: columns, each a name or several of which one will do, that the first row must have.

    Raises:
        ConfigError: there is no such file, or the first row is another's.

    Attributes:
        name: of the source.
        files: in order.
        fingerprint: of their names, sizes and dates.
        sizes: about how many bytes of text each has.
        dropped: nothing: each row that is left out is said.
    """

    def __init__(self, kind: str, path: str, needs: Mapping[str, Collection[str]]) -> None:
        self.name = f"{kind}:{path}"
        self.dropped: Mapping[str, int] = {}
        key = f"prepare.sources: {kind}"
        place = expand(path, key)
        self.files = [place] if place.is_file() else sorted(p for p in place.rglob("*") if _is_one(p))
        if not self.files:
            raise ConfigError(f'{key} "{path}": no {", ".join(f"*{end}" for end in _ENDS)} there')
        # A shard of a dump may be empty.
        first = next((row for file in self.files for row in rows(file) if row is not None), None)
        for what, columns in needs.items():
            if first is None or not any(column in first for column in columns):
                there = ", ".join(first or ()) or "none"
                wanted = " or ".join(f'"{column}"' for column in columns)
                raise ConfigError(f'{key} "{path}": no column {wanted} of {what}; there are {there}')
        root = place if place.is_dir() else place.parent
        n_bytes = [file.stat().st_size for file in self.files]
        self.fingerprint = stamp(root, (file.relative_to(root).as_posix() for file in self.files))
        self.sizes = [n * (1 if f.suffix == ".jsonl" else PACKED) for f, n in zip(self.files, n_bytes, strict=True)]

    def __len__(self) -> int:
        return len(self.files)

    def rows(self, unit: int) -> Iterator[tuple[str, Mapping[str, Any] | None]]:
        """Yields the rows of a file as `rows` does, each behind a name that a table can have: "issues.jsonl:17"."""
        name = self.files[unit].name
        name = name if name.isprintable() else ascii(name)[1:-1]
        for number, row in enumerate(rows(self.files[unit])):
            yield f"{name}:{number}", row


def _is_one(path: Path) -> bool:
    return path.name.endswith(_ENDS) and path.is_file()


def rows(path: Path) -> Iterator[Mapping[str, Any] | None]:
    """Yields the rows of a file; None for a line that is no JSON object. Blank lines are none.

    Raises:
        ConfigError: it is damaged, or has vanished.
    """
    try:
        if path.suffix == ".parquet":
            yield from _parquet_rows(path)
            return
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as lines:
            for line in lines:
                if line.strip():
                    yield _object(line)
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or one_line(error)
        raise ConfigError(f"{path} can't be read: {reason}") from None
    except ValueError as error:
        raise ConfigError(f"{path} can't be read: {one_line(error)}") from None


def _parquet_rows(path: Path) -> Iterator[Mapping[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with path.open("rb") as opened, pq.ParquetFile(opened) as file:  # a name may be no UTF-8
            for batch in file.iter_batches(batch_size=_ROWS):
                yield from batch.to_pylist()
    except pa.ArrowException as error:  # some are no ValueError, such as that of an integer of 3 bits
        raise ValueError(one_line(error)) from None


def _object(line: bytes) -> Mapping[str, Any] | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None
