"""The report as one HTML file: no script, no network, nothing that a file's name or text could run."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from codetitan.prepare.report.charts import Bar, histogram
from codetitan.prepare.report.markdown import megabytes, share
from codetitan.prepare.report.markup import escaped, share_bar, table
from codetitan.prepare.report.shown import anchor, examples
from codetitan.prepare.report.style import STYLE
from codetitan.prepare.report.tally import Count, Group, Tally
from codetitan.prepare.report.twins import twins_of
from codetitan.prepare.report.values import distributions, drawn

_MOST = 25  # languages and licences in a table; the rest is one row
_COLOURS = 8  # rules that have one of their own in the bar at the top


def page(
    tally: Tally, corpus: Sequence[Path], dropped: Sequence[Path], found: Sequence[Mapping[str, Any]], title: str
) -> str:
    """Returns the page.

    Args:
        tally: what was counted.
        corpus, dropped: tables, in order.
        found: examples, of `merged`.
        title: for people.

    Raises:
        ConfigError: a table can't be read.
    """
    with_examples = {row["rule"] for row in found}
    rules = [rule.name for rule in tally.rules()]
    parts = [
        "<!doctype html>", '<html lang="en"><head><meta charset="utf-8">',
        # Should something slip through after all: nothing is loaded, and no script runs.
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; style-src \'unsafe-inline\'">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escaped(title)}</title><style>{STYLE}</style></head><body><main>",
        f"<h1>{escaped(title)}</h1>", _head(tally), _rules(tally, with_examples), _others(tally),
        _section("sizes", "By size", _sizes(tally)),
        _section("languages", "By language", _groups("language", tally.groups("languages"))),
        _section("licences", "By licence", _groups("licence", tally.groups("licences"))),
        _section("values", "What was found, and the thresholds", _values(dropped)),
        _section("examples", "Examples", _EXAMPLES + examples(found, twins_of(found, corpus), rules)),
        "</main></body></html>",
    ]  # fmt: skip
    return "\n".join(part for part in parts if part) + "\n"


_EXAMPLES = """<p>Of each reason up to three files: those whose names have the smallest hashes. What was found is
<mark>marked</mark>; secrets are replaced by placeholders.</p>"""


def _section(name: str, title: str, body: str) -> str:
    return f'<section id="{name}"><h2>{escaped(title)}</h2>\n{body}</section>' if body else ""


def _head(tally: Tally) -> str:
    read, kept = tally.read, tally.kept
    tiles = [
        (f"{kept[0]:,}", f"of {read[0]:,} files kept ({share(kept[0], read[0])})"),
        (megabytes(kept[1]), f"of {megabytes(read[1])} kept ({share(kept[1], read[1])})"),
        (f"{sum(1 for g in tally.groups('languages') if g.kept[0]):,}", "languages"),
        (f"{sum(1 for g in tally.groups('licences') if g.kept[0]):,}", "licences"),
    ]
    shown = "".join(f"<div><b>{escaped(n)}</b> {escaped(words)}</div>" for n, words in tiles)
    return f'<div class="tiles">{shown}</div>{_bar(tally)}'


def _bar(tally: Tally) -> str:
    """Returns where the bytes went, as one bar: what is kept, and the rules that dropped most."""
    rules = tally.rules()
    pieces = [("kept", tally.kept[1], "k")]
    pieces += [(rule.name, rule.dropped[1], f"d{i}") for i, rule in enumerate(rules[:_COLOURS])]
    pieces.append(("other rules", sum(rule.dropped[1] for rule in rules[_COLOURS:]), "other"))
    whole = sum(n for _, n, _ in pieces) or 1
    pieces = [piece for piece in pieces if piece[1]]
    bar = "".join(
        f'<i class="{kind}" style="flex:{n / whole:.5f}" title="{escaped(name)}: {megabytes(n)}"></i>'
        for name, n, kind in pieces
    )
    legend = "".join(
        f'<span><i class="{kind}"></i>{escaped(name)} {100 * n / whole:.1f} %</span>' for name, n, kind in pieces
    )
    return f'<div class="bar">{bar}</div><p class="legend">{legend}</p>'


def _rules(tally: Tally, with_examples: set[str]) -> str:
    whole, rows = tally.read[1], []
    for rule in tally.rules():
        name = f"<code>{escaped(rule.name)}</code>"
        name = f'<a href="#{anchor(rule.name)}">{name}</a>' if rule.name in with_examples else name
        alone = [f"{rule.alone[0]:,}", megabytes(rule.alone[1])] if rule.alone[0] else ["", ""]
        rows.append(("rule", [name, *_count(rule.dropped), share_bar(rule.dropped[1], whole), *alone]))
        for reason, count in sorted(rule.reasons.items(), key=lambda item: (-item[1][1], item[0])):
            rows.append(("reason", [escaped(reason), *_count(count), share_bar(count[1], whole), "", ""]))
    head = ["rule", "files", "bytes", "of all bytes", "alone: files", "bytes"]
    words = (
        "<p>A file is counted where it was dropped first; <em>alone</em> is what a rule would have dropped as the only "
        "one. Duplicates and shares of languages are looked for among what is left, so they have none.</p>"
    )
    return _section("rules", "By rule", words + table(head, rows))


def _count(count: Count) -> list[str]:
    return [f"{count[0]:,}", megabytes(count[1])]


def _others(tally: Tally) -> str:
    """Returns what could not be read, and what was changed in texts that are kept."""
    unread = [
        ("", [escaped(reason), f"{c[0]:,}"]) for reason, c in sorted(tally.unread.items(), key=lambda i: -i[1][0])
    ]
    changed = [
        ("", [escaped(f"{rule}: {what}"), f"{count[0]:,}", f"{count[1]:,}"])
        for rule, counts in sorted(tally.changed().items())
        for what, count in sorted(counts.items())
    ]
    first = _section("unread", "Not read", table(["reason", "files"], unread, "narrow")) if unread else ""
    second = _section("changed", "Changed", table(["what", "times", "files"], changed, "narrow")) if changed else ""
    return f'<div class="columns">{first}{second}</div>' if first or second else ""


def _sizes(tally: Tally) -> str:
    groups = tally.sizes()
    if not groups:
        return ""
    powers = [int(group.name.removeprefix("2^")) for group in groups]
    by = dict(zip(powers, groups, strict=True))
    nothing = Group("", (0, 0), (0, 0))
    all_groups = [(power, by.get(power, nothing)) for power in range(min(powers), max(powers) + 1)]
    ticks = [
        (i, megabytes(1 << power).replace(".0 ", " ")) for i, (power, _) in enumerate(all_groups) if power % 4 == 0
    ]
    parts = []
    for unit, name in ((0, "files"), (1, "bytes")):
        bars = [
            Bar(
                (group.read[unit], group.kept[unit]),
                f"below {megabytes(1 << power)}: {group.read[0]:,} files read, {megabytes(group.read[1])}; "
                f"{group.kept[0]:,} kept, {megabytes(group.kept[1])}",
            )
            for power, group in all_groups
        ]
        chart = histogram(f"{name} by the size of a file", bars, ticks)
        parts.append(f"<figure><figcaption>{name} by the size of a file</figcaption>{chart}</figure>")
    key = '<p class="legend"><span><i class="s0"></i>read</span><span><i class="s1"></i>kept</span></p>'
    return f'{key}<div class="charts">{"".join(parts)}</div>'


def _groups(name: str, groups: Sequence[Group]) -> str:
    if not groups:
        return ""
    rows = [("", [escaped(g.name or "none"), *_of_group(g)]) for g in groups[:_MOST]]
    if rest := groups[_MOST:]:
        read, kept = (
            (sum(getattr(g, of)[0] for g in rest), sum(getattr(g, of)[1] for g in rest)) for of in ("read", "kept")
        )
        rows.append(("reason", [f"{len(rest):,} more", *_of_group(Group("", read, kept))]))
    return table([name, "files read", "bytes", "kept", "bytes", "of its bytes"], rows)


def _of_group(group: Group) -> list[str]:
    return [*_count(group.read), *_count(group.kept), share_bar(group.kept[1], group.read[1])]


def _values(dropped: Sequence[Path]) -> str:
    figures = []
    for (rule, reason), of in distributions(dropped).items():
        name = f"{rule}: {reason}"
        count = f"{of.files:,} file{'s' if of.files != 1 else ''}"
        figures.append(
            f"<figure><figcaption><code>{escaped(rule)}</code> {escaped(reason)} <span>{count}</span></figcaption>"
            f"{drawn(name, of)}</figure>"
        )
    if not figures:
        return ""
    words = "<p>Of the files that each rule dropped; the line is the threshold.</p>"
    return f'{words}<div class="charts">{"".join(figures)}</div>'
