"""Visible text: both sides of the thresholds, and beside the parser of the standard library."""

import html
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest

from codetitan.prepare.file import Drop
from codetitan.prepare.rules.html import Html, visible
from tests.prepare.rules.made import made


class Plain(HTMLParser):
    """What BeautifulSoup's get_text is made of with "html.parser", without scripts and styles."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.inside: list[str] = []
        self.said: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag in ("script", "style"):
            self.inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self.inside and tag == self.inside[-1]:
            self.inside.pop()

    def handle_data(self, data: str) -> None:
        if not self.inside:
            self.said.append(data)


def plain(text: str) -> str:
    parser = Plain()
    parser.feed(text)
    parser.close()
    return "".join(parser.said)


def page(text: str) -> str:
    return html.unescape("".join(visible(text)))


def test_a_hundred_characters_and_a_fifth() -> None:
    assert Html().judge(made("<p>" + "x" * 100, "html")) is None
    assert Html().judge(made("<p>" + "x" * 99, "html")) == Drop("html", "little visible text", 99, 100)
    assert Html().judge(made("x" * 100 + f"<p {'y' * 396}>", "html")) is None
    drop = Html().judge(made("x" * 100 + f"<p {'y' * 397}>", "html"))
    assert drop == Drop("html", "little of it is visible", 100 / 501, 0.2)
    assert Html().judge(made("<p>")) is None  # not HTML


@pytest.mark.parametrize(
    "text",
    [
        "<!DOCTYPE html><html><head><title>T</title><style>p {}</style></head><body>a &amp; b</body></html>",
        "a<!-- no <p> no -->b<script>if (a < b) { '</p>' }</script>c<SCRIPT SRC='x'>no</SCRIPT >d",
        "<a title='x > y' href=\"z>\">link</a> 1 < 2 &lt; 3 <3",
        "<p\nclass='a'>b</p><br/><scripted>c</scripted>",
        "<?php echo 1 ?>a</p>",
        "<style>never closed <p>",
    ],
)
def test_as_a_parser_sees_it(text: str) -> None:
    assert page(text) == plain(text)


def test_real_pages() -> None:
    roots = [Path("/usr/share/doc"), Path(pytest.__file__).parent.parent]
    pages = [path for root in roots if root.is_dir() for path in sorted(root.rglob("*.html"))]
    pages = [path for path in pages if path.is_file() and path.stat().st_size < 200_000][:40]
    if not pages:
        pytest.skip("this machine has no HTML")
    for path in pages:
        text = path.read_text("utf-8", "replace")
        assert abs(len(page(text)) - len(plain(text))) <= 0.02 * len(text), path


@pytest.mark.parametrize("piece", ["<", "<a ", '<a "', "<!--", "<script>", "</", "<a b='>", "&", "<style "])
def test_a_megabyte_of_rubbish_takes_seconds(piece: str) -> None:
    start = time.process_time()
    Html().judge(made(piece * (1_000_000 // len(piece)), "html"))
    assert time.process_time() - start < 20
