"""An Arrow table as documents: a memory map that all ranks share, read at random."""

import hashlib
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from codetitan.data.document import Document, Dropped
from codetitan.data.language import INDEX, canonical_language, language_by_name
from codetitan.data.sources.jsonl import PROGRESS_AFTER_S
from codetitan.data.sources.records import find_columns, to_document, word
from codetitan.errors import ConfigError

_SAMPLES = 64


class ArrowSource:
    """An opened Arrow table.

    The fingerprint hashes the columns and their types, the number of rows, the bytes of all texts, and 64 rows spread
    over the table: it changes with the data, but not with where it lies or how it was fetched. Not detected: a change
    of other rows that leaves the bytes of text in sum as they were.

    Attributes:
        name: for people and for counts.
        n_bytes: bytes of text, in UTF-8.
        dropped: always empty: what can't be served is found while reading.
        fingerprint: what of the data the tokens depend on, hashed.
        streamed: False: every document can be read at any time.
    """

    streamed = False

    def __init__(self, name: str, label: str, table: Any, *, fields: Mapping[str, str], max_bytes: int) -> None:
        """Takes a pyarrow table, or what datasets wraps around one.

        Raises:
            ConfigError: it has no row, or no column of text.
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        self.name = name
        self.dropped: Counter[str] = Counter()
        self._n, self._max_bytes = int(table.num_rows), max_bytes
        if self._n == 0:
            raise ConfigError(f"{label} has no row")
        self._columns = find_columns(label, list(table.column_names), fields)
        text = table.column(self._columns.text)
        of_text = text.type.value_type if pa.types.is_dictionary(text.type) else text.type
        if not pa.types.is_string(of_text) and not pa.types.is_large_string(of_text):
            raise ConfigError(
                f'{label}: the column "{self._columns.text}" is {of_text}, no text; name another with '
                'fields = {text = "COLUMN"}'
            )
        self._table = table
        self._chunks = {name: _Chunks(table.column(name)) for name in self._columns.names()}
        self.n_bytes = sum(int(pc.sum(pc.binary_length(chunk)).as_py() or 0) for chunk in text.chunks)
        digest = hashlib.sha256(f"{self._n}\0{self.n_bytes}\0{max_bytes}\0{self._columns}".encode())
        digest.update("\n".join(f"{name}\0{table.column(name).type}" for name in self._chunks).encode())
        for i in range(_SAMPLES):
            row = (self._n - 1) * i // (_SAMPLES - 1)
            document = replace(self.read(row), source="")  # the name is where the data lies
            digest.update(repr(document).encode("utf-8", "backslashreplace"))
        self.fingerprint = digest.hexdigest()

    def __len__(self) -> int:
        return self._n

    def read(self, index: int) -> Document | Dropped:
        """Reads row `index`."""
        place = f"row {index}"
        try:
            record = {name: chunks.value(index) for name, chunks in self._chunks.items()}
        except UnicodeDecodeError:
            return Dropped(self.name, place, "not UTF-8")
        return to_document(self.name, place, record, self._columns, self._max_bytes)

    def languages(self) -> npt.NDArray[np.uint8]:
        """Returns uint8 (n,): each row's index into LANGUAGES; by column, a text only where nothing else tells."""
        found = np.zeros(self._n, np.uint8)
        if self._columns.language is not None:
            found = self._named_languages(self._columns.language)
        unknown = np.flatnonzero(found == 0)
        paths = self._chunks.get(self._columns.path or "")
        for row in tqdm(unknown.tolist(), desc=self.name, unit=" rows", delay=PROGRESS_AFTER_S, leave=False):
            try:
                path = word(paths.value(row)) if paths else None
                language = language_by_name(path) if path else None
            except UnicodeDecodeError:
                continue
            if language is None:
                document = self.read(row)
                language = document.language if isinstance(document, Document) else "other"
            found[row] = INDEX[language]
        return found

    def parts(self) -> list[tuple[str, int]]:
        """Returns one part without a name: the whole table."""
        return [("", self._n)]

    def mark(self, which: int, first: int, n: int, *, thorough: bool) -> str:
        """Returns the fingerprint: what of a table that has other rows now was there before is not known."""
        return self.fingerprint if n == self._n else ""

    def _named_languages(self, column: str) -> npt.NDArray[np.uint8]:
        parts = []
        for chunk in self._table.column(column).chunks:
            words = chunk if hasattr(chunk, "dictionary") else chunk.dictionary_encode()
            names = [
                canonical_language(name) if isinstance(name, str) else "other" for name in words.dictionary.to_pylist()
            ]
            table = np.array([*(INDEX[name] for name in names), INDEX["other"]], np.uint8)
            parts.append(table[words.indices.fill_null(len(names)).to_numpy(zero_copy_only=False)])
        return np.concatenate(parts)


class _Chunks:
    """A column, whose values are found by bisection: ten times as fast as a table's own rows."""

    def __init__(self, column: Any) -> None:
        self._chunks = [chunk for chunk in column.chunks if len(chunk)]
        self._ends = list(accumulate(len(chunk) for chunk in self._chunks))

    def value(self, index: int) -> Any:
        which = bisect_right(self._ends, index)
        return self._chunks[which][index - (self._ends[which - 1] if which else 0)].as_py()
