"""HTML of which little is seen by who reads the page."""

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from codetitan.prepare.file import Drop, File
from codetitan.prepare.rules.checks import check_at_least, check_share

_TAG = re.compile(r"<(?=[a-zA-Z/!?])")
_NOT_SHOWN = re.compile(r"(?i:script|style)(?=[\s/>])")
_END = {name: re.compile(rf"(?i)</{name}(?=[\s/>])") for name in ("script", "style")}
_WITH_QUOTES = re.compile(r"""[^"'>]*(?:(?:"[^"]*"|'[^']*')[^"'>]*)*>""")
_MOST_IN_TAG = 2048  # characters that quotes are followed for: else one that is open makes all that follows quadratic


@dataclass(kw_only=True, slots=True)
class Html:
    """Drops HTML with fewer than `min_characters` characters of visible text, or less than `min_share` of all.

    Source: StarCoder2 §2.1 and StarCoder §3.1 ("HTML filter"): 100 characters and 20 %. There BeautifulSoup tells what
    is visible, once scripts and styles are out; here a scanner does: all that is in no tag, comment, script or style,
    entities decoded, white space counted.
    """

    NAME: ClassVar[str] = "html"

    enable: bool = True
    min_characters: int = 100
    min_share: float = 0.2

    def __post_init__(self) -> None:
        check_at_least("min_characters", self.min_characters, 0)
        check_share("min_share", self.min_share)

    def judge(self, file: File) -> Drop | None:
        if file.language != "html":
            return None
        n = len(html.unescape("".join(visible(file.text))))
        if n < self.min_characters:
            return Drop(self.NAME, "little visible text", n, self.min_characters)
        share = n / len(file.text)
        return Drop(self.NAME, "little of it is visible", share, self.min_share) if share < self.min_share else None


def visible(text: str) -> Iterator[str]:
    """Yields what of an HTML text is in no tag, comment, script or style; entities as they are written."""
    at = 0
    while (tag := _TAG.search(text, at)) is not None:
        yield text[at : tag.start()]
        at = _end_of(text, tag.start())
    yield text[at:]


def _end_of(text: str, begin: int) -> int:
    """Where a tag or comment, and with it a script or style, ends."""
    if text.startswith("<!--", begin):
        end = text.find("-->", begin + 4)
        return end + 3 if end >= 0 else len(text)
    end = text.find(">", begin)
    if end < 0:
        return len(text)
    if text.count('"', begin, end) % 2 or text.count("'", begin, end) % 2:  # a ">" in an attribute
        whole = _WITH_QUOTES.match(text, begin, begin + _MOST_IN_TAG)
        end = whole.end() - 1 if whole is not None else end
    if (name := _NOT_SHOWN.match(text, begin + 1)) is not None:
        closing_tag = _END[name[0].lower()].search(text, end)
        if closing_tag is None:
            return len(text)
        end = text.find(">", closing_tag.start())
    return end + 1 if end >= 0 else len(text)
