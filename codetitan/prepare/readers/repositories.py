"""Rows that hold a whole repository, as The Stack v3 has them: a list of files in a column `files`."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from codetitan.data.document import Document, Dropped
from codetitan.data.sources.records import by_record, columns_of, to_document
from codetitan.errors import ConfigError, one_line
from codetitan.places import expand
from codetitan.prepare.file import File

_ROWS = 64  # of a batch: each is a repository


@dataclass(kw_only=True, slots=True)
class Repositories:
    """`type = "repositories"`: Parquet or JSON Lines with a repository a row, whose files are a list in one column."""

    path: str
    """A file, or a folder: every *.parquet and *.jsonl below it."""

    files: str = "files"
    """The column that holds the list of files: records with a text, a path and what else is known of one."""

    max_bytes: int = 1_000_000
    """Longer texts, in UTF-8, are left out."""


class RepositoryReader:
    """Repositories in rows; a unit is a file of them.

    Args:
        config: what is read.

    Raises:
        ConfigError: there is no such file, or none has the column.
    """

    def __init__(self, config: Repositories) -> None:
        key = "prepare.sources: repositories"
        self.name, self._config = f"repositories:{config.path}", config
        place = expand(config.path, key)
        found = (
            [place] if place.is_file() else sorted(p for end in ("parquet", "jsonl") for p in place.rglob(f"*.{end}"))
        )
        if not found:
            raise ConfigError(f'{key} "{config.path}": no *.parquet and no *.jsonl there')
        self._files = found
        first = next(iter(self._rows(found[0])), None)
        if first is None or config.files not in first:
            there = ", ".join(first or ()) or "none"
            raise ConfigError(f'{key} "{config.path}": no column "{config.files}" of files; there are {there}')
        sizes = "".join(f"{path.name} {path.stat().st_size}\n" for path in found)
        self.dropped: Mapping[str, int] = {}
        self.fingerprint = hashlib.sha256(sizes.encode()).hexdigest()

    def __len__(self) -> int:
        return len(self._files)

    def _rows(self, path: Path) -> Iterator[Mapping[str, Any]]:
        """Yields the rows of a file. Raises ConfigError: it is damaged, or has vanished."""
        try:
            if path.suffix == ".parquet":
                import pyarrow.parquet as pq

                with pq.ParquetFile(path) as file:
                    for batch in file.iter_batches(batch_size=_ROWS):
                        yield from batch.to_pylist()
                return
            with path.open(encoding="utf-8") as lines:
                for number, line in enumerate(lines, start=1):
                    row = json.loads(line) if line.strip() else None
                    if isinstance(row, dict):
                        yield row
                    elif row is not None:
                        raise ValueError(f"line {number} is no JSON object")
        except OSError as error:
            raise ConfigError(f"{path} can't be read: {error.strerror or one_line(error)}") from None
        except ValueError as error:  # pyarrow's errors are
            raise ConfigError(f"{path} can't be read: {one_line(error)}") from None

    def read(self, unit: int) -> Iterator[File | Dropped]:
        """Yields the files of the repositories of a unit; see `Reader`."""
        path = self._files[unit]
        columns_of_file = by_record({})
        for number, row in enumerate(self._rows(path)):
            of_row = columns_of((*row, "text"), {})
            assert of_row is not None, "it has a text"
            # What a row says of its repository holds for each of its files, where they do not say it themselves.
            known = {
                part: row[column]
                for part in ("repo", "licence", "stars", "date")
                if (column := getattr(of_row, part)) is not None and row.get(column) is not None
            }
            files = row.get(self._config.files)
            for place, record in enumerate(files if isinstance(files, list) else ()):
                where = f"{path.name}:{number}.{place}"
                if not isinstance(record, dict):
                    yield Dropped(self.name, where, "no record")
                    continue
                said = {column: value for column, value in record.items() if value is not None}
                own = columns_of_file(said)
                whole = said | {part: value for part, value in known.items() if own is None or not getattr(own, part)}
                document = to_document(self.name, where, whole, columns_of_file(whole), self._config.max_bytes)
                if isinstance(document, Document):
                    yield replace(File.of(document), root=f"{self.name}:{document.repo or f'{path.name}:{number}'}")
                else:
                    yield document
