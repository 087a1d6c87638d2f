"""An Arrow table as documents: a memory map that all ranks share, read at random."""

import hashlib
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, islice
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from codetitan.data.document import Document, Dropped
from codetitan.data.language import INDEX, canonical_language, language_by_name
from codetitan.data.sources.dates import after_1970
from codetitan.data.sources.jsonl import PROGRESS_AFTER_S
from codetitan.data.sources.records import Columns, to_document, word
from codetitan.data.structure import kinds_in
from codetitan.errors import ConfigError

_SAMPLES = 64
_STRUCTURED = 1000  # rows of each table that are looked at for kinds of parts
_TICKS = {"s": 1, "ms": 1000, "us": 10**6, "ns": 10**9}  # of Arrow's moments, in a second


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of a source that have the same columns: a shard, or all of it.

    Attributes:
        table: a pyarrow table, or what datasets wraps around one.
        columns: which of its columns is what; None where none is the text.
        name: of the shard; "" for all of it.
    """

    table: Any
    columns: Columns | None
    name: str = ""


class ArrowSource:
    """Opened Arrow tables.

    The fingerprint hashes the columns and their types, the number of rows, the bytes of all texts, and 64 rows spread
    over the table: it changes with the data, but not with where it lies or how it was fetched. Not detected: a change
    of other rows that leaves the bytes of text in sum as they were.

    Attributes:
        name: for people and for counts.
        n_bytes: bytes of text, in UTF-8.
        dropped: what was left out of the listing; what else can't be served is found while reading.
        fingerprint: what of the data the tokens depend on, hashed.
        structure: the kinds of parts in the first 1,000 structured rows of each table.
        streamed: False: every document can be read at any time.
    """

    streamed = False

    def __init__(self, name: str, label: str, parts: Sequence[Part], *, dropped: Counter[str], max_bytes: int) -> None:
        """Takes the tables in the order in which they are served.

        Raises:
            ConfigError: they have no row, or a column of text that holds none.
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        self.name = name
        self.dropped = dropped
        self._max_bytes = max_bytes
        self._parts = [_Rows(part) for part in parts]
        self._ends = list(accumulate(part.n for part in self._parts))
        self._n = self._ends[-1] if self._ends else 0
        if self._n == 0:
            raise ConfigError(f"{label} has no row")
        self.n_bytes = 0
        described: dict[str, None] = {}
        for part in self._parts:
            if part.columns is None:
                continue
            text = part.table.column(part.columns.text)
            of_text = text.type.value_type if pa.types.is_dictionary(text.type) else text.type
            if part.columns.converses and not is_text(of_text):  # messages
                part.text_bytes = int(text.nbytes)
            elif not is_text(of_text) and not pa.types.is_null(of_text):
                raise ConfigError(
                    f'{label}: the column "{part.columns.text}" is {of_text}, no text; name another with '
                    'fields = {text = "COLUMN"}'
                )
            elif not pa.types.is_null(of_text):
                part.text_bytes = sum(int(pc.sum(pc.binary_length(chunk)).as_py() or 0) for chunk in text.chunks)
            self.n_bytes += part.text_bytes
            types = "\n".join(f"{name}\0{part.table.column(name).type}" for name in part.chunks)
            described[f"{part.columns}{types}"] = None
            part.types = hashlib.sha256(f"{part.columns}{types}".encode()).hexdigest()[:8]
        digest = hashlib.sha256(f"{self._n}\0{self.n_bytes}\0{max_bytes}\0{''.join(described)}".encode())
        for i in range(_SAMPLES):
            row = (self._n - 1) * i // (_SAMPLES - 1)
            document = replace(self.read(row), source="")  # the name is where the data lies
            digest.update(repr(document).encode("utf-8", "backslashreplace"))
        self.fingerprint = digest.hexdigest()
        self.structure = frozenset(kind for part in self._parts for kind in part.structure())

    def __len__(self) -> int:
        return self._n

    def read(self, index: int) -> Document | Dropped:
        """Reads row `index`, counted over all tables."""
        place = f"row {index}"
        which = bisect_right(self._ends, index)
        part = self._parts[which]
        try:
            record = part.record(index - (self._ends[which - 1] if which else 0))
        except UnicodeDecodeError:
            return Dropped(self.name, place, "not UTF-8")
        return to_document(self.name, place, record, part.columns, self._max_bytes)

    def languages(self) -> npt.NDArray[np.uint8]:
        """Returns uint8 (n,): each row's index into LANGUAGES; by column, a text only where nothing else tells."""
        found = np.concatenate([part.named_languages() for part in self._parts])
        unknown = np.flatnonzero(found == 0)
        for row in tqdm(unknown.tolist(), desc=self.name, unit=" rows", delay=PROGRESS_AFTER_S, leave=False):
            which = bisect_right(self._ends, row)
            try:
                path = self._parts[which].path(row - (self._ends[which - 1] if which else 0))
                language = language_by_name(path) if path else None
            except UnicodeDecodeError:
                continue
            if language is None:
                document = self.read(row)
                language = document.language if isinstance(document, Document) else "other"
            found[row] = INDEX[language]
        return found

    def parts(self) -> list[tuple[str, int]]:
        """Returns (name, rows) of each part."""
        return [(part.name, part.n) for part in self._parts]

    def mark(self, which: int, first: int, n: int, *, thorough: bool) -> str:
        """Returns rows and bytes of text of a part; thorough, a hash of some of its rows too. Some rows of a part that
        has others as well have no mark: such a file was written anew."""
        part = self._parts[which]
        if (first, n) != (0, part.n):
            return ""
        known = f"{n} {part.text_bytes} {self._max_bytes} {part.types}"
        return f"{known} {self._sampled(which)}" if thorough else known

    def _sampled(self, which: int) -> str:
        part = self._parts[which]
        start = self._ends[which] - part.n
        digest = hashlib.sha256()
        for row in sorted({start + (part.n - 1) * i // (_SAMPLES - 1) for i in range(_SAMPLES)}):
            document = self.read(row)
            # Where the row lies among all is no part of it.
            path = document.path if isinstance(document, Document) and document.has_path else ""
            digest.update(repr(replace(document, source="", path=path)).encode("utf-8", "backslashreplace"))
        return digest.hexdigest()[:16]


class _Rows:
    """A part whose rows are read one by one."""

    def __init__(self, part: Part) -> None:
        self.table, self.columns, self.name = part.table, part.columns, part.name
        self.text_bytes, self.types = 0, ""
        self.n = int(part.table.num_rows)
        names = [] if part.columns is None else part.columns.names()
        self.chunks = {name: _Chunks(part.table.column(name)) for name in names}

    def record(self, row: int) -> dict[str, Any]:
        return {name: chunks.value(row) for name, chunks in self.chunks.items()}

    def path(self, row: int) -> str | None:
        paths = self.chunks.get(self.columns.path or "") if self.columns else None
        return word(paths.value(row)) if paths else None

    def structure(self) -> set[str]:
        """Returns the kinds of parts in the first structured rows."""
        if self.columns is None or self.columns.parts is None:
            return set()
        chunks = self.table.column(self.columns.parts).chunks
        values = islice((value for chunk in chunks for value in chunk.drop_null()), _STRUCTURED)
        return {kind for value in values for kind in kinds_in(value.as_py())}

    def named_languages(self) -> npt.NDArray[np.uint8]:
        """Returns uint8 (n,): what the column of languages says; 0 where it says nothing, or there is none."""
        if self.columns is None or self.columns.language is None:
            return np.zeros(self.n, np.uint8)
        parts = [np.zeros(0, np.uint8)]
        for chunk in self.table.column(self.columns.language).chunks:
            words = chunk if hasattr(chunk, "dictionary") else chunk.dictionary_encode()
            names = [
                canonical_language(name) if isinstance(name, str) else "other" for name in words.dictionary.to_pylist()
            ]
            table = np.array([*(INDEX[name] for name in names), INDEX["other"]], np.uint8)
            parts.append(table[words.indices.fill_null(len(names)).to_numpy(zero_copy_only=False)])
        return np.concatenate(parts)


def is_text(kind: Any) -> bool:
    """Whether a pyarrow type is one of its strings."""
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


class _Chunks:
    """A column, whose values are found by bisection: ten times as fast as a table's own rows. Moments are
    datetimes in UTC, or None."""

    def __init__(self, column: Any) -> None:
        self._chunks = [chunk for chunk in column.chunks if len(chunk)]
        self._ticks = _TICKS[column.type.unit] if str(column.type).startswith("timestamp") else None
        self._ends = list(accumulate(len(chunk) for chunk in self._chunks))

    def value(self, index: int) -> Any:
        which = bisect_right(self._ends, index)
        found = self._chunks[which][index - (self._ends[which - 1] if which else 0)]
        # As a datetime it may be out of range, and with nanoseconds it asks for pandas.
        return found.as_py() if self._ticks is None or found.value is None else after_1970(found.value // self._ticks)
