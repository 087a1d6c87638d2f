"""Licences that a notice in a file's head names, with their own words or in others."""

import re
from typing import NamedTuple

from codetitan.prepare.licences.spdx import both, identifier, normalised
from codetitan.prepare.licences.words import licence_of_words

_WORD = re.compile(r"\w+")
_PASSING = 20  # words: what has fewer only names a licence, which may be that of what the file speaks of
# Words that the classifier does not know, and that name the licence beyond doubt.
_MENTIONS = (
    (re.compile(r"Distributed under the Boost Software Licen[sc]e,? Version 1\.0", re.I), "BSL-1.0"),
    (re.compile(r"(?:released|licensed|distributed) under the (?:terms of the )?MIT Licen[sc]e\b", re.I), "MIT"),
    (re.compile(r"Licensed under (?:the )?Apache Licen[sc]e,? (?:Version )?2\.0", re.I), "Apache-2.0"),
)
_BEGINS = re.compile(r"(?:^|[.:;!][ \t]+)\W*$", re.M)
_CHOICE = re.compile(
    r"\b(?:dual(?:ly)?|alternatively|choose|choice|either(?!\s+version)|or(?! \(at| later| modify| any))\b", re.I
)
# "GNU General Public License version 2" in words of one's own; a notice of a licence that the classifier missed.
_GNU = re.compile(
    r"(?:under|terms of)\b.{0,60}?\b(?:GNU\s+)?((?:Affero |Lesser |Library )?General\s+Public\s+Licen[sc]e|[AL]?GPL)"
    r"(?:[\s,(]*(?:version|v\.?)?\s*([123](?:\.[01])?))?",
    re.I | re.S,
)
# Others that ask for more than permissive ones do, after words that put something under them.
_OTHERS = re.compile(
    r"\b(?:under|terms\s+of|subject\s+to|governed\s+by|accordance\s+with)\b[^.]{0,80}?"
    r"\b((?:Eclipse\s+Public|Common\s+Development\s+and\s+Distribution|Mozilla\s+Public|Common\s+Public|IBM\s+Public"
    r"|Netscape\s+Public|Apple\s+Public\s+Source|European\s+Union\s+Public|Open\s+Software|Q\s+Public"
    r"|Microsoft\s+(?:Reciprocal|Limited)|Server\s+Side\s+Public|Business\s+Source|Elastic|Confluent\s+Community"
    r"|Functional\s+Source|Reciprocal\s+Public|PolyForm\s+[\w-]+)\s+Licen[sc]e|CeCILL|CDDL|EUPL|SSPL"
    r"|Creative\s+Commons(?:\W+(?:Attribution|Non-?Commercial|Share-?Alike|No-?Deriv\w+|BY|NC|SA|ND)\b)+)"
    r"(?:[\s,(]*(?:version|v\.?)?\s*(\d(?:\.\d)?))?",
    re.I,
)
_COMMONS = (
    ("BY", r"attribution|\bby\b"),
    ("NC", r"non-?comm|\bnc\b"),
    ("SA", r"alike|\bsa\b"),
    ("ND", r"deriv|\bnd\b"),
)


class Named(NamedTuple):
    """What a notice names.

    Attributes:
        says: its words.
        licence: SPDX expression of all; None where one is not known.
        alone: whether that is said of the file beyond doubt.
    """

    says: str
    licence: str | None
    alone: bool


def named(notice: str) -> Named | None:
    """Returns the licences of a notice; None where it names none.

    Args:
        notice: the comments at a file's head, without their marks.
    """
    from licenseclassifier import identify_license

    found: dict[str, str | None] = {}  # words → SPDX expression
    alone = False
    for match in identify_license(notice, 0):
        known = normalised(match.id) or match.id
        found[known] = known
        whole = len(_WORD.findall(notice[match.start : match.end])) >= _PASSING
        alone = alone or whole or _begins(notice, match.start)
    for pattern, name in _MENTIONS:
        for mention in pattern.finditer(notice):
            found[name] = name
            alone = alone or _begins(notice, mention.start())
    if (gnu := _GNU.search(notice)) and not any("GPL" in name for name in found):
        words = " ".join(f"GNU {gnu[1]} {gnu[2] or ''}".split())
        licence = licence_of_words(words) or licence_of_words(f"GNU {gnu[1]}")
        if found and licence and _CHOICE.search(notice):
            others = both(one for one in found.values() if one)
            found = {f"{', '.join(found)} or {words}": normalised(f"({others}) OR {licence}")}
        else:
            alone = alone or not found
            found[words] = licence
    if other := _OTHERS.search(notice):
        words = " ".join(f"{other[1]} {other[2] or ''}".split())
        licence = licence_of_words(words) or _creative_commons(words)
        if licence is None or licence not in found.values():
            alone = alone or not found
            found[words] = licence
    if not found:
        return None
    all_known = all(found.values())
    return Named(", ".join(found), both(one for one in found.values() if one) if all_known else None, alone)


def _begins(notice: str, at: int) -> bool:
    """Whether a sentence begins there: what is said in the middle of one may be of another thing."""
    return notice[at].isupper() and _BEGINS.search(notice, max(0, at - 80), at) is not None


def _creative_commons(words: str) -> str | None:
    if not words.lower().startswith("creative") or not words[-1].isdigit():
        return None
    parts = [part for part, pattern in _COMMONS if re.search(pattern, words, re.I)]
    version = words.rpartition(" ")[2]
    return identifier(f"CC-{'-'.join(parts)}-{version if '.' in version else f'{version}.0'}")
