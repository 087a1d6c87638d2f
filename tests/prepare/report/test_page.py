"""The page is one whole file in which nothing that anybody wrote is markup, and its pictures show what there is."""

import json
import re
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path

import pytest

from codetitan.prepare.counts import Tree, add, size_class
from codetitan.prepare.examples.collect import FILE, Examples, merged
from codetitan.prepare.report.charts import Bar, histogram
from codetitan.prepare.report.markup import escaped
from codetitan.prepare.report.output import open_output
from codetitan.prepare.report.page import page
from codetitan.prepare.report.tally import Tally
from codetitan.prepare.report.twins import first_difference
from codetitan.prepare.report.values import distributions, drawn
from tests.prepare.report.outputs import write_output

EVIL = "</script></pre><img onerror=alert(1) src='x'>\"&\x1b[2J\u202e"
MAIL = "jane.doe@company-mail.net"
_VOID = {"meta", "img", "br", "path", "rect", "line", "link"}


class Markup(HTMLParser):
    """What is in a page: its elements, their attributes and its text; every element is closed where it should be."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, Mapping[str, str | None]]] = []
        self.text = ""
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def made(folder: Path, evil: str) -> str:
    """Returns the page of an outcome in which every name and text is `evil`."""
    named = {"source": evil, "repo": evil, "language": "python", "licence": evil, "n_bytes": 3000}
    text = f"{evil}\nDO NOT EDIT {evil} {MAIL}\n" + "x = 1\n" * 20
    dropped = [
        {**named, "path": f"{evil}/{i}.py", "rule": "long_lines", "reason": "a long line", "value": f"{1100 * (i + 1)}",
         "threshold": "1000", "twin": None, "similarity": None} for i in range(9)
    ]  # fmt: skip
    dropped += [
        {**row, "rule": "generated", "reason": evil, "value": "do not edit", "threshold": None} for row in dropped
    ]
    twin = {**named, "path": f"kept{evil}.py", "content": text.replace("x = 1", "y = 2")}
    near = {"rule": "near_duplicates", "reason": "nearly", "value": "0.8", "threshold": "0.7", "similarity": 0.8}
    dropped.append({**named, "path": "near.py", **near, "twin": f"{evil}/kept{evil}.py"})
    output = open_output(write_output(folder, [twin], dropped))
    examples, tree = Examples(), Tree()
    for row in dropped:
        examples.add(row, text)
        for names in (("read",), ("dropped", row["rule"], row["reason"]), ("alone", row["rule"]),
                      ("licences", evil, "read"), ("languages", evil, "read"), ("sizes", "read", size_class(3000))):  # fmt: skip
            add(tree, 3000, *names)
    add(tree, 0, "unread", evil)
    add(tree, 1, "changed", "secrets", evil)
    examples.write(folder)
    return page(Tally(tree), output.corpus, output.dropped, merged([folder / FILE]), evil)


def test_nothing_is_markup(tmp_path: Path) -> None:
    found, tame = (Markup(made(tmp_path / name, text)) for name, text in (("a", EVIL), ("b", "tame")))
    assert [tag for tag, _ in found.elements] == [tag for tag, _ in tame.elements]  # whatever the names are
    tags = {tag for tag, _ in found.elements}
    assert not tags & {"script", "img", "link", "iframe", "object", "base", "form"} and {"svg", "table", "pre"} <= tags
    for _, attributes in found.elements:
        assert not any(name.startswith("on") or name == "src" for name in attributes)
        assert (attributes.get("href") or "#").startswith("#")
    assert {a["href"] for t, a in found.elements if t == "a"} <= {f"#{a['id']}" for _, a in found.elements if "id" in a}
    assert found.text.count("onerror") > 20 and "⟨U+001B⟩[2J⟨U+202E⟩" in found.text
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", found.text)


def test_what_it_shows(tmp_path: Path) -> None:
    text = made(tmp_path / "a", "plain")
    assert 'data-n="2"><mark>DO NOT EDIT</mark> plain &lt;EMAIL&gt;</span>' in text and MAIL not in text
    assert "y = 2" in text and text.index("near.py") < text.index("is kept, Jaccard similarity 0.8")  # beside it
    assert "http" not in text.replace("http-equiv", "") and "url(" not in text and "@import" not in text
    assert made(tmp_path / "b", "plain") == text


@pytest.mark.parametrize(
    "character", ["\x00", "\x1b", "\x7f", "\x9b", "\u202e", "\u2066", "\u200b", "\ufeff", "\ud800"]
)
def test_each_character_can_be_seen(character: str) -> None:
    assert escaped(f"a{character}b") == f"a⟨U+{ord(character):04X}⟩b"
    assert escaped("a\tb\nc") == "a\tb\nc" and escaped("<&>\"'") == "&lt;&amp;&gt;&quot;&#x27;"


def test_distributions(tmp_path: Path) -> None:
    """Numbers against their thresholds, in shares or by size; words have none, and no file is lost."""
    found = [("digits", "0.31", "0.2"), ("digits", "1", "0.2"), ("lines", "0", "7"), ("lines", "100001", "100000"),
             ("lines", "3e+08", "100000"), ("paths", "a.py", "vendor/"), ("licences", "1.2.3", "1.2.3")]  # fmt: skip
    rows = [{"path": "x", "rule": r, "reason": "why", "value": v, "threshold": t} for r, v, t in found]
    by = distributions(open_output(write_output(tmp_path, [], rows)).dropped)
    assert {rule: of.files for (rule, _), of in by.items()} == {"digits": 2, "lines": 3}
    assert by["digits", "why"].in_shares and not by["lines", "why"].in_shares
    for name, of in by.items():
        titles = re.findall(r": ([\d,]+) files</title>", drawn(name[0], of))
        assert sum(int(n.replace(",", "")) for n in titles) == of.files and len(titles) <= 51


def test_bars_are_as_tall_as_their_numbers() -> None:
    drawing = histogram("t", [Bar((n,), f"{n}") for n in (0, 1, 50, 100, 1_000_000)], [])
    heights = [float(height) for height in re.findall(r'height="([\d.]+)" fill', drawing)]
    assert heights[0] == 0 and heights[1:4] == [1.0, 1.0, 1.0] and heights[4] > 100  # one file is seen, too


def test_first_difference() -> None:
    a, b = ["same"] * 30 + ["x", "tail"], ["same"] * 30 + ["y", "z", "tail"]
    line, ours, line_of_twin, theirs = first_difference("\n".join(a), "\n".join(b))
    assert (line, line_of_twin) == (28, 28) and [text for hit, text in ours if hit] == ["x"]
    assert [text for hit, text in theirs if hit] == ["y", "z"] and theirs[-1] == (False, "tail")
    assert json.dumps(first_difference("", "")) == '[1, [[false, ""]], 1, [[false, ""]]]'
