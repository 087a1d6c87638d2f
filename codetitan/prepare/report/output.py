"""What `codetitan prepare` has written, opened to be read: by `why`, `diff` and the page."""

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codetitan.errors import ConfigError, one_line, printable
from codetitan.prepare.report.tally import Tally
from codetitan.prepare.tables import FILES, TEXT
from codetitan.prepare.tables import table as table_of

if TYPE_CHECKING:
    import pyarrow as pa

TALLY = "report.json"
"""The tree of counts that report.md shows."""

_FORMATS = (".parquet", ".jsonl")
_LINES = 1 << 10  # of JSON Lines at a time, which are read with their texts
_ROWS = 1 << 16  # of a batch: names of so many files take some ten megabytes


@dataclass(frozen=True)
class Output:
    """A whole outcome.

    Attributes:
        folder: as a person wrote it.
        corpus, dropped: the tables' files, in order.
    """

    folder: Path
    corpus: tuple[Path, ...]
    dropped: tuple[Path, ...]

    @cached_property
    def tally(self) -> Tally | None:
        """What was counted; None of an outcome that an earlier codetitan has made."""
        try:
            return Tally(json.loads((self.folder / TALLY).read_bytes()))
        except FileNotFoundError:
            return None
        except (OSError, ValueError):
            raise ConfigError(f"{self.folder / TALLY} is damaged; codetitan prepare writes it again") from None


def open_output(folder: Path, key: str = "--output ") -> Output:
    """Opens an outcome.

    Args:
        folder: of `codetitan prepare`.
        key: what an error begins with.

    Raises:
        ConfigError: it is none, or not yet whole.
    """
    parts = {name: folder / name for name in ("dropped", "corpus")}
    missing = [name for name, path in parts.items() if not path.is_dir()]
    if missing:
        half = (folder / "stages").is_dir()
        why = "is not done yet" if half else "is not what codetitan prepare writes"
        raise ConfigError(f"{key}{folder} {why}: it has no {' and no '.join(missing)}")
    files = {name: tuple(sorted(p for p in path.iterdir() if p.suffix in _FORMATS)) for name, path in parts.items()}
    return Output(folder, files["corpus"], files["dropped"])


def batches(file: Path, columns: Sequence[str]) -> Iterator["pa.RecordBatch"]:
    """Yields columns of a table, some rows at a time; one that it lacks is null.

    Raises:
        ConfigError: it can't be read, or is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if file.suffix == ".jsonl":
        lines = _lines(file)
        while found := list(islice(lines, _LINES)):
            yield from table_of(found, {name: FILES.get(name, TEXT) for name in columns}).to_batches()
        return
    with reading(file), pq.ParquetFile(file) as table:
        there = [name for name in columns if name in table.schema_arrow.names]
        for batch in table.iter_batches(_ROWS, columns=there):
            arrays = [batch.column(name) if name in there else pa.nulls(len(batch)) for name in columns]
            yield pa.RecordBatch.from_arrays(arrays, names=list(columns))


def n_rows(file: Path) -> int:
    """Returns how many rows a table has."""
    import pyarrow.parquet as pq

    with reading(file):
        if file.suffix == ".jsonl":
            with file.open("rb") as lines:
                return sum(1 for _ in lines)
        n: int = pq.read_metadata(file).num_rows
    return n


def _lines(file: Path) -> Iterator[dict[str, Any]]:
    with reading(file), file.open(encoding="utf-8", newline="\n") as lines:
        yield from map(json.loads, lines)


def row_at(file: Path, number: int, columns: Sequence[str]) -> dict[str, Any]:
    """Returns one row of a table; only its group is read."""
    import pyarrow.parquet as pq

    if file.suffix == ".jsonl":
        row = next(islice(_lines(file), number, None))
        return {name: row.get(name) for name in columns}
    with reading(file), pq.ParquetFile(file) as table:
        for group in range(table.num_row_groups):
            n = table.metadata.row_group(group).num_rows
            if number < n:
                there = [name for name in columns if name in table.schema_arrow.names]
                found: list[dict[str, Any]] = table.read_row_group(group, columns=there).slice(number, 1).to_pylist()
                return dict.fromkeys(columns) | found[0]
            number -= n
    raise AssertionError("the row was counted in that table")


def name_of(row: Mapping[str, Any]) -> str:
    """Returns what people call a file: repository/path, in one line."""
    return printable(f"{row['repo']}/{row['path']}" if row["repo"] else str(row["path"]))


@contextlib.contextmanager
def reading(file: Path) -> Iterator[None]:
    """Says in one line that a table can't be read, or is damaged."""
    try:
        yield
    except (OSError, ValueError) as error:  # pyarrow's are one or the other
        raise ConfigError(f"{file} can't be read: {one_line(error)}") from None
