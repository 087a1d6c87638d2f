"""Rows that hold a whole repository, as The Stack v3 has them: a list of files in a column `files`."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from codetitan.data.document import Document, Dropped
from codetitan.data.sources.records import by_record, columns_of, to_document
from codetitan.prepare.file import File
from codetitan.prepare.readers.rows import BROKEN, RowReader

NO_FILES = "no list of files"


@dataclass(kw_only=True, slots=True)
class Repositories:
    """`type = "repositories"`: Parquet or JSON Lines with a repository a row, whose files are a list in one column."""

    path: str
    """A file, or a folder: every *.parquet, *.jsonl and *.jsonl.gz below it."""

    files: str = "files"
    """The column that holds the list of files: records with a text, a path and what else is known of one."""

    max_bytes: int = 1_000_000
    """Longer texts, in UTF-8, are left out."""


class RepositoryReader(RowReader):
    """Repositories in rows; a unit is a file of them.

    Args:
        config: what is read.

    Raises:
        ConfigError: there is no such file, or none has the column.
    """

    def __init__(self, config: Repositories) -> None:
        self._config = config
        super().__init__("repositories", config.path, {"files": [config.files]})

    def read(self, unit: int) -> Iterator[File | Dropped]:
        """Yields the files of the repositories of a unit; see `Reader`."""
        columns_of_file = by_record({})
        for at, row in self.rows(unit):
            if row is None:
                yield Dropped(self.name, at, BROKEN)
                continue
            of_row = columns_of((*row, "text"), {})
            assert of_row is not None, "it has a text"
            # What a row says of its repository holds for each of its files, where they do not say it themselves.
            known = {
                part: row[column]
                for part in ("repo", "licence", "stars", "date")
                if (column := getattr(of_row, part)) is not None and row.get(column) is not None
            }
            files = row.get(self._config.files)
            if not isinstance(files, list):
                yield Dropped(self.name, at, NO_FILES)
                continue
            for place, record in enumerate(files):
                where = f"{at}.{place}"
                if not isinstance(record, dict):
                    yield Dropped(self.name, where, "no record")
                    continue
                said = {column: value for column, value in record.items() if value is not None}
                own = columns_of_file(said)
                whole = said | {part: value for part, value in known.items() if own is None or not getattr(own, part)}
                document = to_document(self.name, where, whole, columns_of_file(whole), self._config.max_bytes)
                if isinstance(document, Document):
                    yield replace(File.of(document), root=f"{self.name}:{document.repo or at}")
                else:
                    yield document
