"""Examples in context, as HTML: a card a file, with the lines around what was found."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from codetitan.prepare.report.markdown import megabytes
from codetitan.prepare.report.markup import escaped
from codetitan.prepare.report.twins import Lines, first_difference
from codetitan.prepare.report.why import bound

_LINE = 300  # characters of a line that are shown, around what was found in it
_HEAD = 12  # lines of a file in which nothing in particular was found

Row = Mapping[str, Any]


def anchor(rule: str) -> str:
    """Returns the name of the place in the page where a rule's examples are."""
    return f"examples-{escaped(rule)}"


def examples(rows: Iterable[Row], twins: Mapping[str, str], order: Sequence[str]) -> str:
    """Returns a section a rule.

    Args:
        rows: of `merged`.
        twins: of `twins_of`.
        order: the rules, the first first.
    """
    place = {rule: i for i, rule in enumerate(order)}
    ordered = sorted(
        rows, key=lambda row: (place.get(row["rule"], len(place)), row["rule"], row["reason"], row["order"])
    )
    parts = []
    for rule, of_rule in groupby(ordered, key=lambda row: row["rule"]):
        parts.append(f'<details id="{anchor(rule)}" open><summary><code>{escaped(rule)}</code></summary>')
        for reason, of_reason in groupby(of_rule, key=lambda row: row["reason"]):
            cards = [_card(row, twins) for row in of_reason]
            parts.append(f"<h3>{escaped(reason)}</h3>{''.join(cards)}")
        parts.append("</details>")
    return "\n".join(parts)


def _card(row: Row, twins: Mapping[str, str]) -> str:
    name = f"{row['repo']}/{row['path']}" if row["repo"] else row["path"]
    said = [row["language"], row["licence"] or "no licence", megabytes(row["n_bytes"] or 0)]
    if row.get("value") is not None and not row.get("twin"):
        said.append(str(row["value"]) + (f" ({held})" if (held := bound(row, "threshold")) else ""))
    if row.get("changed"):
        said.append("kept")
    head = f'<p class="name">{escaped(name)} <span>{" · ".join(escaped(part) for part in said if part)}</span></p>'
    if "found" not in row:
        body = '<p class="none">no excerpt: betterleaks, which finds secrets in it, is not installed</p>'
    elif row.get("twin"):
        return f'<div class="card">{_beside(row, head, twins.get(row["twin"]))}</div>'
    else:
        body = _pre(_lines(row), row["line"] - row["before"].count("\n"))
    return f'<div class="card">{head}{body}</div>'


def _beside(row: Row, head: str, twin: str | None) -> str:
    """Returns a copy with the file that is kept in its place, where they first differ."""
    similar = "" if row["similarity"] is None else f", Jaccard similarity {row['similarity']:.3g}"
    kept = f'<p class="name">{escaped(row["twin"])} <span>is kept{escaped(similar)}</span></p>'
    if twin is None or twin == row["found"]:
        return head + _pre([(False, line) for line in row["found"].split("\n")[:_HEAD]], 1) + kept
    line, ours, line_of_twin, theirs = first_difference(row["found"], twin)
    return f'<div class="two"><div>{head}{_pre(ours, line)}</div><div>{kept}{_pre(theirs, line_of_twin)}</div></div>'


def _lines(row: Row) -> Lines:
    """Returns an excerpt's lines; what was found in one is marked by the characters U+E000 and U+E001."""
    if not row["found"]:
        return [(False, line) for line in (row["before"] + row["after"]).split("\n")[:_HEAD]]
    before, found, after = (_plain(row[part]) for part in ("before", "found", "after"))
    first, last = before.rpartition("\n"), after.partition("\n")
    marked = [f"{_BEGIN}{line}{_END}" for line in found.split("\n")[: 2 * _HEAD]]
    marked[0] = first[2][-_LINE:] + marked[0]
    marked[-1] += last[0][:_LINE]
    return [
        *((False, line) for line in (first[0].split("\n") if first[1] else [])),
        *((True, line) for line in marked),
        *((False, line) for line in (last[2].split("\n") if last[1] else [])),
    ]


_BEGIN, _END = "\ue000", "\ue001"  # private use: taken out of the texts first


def _plain(text: str) -> str:
    return text.replace(_BEGIN, "\ufffd").replace(_END, "\ufffd")


def _pre(lines: Lines, number: int) -> str:
    rows = []
    for i, (marked, line) in enumerate(lines):
        within = _BEGIN in line
        most = 3 * _LINE if within else _LINE
        cut = line if len(line) <= most else f"{line[:most]}{_END if within and _END not in line[:most] else ''}…"
        shown = escaped(cut.rstrip("\r"))
        if within:
            shown = shown.replace(_BEGIN, "<mark>").replace(_END, "</mark>")
        rows.append(f'<span class="line{" hit" if marked else ""}" data-n="{number + i}">{shown}</span>')
    return f"<pre>{''.join(rows)}</pre>"
