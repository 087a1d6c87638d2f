"""Where in a text a rule found what it dropped the file for, by what it said: roughly, for the eye alone."""

import re
from collections import Counter
from collections.abc import Callable

Place = tuple[int, int]
"""Characters [start, stop) of a text."""

HEAD: Place = (0, 0)
"""Nothing in particular: what a rule says is of the whole file, or of its name."""

_ENCODED = re.compile(r"[a-zA-Z0-9+/=\n]{64,}|(?:(?:0x|\\x)?[0-9a-fA-F]{2}[\s,]{0,2}){8,}|(?:\\u[0-9a-fA-F]{4}){8,}")
_DIGITS = re.compile(r"[0-9.,\s]{8,}")
_BLANK = re.compile(r"\s{4,}")


def found_at(rule: str, value: str | None, text: str) -> Place:
    """Returns where a rule found what it says; HEAD where that is no part of the text.

    Args:
        rule: its table.
        value: `Drop.value`, as dropped.parquet has it.
        text: of the file.
    """
    find = _BY_RULE.get(rule)
    return find(text, value or "") if find is not None else HEAD


def _longest_line(text: str, _value: str) -> Place:
    at = 0
    best = HEAD
    for line in text.split("\n"):
        if len(line) > best[1] - best[0]:
            best = (at, at + len(line))
        at += len(line) + 1
    return best


def _longest(expression: re.Pattern[str]) -> Callable[[str, str], Place]:
    def find(text: str, _value: str) -> Place:
        spans = (match.span() for match in expression.finditer(text))
        return max(spans, key=lambda span: (span[1] - span[0], -span[0]), default=HEAD)

    return find


def _word(text: str, value: str) -> Place:
    match = re.search(re.escape(value), text, re.IGNORECASE) if value else None
    return match.span() if match else HEAD


def _gram(text: str, value: str) -> Place:
    """Of `contamination`, which says `HumanEval/3: "words that follow each other"`."""
    words = re.findall(r"\w+", value.partition(': "')[2])
    match = re.search(r"\W+".join(map(re.escape, words)), text, re.IGNORECASE) if words else None
    return match.span() if match else HEAD


def _most_repeated_line(text: str, _value: str) -> Place:
    lines = Counter(line for line in text.split("\n") if len(line.strip()) > 2)
    if not lines:
        return HEAD
    line, _ = lines.most_common(1)[0]  # of several, the first in the text
    at = f"\n{text}\n".find(f"\n{line}\n")
    return at, at + len(line)


def _of(what: str) -> Callable[[str, str], Place]:
    return lambda text, _value: _word(text, what)


_BY_RULE: dict[str, Callable[[str, str], Place]] = {
    "asserts": _of("assert"),
    "contamination": _gram,
    "digits": _longest(_DIGITS),
    "duplicate_lines": _most_repeated_line,
    "encoded_data": _longest(_ENCODED),
    "generated": _word,
    "long_lines": _longest_line,
    "replacement": _of("\ufffd"),
    "white_space": _longest(_BLANK),
}
