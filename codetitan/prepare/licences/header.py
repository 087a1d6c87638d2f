"""What a file says of its own licence at its head: an SPDX tag, a licence's notice, or the licence itself.

Only comments speak for the file: its strings may hold licences for other things, as a template does.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from codetitan.prepare.licences.notices import named
from codetitan.prepare.licences.spdx import PROPRIETARY, both, normalised, parsed
from codetitan.prepare.licences.words import licence_of_words

_HEAD_CHARS = 8000  # the longest notice in use, BSD's, in a box of stars, with 50 owners
_TAG_LINES = 30
_CODE_LINES = 4  # before the notice: `<?php`, `package x;`, 'use strict', an include guard
_BLOCKS = (
    ("/*", "*/"), ("<!--", "-->"), ('r"""', '"""'), ('"""', '"""'), ("'''", "'''"), ("(*", "*)"), ("{-", "-}"),
    ("=begin", "=end"),
)  # fmt: skip
_STRINGS = ('"""', "'''", "`")  # what is opened in a line of code is no comment, whatever its lines begin with
_LINES = ("//", "#", "*", ";", "--", "%", "dnl ", "REM ", "rem ", "..", "'", "!", '" ')
_STRING_END = ("'", "',", "';", "' +")  # of a line that begins with a quote, which is Visual Basic's mark, too
_TAG = re.compile(r"(?<![\"'`])SPDX-License-Identifier:[ \t]*([^\n]+)", re.IGNORECASE)
_TAG_END = re.compile(r"\s*(?:\*/|\*\)|-->|--%>|#}|%}|\"\"\"|'''|\*+$|#+$).*$")
_SNIPPET = re.compile(r"SPDX-SnippetBegin.*?(?:SPDX-SnippetEnd|\Z)", re.DOTALL)
_MARKED = re.compile(r"[ \t]*[#;%!/*-]")  # a line of a docstring that is an example's comment
_LIKELY = (
    "licen", "permission to use", "permission is hereby", "redistribution and use", "proprietary", "gpl", "cddl",
    "eupl", "sspl", "cecill", "creative commons", "confidential", "copying of this",
)  # fmt: skip
_PROPRIETARY = re.compile(
    r"proprietary and confidential|unauthori[sz]ed copying of this|confidential and proprietary", re.I
)
_MARKS = re.compile(r"^[ \t]*(?://+|#+|\*+|/\*+|;+|--+|%+|rem\b|dnl\b|<!--|\.\.|\"\"\"|''')?[ \t]*", re.I | re.M)
_OWNER = re.compile(r"^[ \t]*(?:copyright|\(c\)|©)(?! (?:notice|holder|owner|law|and)).*$", re.I | re.M)


class Head(NamedTuple):
    """What a head says.

    Attributes:
        says: its words.
        licence: SPDX expression; None where it is not known.
        alone: whether that decides. A licence that is named in passing, as that of what a file bundles, or a snippet's,
            holds beside what is said of the repository.
    """

    says: str
    licence: str | None
    alone: bool = True


def said_by_file(text: str) -> Head | None:
    """Returns what a file's head says of its licence.

    Its own tag decides; else all the notices in the head hold. None where it says nothing, or only points elsewhere.
    """
    head = text[:_HEAD_CHARS].removeprefix("\ufeff")
    lower = head.lower()
    has_tag = "spdx-license-identifier" in lower
    if not has_tag and not any(word in lower for word in _LIKELY):
        return None
    head = head.replace("\r\n", "\n").replace("\r", "\n")
    if has_tag:
        lines = (
            line for number, line, docs in _comments(head) if number < _TAG_LINES and not (docs and _MARKED.match(line))
        )
        comments = "\n".join(lines)
        own, snippets = _TAG.findall(_SNIPPET.sub("", comments)), _TAG.findall(comments)
        if own:
            return _of_tags(own, alone=True)
        if snippets:
            return _of_tags(snippets, alone=False)
    # Without owners: repositories repeat the rest in every file.
    return _of_notice(_OWNER.sub("", _MARKS.sub("", "\n".join(line for _, line, _ in _comments(head)))))


def _of_tags(tags: list[str], *, alone: bool) -> Head:
    tags = [_TAG_END.sub("", tag).strip() for tag in tags]
    known = [_of_tag(tag) for tag in tags]
    return Head(" AND ".join(tags), both(one for one in known if one) if all(known) else None, alone)


def _of_tag(tag: str) -> str | None:
    # Somebody's own name is a valid tag, and prepare.licences.allow may name it.
    own = tag.startswith("LicenseRef-") and parsed(tag) is not None and tag.replace("LicenseRef-", "").isidentifier()
    return normalised(tag) or licence_of_words(tag) or (tag if own else None)


def _comments(head: str) -> Iterator[tuple[int, str, bool]]:
    """Yields (number, line, whether it is a docstring's) of the comments, until a few lines of code have come."""
    n_code, end, is_comment = 0, None, True
    for number, line in enumerate(head.split("\n")):
        words = line.strip()
        if end is not None:
            if is_comment:
                yield number, line, end in _STRINGS
            if end in words:
                end = None
            continue
        mark, close = next(((mark, close) for mark, close in _BLOCKS if words.startswith(mark)), ("", None))
        is_string = words.startswith("'") and words.endswith(_STRING_END) and len(words) > 1 and close is None
        if close is not None:
            is_comment = close not in _STRINGS or not n_code  # a docstring comes before all code
            if is_comment:
                yield number, line, False
            end = None if close in words[len(mark) :] else close
        elif words.startswith(_LINES) and not is_string:
            yield number, line, False
        elif words:
            n_code += 1
            if n_code > _CODE_LINES:
                return
            end = next((quotes for quotes in _STRINGS if words.count(quotes) % 2), None)
            is_comment = False


@lru_cache(maxsize=4096)
def _of_notice(notice: str) -> Head | None:
    if match := _PROPRIETARY.search(notice):
        return Head(match[0], PROPRIETARY)
    found = named(notice)
    return Head(f"its notice: {found.says}", found.licence, found.alone) if found is not None else None
