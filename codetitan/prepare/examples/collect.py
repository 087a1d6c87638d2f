"""The examples of a task, and those of all: files whose names have the smallest hashes, whatever the tasks are.

None shows a secret: excerpts are redacted, whatever the configuration does about the corpus.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

from codetitan.prepare.examples.places import Place, found_at
from codetitan.prepare.file import File
from codetitan.prepare.secrets import Secrets
from codetitan.prepare.secrets.found import Secret
from codetitan.prepare.secrets.replace import PLACEHOLDERS

FILE = "examples.jsonl"
FORMAT = 2
"""Of the file: a stage that writes it has this among its inputs."""

MOST = 3
"""Files of a reason."""

_AROUND = 20_000  # characters in which secrets are looked for: the longest key in use, RSA's of 16,384 bits, has 13,000
_LINES_BEFORE, _LINES_AFTER, _CHARS, _MARKED = 4, 5, 700, 400
_COPY = 20_000  # of a duplicate, which is held against the one that is kept when that is known

Row = Mapping[str, Any]
T = TypeVar("T")
_Order = tuple[int, str, int]  # hash of the name, name, and hash of the text, for names that several have
_Kept = list[tuple[_Order, T]]


class Examples:
    """Collects the examples of a task."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], _Kept[Callable[[], Row]]] = {}
        # Without what finds keys, no excerpt can be shown to have none.
        self._secrets = Secrets() if find_spec("betterleaks") is not None else None

    def add(self, row: Row, text: str) -> None:
        """Offers a file that is dropped.

        Args:
            row: of dropped.parquet.
            text: of the file.
        """

        def make() -> Row:
            if row["twin"] is not None:
                return {**row, **self.beginning(text)}
            return {**row, **self._excerpt(text, self._place(row, text))}

        self._offer(row, text, make)

    def add_changed(self, rule: str, found: Mapping[str, int], before: File, after: File) -> None:
        """Offers a file that is kept with another text.

        Args:
            rule: that changed it.
            found: what of it was changed, how often.
            before, after: the file as it was and as it is; of a secret only what is in its place is shown.
        """
        for what in found:
            row = {
                "rule": rule, "reason": what, "source": after.source, "repo": after.repo, "path": after.path,
                "language": after.language, "licence": after.licence, "n_bytes": len(before.data), "changed": True,
            }  # fmt: skip
            self._offer(row, before.text, partial(self._changed, row, before.text, after.text))

    def beginning(self, text: str) -> Row:
        """Returns an excerpt whose `found` is all that is shown of a copy, or of the file that is kept in its place."""
        return self._excerpt(text, (0, _COPY), _COPY)

    def write(self, folder: Path) -> None:
        """Writes examples.jsonl, an example a line."""
        # Only now: looking for secrets takes 5 ms, and of three offered one is among the last.
        lines = [
            json.dumps({"order": [order, tie], **make()}, sort_keys=True)
            for key in sorted(self._found)
            for (order, _, tie), make in self._found[key]
        ]
        (folder / FILE).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")

    def _offer(self, row: Row, text: str, make: Callable[[], Row]) -> None:
        name = _name(row)
        order = _hash(name)
        kept = self._found.setdefault((row["rule"], row["reason"]), [])
        if len(kept) < MOST or (order, name) <= kept[-1][0][:2]:
            _insert(kept, (order, name, _hash(text)), make)

    def _place(self, row: Row, text: str) -> Place:
        if row["rule"] == "secrets" and self._secrets is not None:
            return next(((secret.start, secret.stop) for secret in self._secrets.find(text)), (0, 0))
        return found_at(row["rule"], row["value"], text)

    def _changed(self, row: Row, before: str, after: str) -> Row:
        if row["rule"] != "secrets":
            return {**row, **self._excerpt(before, _difference(before, after))}
        placeholder = PLACEHOLDERS.get(row["reason"], "")
        at = after.find(placeholder) if placeholder else -1
        place = (at, at + len(placeholder)) if at >= 0 else _difference(after, before)
        return {**row, **self._excerpt(after, place)}

    def _excerpt(self, text: str, place: Place, most: int = _MARKED) -> Row:
        """Returns the lines around a place, without their secrets: the place's line, and before, found and after."""
        if self._secrets is None:
            return {}
        start, stop = place[0], min(place[1], len(text))
        line = text.count("\n", 0, start) + 1
        first = max(0, start - _AROUND)
        found = self._secrets.find(text := text[first : stop + _AROUND])
        # What is long is cut after that: half a secret would not be known for one.
        text, (start, stop) = _redacted(text, (start - first, stop - first), found)
        before = _cut(text[:start][::-1])[::-1].split("\n")[-_LINES_BEFORE - 1 :]
        after = _cut(text[stop:]).split("\n")[: _LINES_AFTER + 1]
        shown = _cut(text[start:stop], most)
        return {"line": line, "before": "\n".join(before), "found": shown, "after": "\n".join(after)}


def _cut(text: str, most: int = _CHARS) -> str:
    return text if len(text) <= most else f"{text[:most]}…"


def _redacted(text: str, place: Place, found: Iterable[Secret]) -> tuple[str, Place]:
    """Returns a text with placeholders for its secrets, and where a place then is, with all of those that it cuts."""
    parts, at, n = [], 0, 0
    start, stop = place
    for secret in found:
        parts += [text[at : secret.start], PLACEHOLDERS[secret.kind]]
        begin = n + secret.start - at
        n, at = begin + len(PLACEHOLDERS[secret.kind]), secret.stop
        if place[0] > secret.start:
            start = n + place[0] - secret.stop if place[0] >= secret.stop else begin
        if place[1] > secret.start:
            stop = n + max(0, place[1] - secret.stop)
    return "".join([*parts, text[at:]]), (start, max(start, stop))


def merged(files: Iterable[Path]) -> list[Row]:
    """Returns the examples of all tasks, by rule, reason and hash."""
    found: dict[tuple[str, str], _Kept[Row]] = {}
    for file in files:
        for line in file.read_text(encoding="utf-8").split("\n"):
            if line:
                row = json.loads(line)
                order, tie = row["order"]
                _insert(found.setdefault((row["rule"], row["reason"]), []), (order, _name(row), tie), row)
    return [row for key in sorted(found) for _, row in found[key]]


def _name(row: Row) -> str:
    return "\0".join((row["source"] or "", row["repo"] or "", row["path"]))


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6])


def _insert(kept: _Kept[T], order: _Order, what: T) -> None:
    kept.append((order, what))
    kept.sort(key=lambda each: each[0])
    del kept[MOST:]


def _difference(text: str, other: str) -> Place:
    """Returns the part of a text between what it begins and what it ends with as another does."""
    most = min(len(text), len(other))
    start = _same(text, other, most)
    return start, len(text) - _same(text[::-1], other[::-1], most - start)


def _same(text: str, other: str, most: int) -> int:
    """Returns how many characters, of at most `most`, two texts begin with alike."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if text[low:middle] == other[low:middle] else (low, middle - 1)
    return low
