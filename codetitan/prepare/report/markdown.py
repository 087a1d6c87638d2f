"""The report as Markdown: tables of files and bytes."""

from collections.abc import Sequence

from codetitan.errors import printable
from codetitan.prepare.report.tally import Count, Group, Tally

_MOST = 40  # languages and licences in a table; the rest is one row


def megabytes(n_bytes: int) -> str:
    """Returns bytes as people read them: 12.1 MB."""
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n_bytes >= size:
            return f"{n_bytes / size:,.1f} {unit}"
    return f"{n_bytes} B"


def share(part: int, whole: int) -> str:
    """Returns a part of a whole in per cent."""
    return f"{100 * part / whole:.1f} %" if whole else ""


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(head)} |", f"| --- |{' --: |' * (len(head) - 1)}"]
    return [*lines, *(f"| {' | '.join(map(_cell, row))} |" for row in rows), ""]


def _cell(text: str) -> str:
    """Returns a text in a cell of one line; what a store calls its licences is anybody's."""
    return printable(text).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")


def _rest(groups: Sequence[Group]) -> Group:
    def total(counts: list[Count]) -> Count:
        return sum(c[0] for c in counts), sum(c[1] for c in counts)

    return Group(f"{len(groups)} more", total([g.read for g in groups]), total([g.kept for g in groups]))


def groups_table(name: str, groups: Sequence[Group]) -> list[str]:
    """Returns the table of languages, licences, documents or sizes."""
    shown = [*groups[:_MOST], *([_rest(groups[_MOST:])] if len(groups) > _MOST else [])]
    rows = [
        [g.name or "none", f"{g.read[0]:,}", megabytes(g.read[1]), f"{g.kept[0]:,}", megabytes(g.kept[1]),
         share(g.kept[1], g.read[1])]
        for g in shown
    ]  # fmt: skip
    return _table([name, "files read", "bytes", "kept", "bytes", "of its bytes"], rows)


def markdown(tally: Tally, title: str) -> str:
    """Returns the report."""
    read, kept = tally.read, tally.kept
    lines = [
        f"# {title}",
        "",
        f"{read[0]:,} files read, {megabytes(read[1])}; {kept[0]:,} kept, {megabytes(kept[1])} "
        f"({share(kept[1], read[1])} of the bytes).",
        "",
        "## By rule",
        "",
        "A file is counted where it was dropped first; *alone* is what a rule would have dropped as the only one.",
        "",
    ]
    rows = []
    for rule in tally.rules():
        rows.append([
            f"**{rule.name}**", f"{rule.dropped[0]:,}", megabytes(rule.dropped[1]), share(rule.dropped[1], read[1]),
            f"{rule.alone[0]:,}" if rule.alone[0] else "", megabytes(rule.alone[1]) if rule.alone[0] else "",
        ])  # fmt: skip
        for reason, count in sorted(rule.reasons.items(), key=lambda item: (-item[1][1], item[0])):
            rows.append([reason, f"{count[0]:,}", megabytes(count[1]), share(count[1], read[1]), "", ""])
    lines += _table(["rule", "files", "bytes", "of all bytes", "alone, files", "alone, bytes"], rows)
    if unread := tally.unread:
        lines += [
            "## Not read",
            "",
            *_table(["reason", "files"], [[r, f"{c[0]:,}"] for r, c in sorted(unread.items())]),
        ]
    if changed := tally.changed():
        rows = [
            [f"{rule}: {what}", f"{count[0]:,}", f"{count[1]:,}"]
            for rule, counts in sorted(changed.items())
            for what, count in sorted(counts.items())
        ]
        lines += ["## Changed", "", *_table(["what", "times", "files"], rows)]
    for by, name in (("languages", "language"), ("licences", "licence"), ("documents", "document")):
        if by != "documents" or len(tally.groups(by)) > 1:  # of files alone there is nothing to tell
            lines += [f"## By {name}", "", *groups_table(name, tally.groups(by))]
    lines += ["## By size", "", *groups_table("bytes, below", tally.sizes())]
    return "\n".join(lines).rstrip() + "\n"
