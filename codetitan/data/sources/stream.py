"""A dataset that is streamed: read once from its beginning to its end, while the rows of a batch follow behind.

What streaming can't promise: the corpus is not shuffled beyond what its store did; there is no second epoch; a resumed
run reads again from the beginning up to where it was; and that the corpus has changed goes unnoticed.
"""

import hashlib
import logging
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from codetitan.data.document import Document, Dropped, EndOfStream
from codetitan.data.sources.records import Columns, to_document
from codetitan.errors import ConfigError

logger = logging.getLogger("codetitan")  # what a person sees of a run: codetitan/train.py

WINDOW_BYTES = 1 << 30
"""Texts that are kept behind the furthest document, in characters: a slow row finds its document there."""

_PER_DOCUMENT = 500  # what a Document costs beside its text


class StreamSource:
    """An opened stream. Its length is unknown: `len` raises TypeError.

    The fingerprint hashes the arguments of the dataset and the columns, not the data.

    Args:
        name: for people and for counts.
        label: the source in an error.
        start: returns the records from the beginning, each time it is called.
        columns: which column is what.
        identity: what names the data: dataset, configuration, split and revision.
        max_bytes: of a text; a larger one is dropped.
        n_bytes: bytes of the data where the store knows them, else 0.
        window_bytes: how much is kept behind the furthest document.
    """

    streamed = True
    structure: frozenset[str] = frozenset()  # told by no document before it is read

    def __init__(
        self,
        name: str,
        label: str,
        start: Callable[[], Iterator[Mapping[str, Any]]],
        columns: Columns,
        identity: str,
        *,
        max_bytes: int,
        n_bytes: int = 0,
        window_bytes: int = WINDOW_BYTES,
    ) -> None:
        self.name = name
        self.n_bytes = n_bytes
        self.dropped: Counter[str] = Counter()
        self.fingerprint = hashlib.sha256(f"{identity}\0{max_bytes}\0{columns}".encode()).hexdigest()
        self._label, self._start, self._columns = label, start, columns
        self._max_bytes, self._window_bytes = max_bytes, window_bytes
        self._records: Iterator[Mapping[str, Any]] | None = None
        self._window: deque[Document | Dropped] = deque()
        self._first = 0  # index of the window's first document
        self._kept = 0
        self._n: int | None = None  # known once the end was seen
        self._lock = threading.Lock()
        logger.info(
            "data: %s is streamed: in the order of its store, one epoch, and a resumed run reads it again from the "
            "beginning",
            name,
        )

    def __len__(self) -> int:
        raise TypeError(f"{self.name} is streamed: its length is not known")

    def read(self, index: int) -> Document | Dropped:
        """Reads document `index`: best in ascending order; one that has left the window restarts the stream.

        Raises:
            EndOfStream: there are fewer documents.
            ConfigError: the stream broke off, and its own retries did not help.
        """
        with self._lock:
            if self._n is not None and index >= self._n:
                raise EndOfStream
            if index < self._first:
                logger.warning("data: %s: reading again from the beginning, for document %d", self.name, index)
                self._restart()
            while index >= self._first + len(self._window):
                self._advance()
            return self._window[index - self._first]

    def _restart(self) -> None:
        self._records = None
        self._window.clear()
        self._first = self._kept = 0

    def _advance(self) -> None:
        """Reads one document into the window, and lets the first ones go that no longer fit."""
        index = self._first + len(self._window)
        try:
            if self._records is None:
                self._records = self._start()
            record = next(self._records)
        except StopIteration:
            self._n = index
            raise EndOfStream from None
        except Exception as error:
            self._restart()  # a generator that raised is over: the next read must not take that for the end
            text = " ".join(str(error).split()) or type(error).__name__
            raise ConfigError(
                f"{self._label}: document {index} can't be read: {text}; start the same command again"
            ) from error
        document = to_document(self.name, f"row {index}", record, self._columns, self._max_bytes)
        self._window.append(document)
        self._kept += _cost(document)
        while self._kept > self._window_bytes and len(self._window) > 1:
            self._kept -= _cost(self._window.popleft())
            self._first += 1

    def languages(self) -> npt.NDArray[np.uint8]:
        """Raises ConfigError: the languages of a stream are not known before it is read."""
        raise ConfigError(f"{self._label}: streaming = true has no shares of languages; set streaming = false")

    def parts(self) -> list[tuple[str, int]]:
        """Returns one part without a name and documents: how many there are is not known."""
        return [("", 0)]

    def mark(self, which: int, first: int, n: int, *, thorough: bool) -> str:
        """Returns the fingerprint."""
        return self.fingerprint


def _cost(document: Document | Dropped) -> int:
    return _PER_DOCUMENT + (len(document.text) if isinstance(document, Document) else 0)
