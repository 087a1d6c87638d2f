"""Two outcomes side by side, as text: `codetitan prepare diff A B`."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any

from codetitan.errors import printable
from codetitan.prepare.report.fates import ABSENT, KEPT, Change, Fates, Where, compare, files_of
from codetitan.prepare.report.markdown import megabytes
from codetitan.prepare.report.output import Output, batches, name_of, open_output, row_at
from codetitan.prepare.report.tally import Count
from codetitan.prepare.report.why import COLUMNS, reason

_MOST = 15  # languages and licences that are shown, of those that differ
_NONE: Count = (0, 0)
NOT_READ = "read"
"""The rule of what is no file of code, or could not be read: rows of dropped/, but no files that were read."""

_WIDTHS = (30, 12, 10, 12, 10, 12)

_TITLES = {NOT_READ: "not read"}


def diff(a: Path, b: Path, show: int = 3) -> Iterator[str]:
    """Yields lines: what each keeps, what rules drop and languages and licences have, and which files differ.

    Args:
        a, b: outputs of `codetitan prepare`.
        show: how many files of each change are named.

    Raises:
        ConfigError: a folder is no output, or a table can't be read.
    """
    outputs = open_output(a, ""), open_output(b, "")
    fates = compare(*outputs, show)
    same = [change for (fate_a, fate_b), change in fates.changes.items() if fate_a == fate_b]
    kept = fates.changes.get((KEPT, KEPT), Change())
    if len(same) == len(fates.changes) and not fates.other_texts.files:
        files = sum(change.files for fate, change in zip(fates.changes, same, strict=True) if fate[0] != NOT_READ)
        yield (
            f"{a} and {b} have the same outcome: {kept.files:,} files with the same texts, {megabytes(kept.bytes_a)}; "
            f"{files - kept.files:,} dropped by the same rules"
        )
        return
    yield from _heads(outputs, fates)
    a_by, b_by = ({_TITLES.get(rule, rule): count for rule, count in _by_rule(fates, side).items()} for side in (0, 1))
    yield from _table("rule", a_by, b_by)
    for column in ("language", "licence"):
        yield from _table(f"kept, by {column}", _by(outputs[0], column), _by(outputs[1], column), most=_MOST)
    yield from _changed(outputs)
    yield from _files(outputs, fates)


def _heads(outputs: tuple[Output, Output], fates: Fates) -> Iterator[str]:
    for side, (name, output) in enumerate(zip("AB", outputs, strict=True)):
        by = _by_rule(fates, side)
        kept, read = by["kept"], [count for rule, count in by.items() if rule != NOT_READ]
        every = sum(files for files, _ in read), sum(n_bytes for _, n_bytes in read)
        yield (
            f"{name}: {output.folder}: {kept[0]:,} of {every[0]:,} files kept, {megabytes(kept[1])} of "
            f"{megabytes(every[1])}"
        )


def _by_rule(fates: Fates, side: int) -> dict[str, Count]:
    """Returns what one outcome keeps, and what each of its rules drops."""
    found: dict[str, Count] = {}
    for both, change in fates.changes.items():
        files, n_bytes = found.get(both[side], (0, 0))
        found[both[side]] = files + change.files, n_bytes + (change.bytes_a, change.bytes_b)[side]
    found.pop(ABSENT, None)
    return {"kept": found.pop(KEPT, (0, 0)), **found}


def _by(output: Output, column: str) -> dict[str, Count]:
    import pyarrow as pa

    files, n_bytes = Counter[str](), Counter[str]()
    for file in output.corpus:
        for batch in batches(file, [column, "n_bytes"]):
            grouped = pa.table(batch).group_by(column).aggregate([("n_bytes", "count"), ("n_bytes", "sum")])
            for row in grouped.to_pylist():
                files[row[column] or "none"] += row["n_bytes_count"]
                n_bytes[row[column] or "none"] += row["n_bytes_sum"] or 0
    return {name: (files[name], n_bytes[name]) for name in files}


def _table(head: str, a: Mapping[str, Count], b: Mapping[str, Count], most: int | None = None) -> Iterator[str]:
    """Yields the counts of both and the difference in files; with `most`, only so many that differ."""

    def place(name: str) -> tuple[bool, int, str]:
        return name != "kept", -max(a.get(name, _NONE)[1], b.get(name, _NONE)[1]), name

    names = sorted({*a, *b}, key=place)
    shown = [name for name in names if most is None or a.get(name) != b.get(name)]
    yield ""
    if not shown:
        yield f"{head}: the same in both"
        return
    yield _row(head, "A: files", "bytes", "B: files", "bytes", "B − A")
    for name in shown[:most]:
        (files_a, bytes_a), (files_b, bytes_b) = a.get(name, _NONE), b.get(name, _NONE)
        more = f"{files_b - files_a:+,}" if files_b != files_a else "="
        yield _row(name, f"{files_a:,}", megabytes(bytes_a), f"{files_b:,}", megabytes(bytes_b), more)
    if left := len(shown) - len(shown[:most]):
        yield f"  {left:,} more that differ"
    if same := len(names) - len(shown):
        yield f"  {same:,} the same in both"


def _row(name: str, *cells: str) -> str:
    name = printable(name)
    first, *widths = _WIDTHS
    name = name if len(name) <= first else f"{name[: first - 1]}…"
    return f"{name:{first}}" + "".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))


def _changed(outputs: tuple[Output, Output]) -> Iterator[str]:
    """Yields what rules have changed in texts, where that differs."""

    def changed(output: Output) -> dict[str, Count]:
        by_rule = output.tally.changed() if output.tally is not None else {}
        return {f"{rule}: {what}": count for rule, by in by_rule.items() for what, count in by.items()}

    a, b = map(changed, outputs)
    if a != b:
        yield ""
        yield _row("changed", "A: times", "files", "B: times", "files", "B − A")
        for name in sorted({*a, *b}):
            (n_a, files_a), (n_b, files_b) = a.get(name, _NONE), b.get(name, _NONE)
            yield _row(name, f"{n_a:,}", f"{files_a:,}", f"{n_b:,}", f"{files_b:,}", f"{n_b - n_a:+,}")


def _files(outputs: tuple[Output, Output], fates: Fates) -> Iterator[str]:
    """Yields the files whose fates differ: what one keeps and the other drops, by the rule; and the rest."""
    groups: dict[str, list[tuple[str, Change]]] = {}
    for (fate_a, fate_b), change in sorted(fates.changes.items(), key=lambda item: (-item[1].files, item[0])):
        if fate_a == fate_b:
            continue
        for fate, other, one, another in ((fate_a, fate_b, "A", "B"), (fate_b, fate_a, "B", "A")):
            if other == ABSENT:
                kind = f"read by {one} alone"
                groups.setdefault(kind, []).append((fate or "kept", change))
            elif fate == KEPT != other and fate != ABSENT:
                groups.setdefault(f"kept by {one}, dropped by {another}", []).append((other, change))
        if KEPT not in (fate_a, fate_b) and ABSENT not in (fate_a, fate_b):
            groups.setdefault("dropped by both, by another rule", []).append((f"{fate_a} → {fate_b}", change))
    if fates.other_texts.files:
        groups["kept by both, with another text"] = [("", fates.other_texts)]
    for title, changes in sorted(groups.items()):
        yield ""
        yield f"{title}: {_files_and_bytes(change for _, change in changes)}"
        for name, change in changes:
            if name:
                yield f"  {name}: {_files_and_bytes([change])}"
            yield from (f"    {line}" for line in _named(outputs, change))


def _files_and_bytes(changes: Iterable[Change]) -> str:
    files = n_bytes = 0
    for change in changes:
        files, n_bytes = files + change.files, n_bytes + (change.bytes_a or change.bytes_b)
    return f"{files:,} file{'s' if files != 1 else ''}, {megabytes(n_bytes)}"


def _named(outputs: tuple[Output, Output], change: Change) -> Iterator[str]:
    """Yields the first files of a change, with the reason of each outcome that drops them."""
    for places in zip_longest(change.in_a, change.in_b):
        names, reasons = [], []
        for side, output, where in zip("AB", outputs, places, strict=True):
            if where is not None:
                row, dropped = _read(output, where)
                names.append(name_of(row))
                reasons += [f"{side}: {reason(row)}"] if dropped else []
        yield "; ".join([names[0], *reasons])


def _read(output: Output, where: Where) -> tuple[Mapping[str, Any], bool]:
    dropped = where.file >= len(output.corpus)
    return row_at(files_of(output)[where.file], where.row, COLUMNS if dropped else ("repo", "path")), dropped
