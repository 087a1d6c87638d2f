"""What people call a licence → its SPDX identifier, where the words leave no doubt.

"BSD" and "Apache" alone do: they have versions that ask for different things, and stay words.
"""

import re
from functools import lru_cache

from codetitan.prepare.licences.spdx import PROPRIETARY, normalised

# Names without "the", "license", punctuation and letter case → identifier. The classifiers of PyPI and the short names
# of Debian's copyright files (https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/) are among them.
_NAMES = {
    "mit": "MIT", "mit x11": "MIT", "expat": "MIT", "mit expat": "MIT", "x11": "X11", "isc": "ISC",
    "apache 2": "Apache-2.0", "apache 2.0": "Apache-2.0", "apache version 2.0": "Apache-2.0",
    "apache software 2.0": "Apache-2.0", "apache software version 2.0": "Apache-2.0", "asl 2.0": "Apache-2.0",
    "apache2": "Apache-2.0", "apache2.0": "Apache-2.0", "al 2.0": "Apache-2.0", "apache v2": "Apache-2.0",
    "apache v2.0": "Apache-2.0",
    "bsd 2 clause": "BSD-2-Clause", "simplified bsd": "BSD-2-Clause", "2 clause bsd": "BSD-2-Clause",
    "freebsd": "BSD-2-Clause", "bsd 3 clause": "BSD-3-Clause", "new bsd": "BSD-3-Clause", "modified bsd":
    "BSD-3-Clause", "3 clause bsd": "BSD-3-Clause", "bsd new": "BSD-3-Clause", "revised bsd": "BSD-3-Clause",
    "bsd 4 clause": "BSD-4-Clause", "bsd 0 clause": "0BSD", "zero clause bsd": "0BSD",
    "unlicense": "Unlicense", "public domain cc0": "CC0-1.0", "cc0": "CC0-1.0", "cc0 1.0": "CC0-1.0",
    "cc0 1.0 universal": "CC0-1.0", "zlib": "Zlib", "zlib libpng": "Zlib", "boost": "BSL-1.0", "boost 1.0": "BSL-1.0",
    "boost software 1.0": "BSL-1.0", "boost software version 1.0": "BSL-1.0", "psf 2": "PSF-2.0", "psf": "PSF-2.0",
    "python software foundation": "PSF-2.0", "psfl": "PSF-2.0", "wtfpl": "WTFPL", "postgresql": "PostgreSQL",
    "mpl 2": "MPL-2.0", "epl 1": "EPL-1.0", "epl 2": "EPL-2.0",
    "mpl 1.1": "MPL-1.1", "mpl 2.0": "MPL-2.0", "mozilla public 2.0": "MPL-2.0", "mpl2": "MPL-2.0",
    "mozilla public version 2.0": "MPL-2.0", "mozilla public 2.0 mpl 2.0": "MPL-2.0",
    "gpl": "GPL-1.0-or-later", "gnu gpl": "GPL-1.0-or-later", "gnu general public": "GPL-1.0-or-later",
    "gnu general public gpl": "GPL-1.0-or-later",
    "lgpl": "LGPL-2.0-or-later", "gnu lgpl": "LGPL-2.0-or-later", "gnu lesser general public": "LGPL-2.0-or-later",
    "gnu library general public": "LGPL-2.0-or-later",
    "agpl": "AGPL-3.0-only", "gnu agpl": "AGPL-3.0-only", "gnu affero general public": "AGPL-3.0-only",
    "epl 1.0": "EPL-1.0", "epl 2.0": "EPL-2.0", "eclipse public 1.0": "EPL-1.0", "eclipse public 2.0": "EPL-2.0",
    "eclipse public v2.0": "EPL-2.0", "eclipse public v1.0": "EPL-1.0", "eupl 1.2": "EUPL-1.2",
    "cddl 1.0": "CDDL-1.0", "cddl": "CDDL-1.0", "common development and distribution": "CDDL-1.0",
    "common development and distribution 1.0": "CDDL-1.0", "common development and distribution 1.1": "CDDL-1.1",
    "eupl": "EUPL-1.2", "european union public 1.2": "EUPL-1.2", "open software 3.0": "OSL-3.0",
    "business source": "BUSL-1.1", "business source 1.1": "BUSL-1.1", "elastic 2.0": "Elastic-2.0",
    "server side public": "SSPL-1.0", "server side public 1": "SSPL-1.0", "sspl": "SSPL-1.0",
    "artistic": "Artistic-1.0-Perl", "artistic 2.0": "Artistic-2.0",
    "isc iscl": "ISC", "unlicense unlicense": "Unlicense", "boost software 1.0 bsl 1.0": "BSL-1.0",
    "mit no attribution mit 0": "MIT-0", "cc0 1.0 universal cc0 1.0 public domain dedication": "CC0-1.0",
    "zero clause bsd 0bsd": "0BSD", "universal permissive upl": "UPL-1.0", "ncsa": "NCSA",
    "university of illinois ncsa open source": "NCSA", "european union public 1.2 eupl 1.2": "EUPL-1.2",
    "blue oak model blueoak 1.0.0": "BlueOak-1.0.0", "historical permission notice and disclaimer hpnd": "HPND",
    "mulan permissive software v2 mulanpsl 2.0": "MulanPSL-2.0",
    "unlicensed": PROPRIETARY, "proprietary": PROPRIETARY, "commercial": PROPRIETARY, "other proprietary": PROPRIETARY,
}  # fmt: skip

