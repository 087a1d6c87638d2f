"""JSON Lines: a record a line, in one or several files, read at random through an index of the lines."""

import json
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from codetitan.data.document import Document, Dropped
from codetitan.data.language import INDEX, LANGUAGES, OTHER
from codetitan.data.sources.lines import cached, line_bounds
from codetitan.data.sources.packed import PACKED, unpacked
from codetitan.data.sources.records import Columns, by_record, check_fields, columns_of, find_columns, to_document
from codetitan.data.sources.shards import Shard, ShardReader, find_shards, fingerprint, sampled
from codetitan.data.structure import kinds_in
from codetitan.errors import ConfigError

_SAMPLE_LINES = 1000  # of the first, the middle and the last file that has lines: what columns there are
_THREADS = 8
PROGRESS_AFTER_S = 5
"""A pass over all documents shows how far it is when it takes longer than this."""


class JsonlSource:
    """Opened JSON Lines.

    The fingerprint hashes the names below the common folder, the sizes, 16 blocks of each file and the columns: it
    changes with the data, but not when the files are copied elsewhere. A change within the same size that misses
    every block is not detected.

    Attributes:
        name: for people and for counts.
        n_bytes: bytes on disk, decompressed.
        dropped: what was left out of the listing; what else can't be served is found while reading.
        fingerprint: what of the data the tokens depend on, hashed.
        structure: the kinds of parts in the first 1,000 lines of the first, the middle and the last file.
        streamed: False: every document can be read at any time.
    """

    streamed = False

    def __init__(self, path: str, *, fields: Mapping[str, str], max_bytes: int) -> None:
        """Finds the files and their lines.

        Raises:
            ConfigError: there is no file or no line, a file can't be read, or there is no column of text.
        """
        self.name = f"jsonl:{path}"
        self._max_bytes = max_bytes
        self._label = f'dataloader.sources: jsonl "{path}"'
        listed, self.dropped = find_shards("jsonl", path, ".jsonl", packed=PACKED)
        self._shards = self._unpacked(listed)
        self._reader = ShardReader(self._shards)
        self.n_bytes = sum(shard.n_bytes for shard in self._shards)
        with ThreadPoolExecutor(_THREADS) as threads:
            self._bounds = list(threads.map(line_bounds, self._shards))
        self._ends = list(accumulate(len(bounds) - 1 for bounds in self._bounds))
        if self._ends[-1] == 0:
            raise ConfigError(f"{self._label} is empty: a record a line is needed")
        self._columns_of = by_record(fields)
        self._columns = self._find_columns(fields)
        self._reading = f"{max_bytes} {sorted(fields.items())}"
        self.fingerprint = fingerprint(self._shards, self._reader, "jsonl", str(max_bytes), self._columns)

    def _unpacked(self, listed: list[Shard]) -> list[Shard]:
        n_bytes = sum(shard.n_bytes for shard in listed if shard.path.suffix in PACKED)
        title = f"{self.name}: decompressing"
        with (
            tqdm(total=n_bytes, desc=title, unit="B", unit_scale=True, delay=PROGRESS_AFTER_S, leave=False) as bar,
            ThreadPoolExecutor(_THREADS) as threads,
        ):
            return list(threads.map(lambda shard: unpacked(shard, self._label, bar.update), listed))

    def __len__(self) -> int:
        return self._ends[-1]

    def read(self, index: int) -> Document | Dropped:
        """Reads line `index`, counted over all files.

        Raises:
            ConfigError: the file can't be read any more, or its size has changed since it was listed.
        """
        which = bisect_right(self._ends, index)
        line = index - (self._ends[which - 1] if which else 0)
        return self._read(which, line)

    def _read(self, which: int, line: int) -> Document | Dropped:
        place = f"{self._shards[which].name}:{line + 1}"
        record = self._record(which, line)
        if isinstance(record, str):
            return Dropped(self.name, place, record)
        return to_document(self.name, place, record, self._columns_of(record), self._max_bytes)

    def _record(self, which: int, line: int) -> dict[str, Any] | str:
        """Returns the record of a line, or the reason why it is none."""
        bounds = self._bounds[which]
        start, stop = int(bounds[line]), int(bounds[line + 1])
        # No text of max_bytes makes so long a line: \u0000 is six bytes, and the rest gets a megabyte.
        if stop - start > 6 * self._max_bytes + 1_000_000:
            return "too large"
        data = self._reader.read(which, start, stop)
        try:
            text = data.decode("utf-8-sig" if start == 0 else "utf-8")
        except UnicodeDecodeError:
            return "not UTF-8"
        try:
            record = json.loads(text)
        except (ValueError, RecursionError):
            return "not JSON" if text.strip() else "empty"
        return record if isinstance(record, dict) else "no JSON object"

    def _find_columns(self, fields: Mapping[str, str]) -> str:
        """Checks that there is a column of text, and those of `fields`; returns which of the sample are what.

        A sample decides nothing: what it lacks is looked for in every line, and each record has columns of its own.
        """
        check_fields(self._label, fields)
        shapes: dict[Columns, None] = {}
        structure: set[str] = set()
        present: dict[str, None] = {}
        n_lines = [len(bounds) - 1 for bounds in self._bounds]
        full = [which for which, n in enumerate(n_lines) if n]
        for which in dict.fromkeys((full[0], full[len(full) // 2], full[-1])):
            for line in range(min(_SAMPLE_LINES, n_lines[which])):
                record = self._record(which, line)
                if isinstance(record, dict):
                    present.update(dict.fromkeys(record))
                    if own := self._columns_of(record):
                        shapes[own] = None
                        structure |= kinds_in(record.get(own.parts)) if own.parts else set()
        self.structure = frozenset(structure)
        missing = None if columns_of(present, fields) else "a column of text"
        if missing or not set(fields.values()) <= present.keys():
            missing = missing or ", ".join(sorted(map(str, set(fields.values()) - present.keys())))
            for record in self._records(f"{self.name}: looking for {missing}"):
                present.update(dict.fromkeys(record))
                if columns_of(present, fields) and set(fields.values()) <= present.keys():
                    break
        if not present:
            raise ConfigError(f"{self._label}: no line is a JSON object; a record a line is needed")
        columns = find_columns(self._label, [name for name in present if name.isprintable()], fields)
        others = sorted(repr(own) for own in shapes if not own.agrees_with(columns))
        return f"{columns}{''.join(others)}"

    def _records(self, purpose: str) -> Iterator[dict[str, Any]]:
        """Yields the records of all lines that hold one, and shows how far it is when that takes long."""
        with tqdm(total=len(self), desc=purpose, unit=" lines", delay=PROGRESS_AFTER_S, leave=False) as bar:
            for which, bounds in enumerate(self._bounds):
                for line in range(len(bounds) - 1):
                    record = self._record(which, line)
                    if isinstance(record, dict):
                        yield record
                    bar.update()

    def languages(self) -> npt.NDArray[np.uint8]:
        """Returns uint8 (n,): each document's index into LANGUAGES, 0 for what can't be served.

        Parses every line, once: kept beside the index of the lines.
        """
        purpose = fingerprint([], self._reader, "by record", repr(LANGUAGES), self._columns, str(self._max_bytes))[:12]
        found = []
        with tqdm(total=len(self), desc=self.name, unit=" lines", delay=PROGRESS_AFTER_S, leave=False) as bar:
            for which, shard in enumerate(self._shards):
                n = len(self._bounds[which]) - 1
                if n == 0:
                    continue
                parse = partial(self._parse_languages, which, n, bar)
                fits = partial(_has_length, n)
                found.append(cached(shard, f".{purpose}.languages", parse, np.uint8, fits))
        return np.concatenate(found)

    def _parse_languages(self, which: int, n: int, bar: "tqdm[Any]") -> npt.NDArray[np.uint8]:
        language = np.full(n, OTHER, np.uint8)
        for line in range(n):
            document = self._read(which, line)
            if isinstance(document, Document):
                language[line] = INDEX[document.language]
            bar.update()
        return language

    def parts(self) -> list[tuple[str, int]]:
        """Returns (name, lines) of each file."""
        return [(shard.name, len(bounds) - 1) for shard, bounds in zip(self._shards, self._bounds, strict=True)]

    def mark(self, which: int, first: int, n: int, *, thorough: bool) -> str:
        """Returns the size of some lines and a hash of blocks of them, and how all are read."""
        start, stop = (int(self._bounds[which][line]) for line in (first, first + n))
        return f"{stop - start} {sampled(self._reader, which, start, stop, self._reading)[:16]}"


def _has_length(n: int, array: npt.NDArray[np.uint8]) -> bool:
    return len(array) == n
