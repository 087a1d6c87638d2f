"""E-mail addresses, and the names of people where an author's tag or an address says so.

BigCode's rules (bigcode-dataset, pii/utils/emails_ip_addresses_detection.py), with a known top-level domain in place of
any word: Python multiplies matrices by `a@b.weight`.
"""

import re
from collections.abc import Iterator

from codetitan.prepare.secrets.found import Secret, line_before

# From its `@` on, which few texts have: the part before it is looked at then.
_AT = re.compile(r"@(?:[A-Za-z0-9-]{1,63}\.)+([A-Za-z]{2,12})(?![\w@(-]|\.\w+\()")
_LOCAL = re.compile(r"[A-Za-z0-9][\w.+%-]{0,63}$")
_LOCAL_CHARS = 64
_BEFORE = re.compile(r"(?:\w|[.+%@-])$|://[^\s/'\"]*$")  # the middle of a word, or of a URL's user and password
_TOP_LEVEL = {
    "com", "org", "net", "edu", "gov", "mil", "int", "info", "biz", "name", "pro", "dev", "app", "tech",
    "cloud", "online", "site", "xyz", "email", "shop", "blog", "live", "systems", "software", "digital",
    "group", "solutions", "consulting", "technology", "agency", "studio", "world", "team", "science",
    "institute", "academy", "berlin", "london",
}  # fmt: skip
_FILES = {"py", "js", "ts", "md", "sh", "rs", "so", "cc", "cs", "go", "hs", "ml", "mm", "pm", "ps", "rb", "vb"}
_COUNTRIES_TOO = {"rs", "sh", "md", "so", "cc", "mm", "pm", "ps", "py"}  # of which mail comes from these
# Nobody reads what is sent there: RFC 2606's, and accounts of machines.
_NOBODY = re.compile(
    r"^(?:git|hg|svn|noreply|no-reply|no_reply|donotreply|do-not-reply|user|username|name|you|your\.?name|foo|bar|test"
    r"|someone|email|mail)@"
    r"|@(?:[\w-]+\.)*(?:example|test|invalid|localhost|local)(?:\.\w+)?$|@(?:users\.)?noreply\.|@(?:foo|bar|domain|email"
    r"|mail|host|server|company|yourdomain|acme)\.(?:com|org|net)$",
    re.IGNORECASE,
)
_NAME_WORD = r"[A-Z](?:[\w'’.-]*\w|\.)?"  # what ends it is the code's: `__author__ = 'Jane Roe'`
_NAME = rf"{_NAME_WORD}(?:[ ](?:(?:van|von|de|der|den|del|da|di|la|le|al|bin)[ ])?{_NAME_WORD}){{1,3}}"
_TAGGED = re.compile(
    r"(?:@authors?[ \t]+"
    r"|\b(?:[Aa]uthors?|[Mm]aintainers?|[Cc]reated[ -]by|[Ww]ritten by|AUTHORS?|MAINTAINERS?)[ \t]*:[ \t]*"
    r"|\b(?:[Cc]reated|[Ww]ritten) by |__(?:author|maintainer)__[ \t]*=[ \t]*['\"]|:(?:author|maintainer):[ \t]*)"
    rf"({_NAME}(?:(?:,| and| &)[ ]{_NAME})*)"
)
_TAGS = ("uthor", "aintainer", "reated", "ritten", "AUTHOR", "MAINTAINER")  # in each tag; finding words is fast
_BEFORE_ADDRESS = re.compile(rf"({_NAME})\.?[ ]?[<(]$")
_NO_PERSON = re.compile(
    r"\b(?:Inc|Ltd|LLC|GmbH|Corp|Corporation|Company|Team|Group|Foundation|Project|Developers?|Contributors?|Authors?"
    r"|University|Institute|Labs?|Software|Systems|Technologies|The|Google|Microsoft|Facebook|Apache|Red Hat|Mailing"
    r"|List|Support|License|Copyright|Version|Python|Package|Security)\b"
)


def emails_in(text: str) -> Iterator[Secret]:
    """Yields the addresses at which somebody may read: no example's and no machine's."""
    for match in _AT.finditer(text):
        at = match.start()
        if not at or not (text[at - 1].isalnum() or text[at - 1] in "_+%-."):
            continue
        local = _LOCAL.search(text, max(0, at - _LOCAL_CHARS), at)
        if local is None or _BEFORE.search(text, max(0, local.start() - 200), local.start()):
            continue
        top = match[1]
        if not (top.islower() or top.isupper()):
            continue
        top = top.lower()
        if top not in _TOP_LEVEL and (len(top) != 2 or top in _FILES - _COUNTRIES_TOO):
            continue
        if not _NOBODY.search(text[local.start() : match.end()]):
            yield Secret(local.start(), match.end(), "email")


def names_in(text: str, addresses: list[Secret]) -> Iterator[Secret]:
    """Yields the names of people that an author's tag names, or that stand before an address: `Name <address>`.

    Args:
        text: the text.
        addresses: e-mail addresses in it.
    """
    found = [match.span(1) for start, stop in _tagged_lines(text) for match in _TAGGED.finditer(text, start, stop)]
    for address in addresses:
        before = _BEFORE_ADDRESS.search(text, max(0, address.start - 80), address.start)
        if before:
            found.append(before.span(1))
    for start, stop in found:
        # Who holds the copyright stays: most licences ask for that notice.
        if not _NO_PERSON.search(text, start, stop) and "copyright" not in line_before(text, start).lower():
            yield Secret(start, stop, "name")


def _tagged_lines(text: str) -> Iterator[tuple[int, int]]:
    """Yields where lines with a word of a tag begin and end, each once."""
    lines = set()
    for word in _TAGS:
        at = text.find(word)
        while at >= 0:
            stop = text.find("\n", at)
            stop = len(text) if stop < 0 else stop
            lines.add((text.rfind("\n", 0, at) + 1, stop))
            at = text.find(word, stop)
    yield from sorted(lines)
