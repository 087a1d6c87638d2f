"""What a file says of its own licence at its head: an SPDX tag, a licence's notice, or the licence itself."""

import re
from functools import lru_cache

from codetitan.prepare.licences.spdx import PROPRIETARY, both, normalised
from codetitan.prepare.licences.words import licence_of_words

_HEAD_CHARS = 8000  # the longest notice in use, BSD's, in a box of stars, with 50 owners
_TAG_LINES = 30
_CODE_LINES = 4  # before the notice: `<?php`, `package x;`, 'use strict', an include guard
_BLOCKS = (
    ("/*", "*/"), ("<!--", "-->"), ('r"""', '"""'), ('"""', '"""'), ("'''", "'''"), ("(*", "*)"), ("{-", "-}"),
    ("=begin", "=end"),
)  # fmt: skip
_LINES = ("//", "#", "*", ";", "--", "%", "dnl ", "REM ", "rem ", "..", "'", "!", '" ')
_TAG = re.compile(r"SPDX-License-Identifier:[ \t]*([^\n]+)")
_TAG_END = re.compile(r"\s*(?:\*/|\*\)|-->|--%>|#}|%}|\"\"\"|\*+$|#+$).*$")
_LIKELY = ("licen", "permission to use", "permission is hereby", "redistribution and use", "proprietary")
_PROPRIETARY = re.compile(
    r"proprietary and confidential|unauthori[sz]ed copying of this|confidential and proprietary", re.I
)
_MARKS = re.compile(r"^[ \t]*(?://+|#+|\*+|/\*+|;+|--+|%+|rem\b|dnl\b|<!--|\.\.|\"\"\"|''')?[ \t]*", re.I | re.M)
_OWNER = re.compile(r"^[ \t]*(?:copyright|\(c\)|©)(?! (?:notice|holder|owner|law|and)).*$", re.I | re.M)
# Notices that the classifier does not know: words that name the licence beyond doubt.
_NOTICES = (
    (re.compile(r"Distributed under the Boost Software Licen[sc]e, Version 1\.0", re.I), "BSL-1.0"),
    (re.compile(r"(?:released|licensed|distributed) under the (?:terms of the )?MIT Licen[sc]e\b", re.I), "MIT"),
    (re.compile(r"Licensed under (?:the )?Apache Licen[sc]e,? (?:Version )?2\.0", re.I), "Apache-2.0"),
)
# "GNU General Public License version 2" in words of one's own; a notice of a licence that the classifier missed.
_GNU = re.compile(
    r"(?:under|terms of)\b.{0,60}?\b(?:GNU\s+)?((?:Affero |Lesser |Library )?General\s+Public\s+Licen[sc]e|[AL]?GPL)"
    r"(?:[\s,(]*(?:version|v\.?)?\s*([123](?:\.[01])?))?",
    re.I | re.S,
)


def said_by_file(text: str) -> tuple[str, str | None] | None:
    """Returns what a file's head says of its licence: (the words, the SPDX expression or None where it is not known).

    Its own tag decides; else all the notices in the head hold. None where it says nothing, or only points elsewhere.
    """
    head = text[:_HEAD_CHARS]
    if "SPDX-License-Identifier" in head:
        lines = head.split("\n", _TAG_LINES)[:_TAG_LINES]
        tags = [_TAG_END.sub("", tag).strip() for tag in _TAG.findall("\n".join(lines))]
        if tags:
            known = [normalised(tag) or licence_of_words(tag) for tag in tags]
            return " AND ".join(tags), both(one for one in known if one) if all(known) else None
    lower = head.lower()
    if not any(word in lower for word in _LIKELY):
        return None
    return _of_notice(_notice(head))


def _notice(head: str) -> str:
    """The comments at the head as text, without owners: repositories repeat the rest in every file.

    Only comments speak for the file; code may hold licences for other things, as a template does.
    """
    kept: list[str] = []
    n_code, end = 0, None
    for line in head.split("\n"):
        words = line.strip()
        if end is None:
            opened = next(((mark, close) for mark, close in _BLOCKS if words.startswith(mark)), None)
            if opened is None and words and not words.startswith(_LINES):
                n_code += 1
                if n_code > _CODE_LINES:
                    break
                continue
            mark, end = opened or ("", None)
            words = words[len(mark) :]
        kept.append(line)
        if end is not None and end in words:
            end = None
    return _OWNER.sub("", _MARKS.sub("", "\n".join(kept)))


@lru_cache(maxsize=4096)
def _of_notice(notice: str) -> tuple[str, str | None] | None:
    from licenseclassifier import identify_license

    if match := _PROPRIETARY.search(notice):
        return match[0], PROPRIETARY
    found = [normalised(match.id) or match.id for match in identify_license(notice, 0)]
    found += [name for pattern, name in _NOTICES if pattern.search(notice)]
    if not found and (match := _GNU.search(notice)):
        words = " ".join(f"GNU {match[1]} {match[2] or ''}".split())
        return words, licence_of_words(words) or licence_of_words(f"GNU {match[1]}")
    if not found:
        return None
    licence = both(found)
    return f"its notice: {licence}", licence
