"""What became of each file in two outcomes, side by side: a join by hashes that holds a part of them in memory.

Rows of 34 bytes are dealt by their hashes into parts on the disk (in the temporary folder), and each part is joined by
itself. A file is what has one repository and path; of several such, those that are kept are held against each other
first. Two different files have one hash with a probability of 3 % among 10⁹: they would be paired with each other.
"""

import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from codetitan.prepare.report.output import Output, batches, n_rows

_ROW = np.dtype([
    ("key", "u8"), ("fate", "u2"), ("text", "u8"), ("n_bytes", "i8"), ("file", "u4"), ("row", "u4"),
])  # fmt: skip
_PART = 1_000_000  # rows of one outcome: some 200 MB while they are joined
_MOST_PARTS = 512

KEPT, ABSENT = "", "not read"
"""Fates beside the rules: in the corpus; in no table."""

_KEPT, _ABSENT = 0, 1  # their numbers

Rows = npt.NDArray[np.void]


@dataclass(frozen=True, order=True)
class Where:
    """A row of an outcome's tables, by its file's number: the corpus's files first."""

    key: int
    file: int
    row: int


@dataclass
class Change:
    """Files of one fate in A and one in B.

    Attributes:
        files: how many.
        bytes_a, bytes_b: as each outcome has them: 0 where it has not read them.
        in_a, in_b: of the first of them by hash; empty where that outcome has none.
    """

    files: int = 0
    bytes_a: int = 0
    bytes_b: int = 0
    in_a: list[Where] = field(default_factory=list)
    in_b: list[Where] = field(default_factory=list)


@dataclass
class Fates:
    """What two outcomes made of the same files.

    Attributes:
        changes: (fate in A, fate in B) → files; equal fates too.
        other_texts: of those that both keep, the ones whose texts differ.
    """

    changes: dict[tuple[str, str], Change] = field(default_factory=dict)
    other_texts: Change = field(default_factory=Change)


def compare(a: Output, b: Output, show: int) -> Fates:
    """Joins two outcomes.

    Args:
        show: how many files of each change are named, those with the smallest hashes.

    Raises:
        ConfigError: a table can't be read.
    """
    names = [KEPT, ABSENT]  # a fate is its number here
    found = Fates()
    n_parts = min(_MOST_PARTS, 1 + max(_n_rows(a), _n_rows(b)) // _PART)
    with tempfile.TemporaryDirectory(prefix="codetitan-diff-") as folder:
        places = [Path(folder, side) for side in "ab"]
        for output, place in zip((a, b), places, strict=True):
            place.mkdir()
            _deal(output, place, n_parts, names)
        for part in range(n_parts):
            rows_a, rows_b = (np.fromfile(place / f"{part}", _ROW) for place in places)
            _join(rows_a, rows_b, found, names, show)
    return found


def files_of(output: Output) -> Sequence[Path]:
    """Returns the tables that `Where.file` counts."""
    return (*output.corpus, *output.dropped)


def _n_rows(output: Output) -> int:
    return sum(map(n_rows, files_of(output)))


def _key(repo: str | None, path: str | None) -> int:
    name = f"{repo or ''}\0{path or ''}".encode(errors="replace")
    return int.from_bytes(hashlib.blake2b(name, digest_size=8).digest())


def _deal(output: Output, folder: Path, n_parts: int, names: list[str]) -> None:
    """Writes an outcome's rows into files by their keys; adds the rules to `names`."""
    with ExitStack() as stack:
        parts = [stack.enter_context((folder / f"{part}").open("wb")) for part in range(n_parts)]
        for rows in _rows(output, names):
            part_of = rows["key"] % np.uint64(n_parts)
            for part in np.unique(part_of):
                parts[part].write(rows[part_of == part].tobytes())


def _rows(output: Output, names: list[str]) -> Iterator[Rows]:
    for number, file in enumerate(files_of(output)):
        kept = number < len(output.corpus)
        at = 0
        for batch in batches(file, ["repo", "path", "n_bytes", "sha256" if kept else "rule"]):
            repo, path, n_bytes, last = (column.to_pylist() for column in batch.columns)
            rows = np.zeros(len(batch), _ROW)
            rows["key"] = [_key(*name) for name in zip(repo, path, strict=True)]
            rows["n_bytes"] = [n or 0 for n in n_bytes]
            rows["file"], rows["row"] = number, np.arange(at, at + len(batch))
            if kept:
                rows["text"] = [int(digest[:16], 16) if digest else 0 for digest in last]
            else:
                names += sorted(set(last) - set(names))
                codes = {name: code for code, name in enumerate(names)}
                rows["fate"] = [codes[rule] for rule in last]
            at += len(batch)
            yield rows


def _occurrence(keys: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    """Returns of sorted keys the how manyeth of its like each is."""
    first = np.ones(len(keys), bool)
    first[1:] = keys[1:] != keys[:-1]
    starts = np.flatnonzero(first)
    return np.arange(len(keys)) - np.repeat(starts, np.diff(np.append(starts, len(keys))))


def _join(a: Rows, b: Rows, found: Fates, names: Sequence[str], show: int) -> None:
    rank = np.argsort(np.argsort(names))  # the numbers are in the order in which the tables named the rules
    a, b = (rows[np.lexsort((rows["n_bytes"], rows["text"], rank[rows["fate"]], rows["key"]))] for rows in (a, b))
    keys = np.concatenate([a["key"], b["key"]])
    nth = np.concatenate([_occurrence(a["key"]), _occurrence(b["key"])])
    order = np.lexsort((np.arange(len(keys)), nth, keys))  # of a pair, A's comes first
    keys, nth = keys[order], nth[order]
    pair = np.zeros(len(order), bool)
    pair[:-1] = (keys[:-1] == keys[1:]) & (nth[:-1] == nth[1:])
    single = ~pair
    single[1:] &= ~pair[:-1]
    absent = np.zeros(1, _ROW)
    absent["fate"] = _ABSENT
    a_and_none, none_and_b = np.concatenate([a, absent]), np.concatenate([b, absent])
    first = order[pair | single]
    second = np.append(order, 0)[np.flatnonzero(pair | single) + 1]
    is_pair = pair[pair | single]
    of_a = np.where(first < len(a), first, len(a))
    of_b = np.where(is_pair, second - len(a), np.where(first < len(a), len(b), first - len(a)))
    left, right = a_and_none[of_a], none_and_b[of_b]
    codes = left["fate"].astype(np.int64) * len(names) + right["fate"]
    for code in np.unique(codes):
        fate_a, fate_b = names[code // len(names)], names[code % len(names)]
        chosen = codes == code
        _count(found.changes.setdefault((fate_a, fate_b), Change()), left[chosen], right[chosen], show)
    other = (codes == _KEPT) & (left["text"] != right["text"])
    _count(found.other_texts, left[other], right[other], show)


def _count(change: Change, left: Rows, right: Rows, show: int) -> None:
    if not len(left):
        return
    change.files += len(left)
    change.bytes_a += int(left["n_bytes"].sum())
    change.bytes_b += int(right["n_bytes"].sum())
    for where, rows in ((change.in_a, left), (change.in_b, right)):
        if rows["fate"][0] == _ABSENT:
            continue
        where += [Where(int(row["key"]), int(row["file"]), int(row["row"])) for row in rows[:show]]
        where.sort()
        del where[show:]