_FAMILY = {"agpl": "AGPL", "lgpl": "LGPL", "gpl": "GPL", "gfdl": "GFDL"}
# "GPL-2+", "GPLv3", "LGPL 2.1 or later", "GNU General Public License v3 or later (GPLv3+)", "GNU AGPL, version 3".
_GNU = re.compile(
    r"(?:gnu )?(?:(?P<word>affero|lesser|library)? ?general public|(?P<short>agpl|lgpl|gpl|gfdl)) ?(?:version |v ?)?"
    r"(?P<number>[123](?:\.[0-3])?)"
    r"(?: ?(?P<later>\+|or later|or newer|or any later.*|or greater))?(?: only)?(?: [al]?gpl.*)?"
)
_WORD_FAMILY = {"affero": "AGPL", "lesser": "LGPL", "library": "LGPL", None: "GPL"}
_NOISE = re.compile(r"\b(?:the|licen[sc]ed?|licen[sc]es|terms|under|osi approved|by)\b|[^\w.+]+", re.IGNORECASE)


@lru_cache(maxsize=65536)
def licence_of_words(words: str) -> str | None:
    """Returns the SPDX expression that words stand for, such as "Apache License, Version 2.0"; None where it is open.

    Several names joined by "and", "or", "with" or a slash are an expression, as SPDX and Debian write them.
    """
    words = words.strip()
    if not words or len(words) > 400:
        return None
    found = _one(words) or normalised(words)
    if found is not None:
        return found
    for pattern, joint in _JOINTS:
        parts = _split(pattern, words)
        if len(parts) > 1:
            known = [licence_of_words(part) for part in parts]
            if not all(known):
                return None
            return joint.join(f"({one})" if " " in str(one) else str(one) for one in known)
    whole = _WHOLE.fullmatch(words)
    return licence_of_words(whole[1]) if whole else None


# The loosest first; Cargo's slash, and "MIT/Apache-2.0 and GPL-3.0", bind tightest.
_JOINTS = (
    (re.compile(r"\s+or\s+|\s*\|\|?\s*", re.IGNORECASE), " OR "),
    (re.compile(r"\s+and\s+|\s*&\s*|;\s*", re.IGNORECASE), " AND "),
    (re.compile(r"\s*/\s*"), " OR "),
)
_WHOLE = re.compile(r"\(([^()]*(?:\([^()]*\)[^()]*)*)\)")


def _split(joint: re.Pattern[str], words: str) -> list[str]:
    """The parts between joints that are in no brackets; words whose brackets do not match are one part."""
    parts, at = [], 0
    for match in joint.finditer(words):
        before = words[: match.start()]
        if before.count("(") == before.count(")"):
            parts.append(words[at : match.start()].strip())
            at = match.end()
    parts = [part for part in (*parts, words[at:].strip()) if part]
    return parts if all(part.count("(") == part.count(")") for part in parts) else [words]


_TWICE = re.compile(r"([^()]+)\(([^()]+)\)")


def _plain(words: str) -> str:
    return " ".join(_NOISE.sub(" ", words).lower().split())


def _one(words: str) -> str | None:
    plain = _plain(words)
    if plain in _NAMES:
        return _NAMES[plain]
    twice = _TWICE.fullmatch(words)  # "The MIT License (MIT)"
    if twice and (first := _one(twice[1])) is not None and first == (_one(twice[2]) or normalised(twice[2])):
        return first
    match = _GNU.fullmatch(plain)
    if match is None:
        return None
    family = _FAMILY[match["short"]] if match["short"] else _WORD_FAMILY[match["word"]]
    number = match["number"] if "." in match["number"] else f"{match['number']}.0"
    return normalised(f"{family}-{number}{'-or-later' if match['later'] else '-only'}")
