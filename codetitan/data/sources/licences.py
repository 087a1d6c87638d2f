"""Which licence a text is: as SPDX identifier, or not known, where it could be another's.

`licenseclassifier` finds the licences' own words in a text, whatever stands around them (measured beside `identify`, by
which a text was known only as a whole: benchmarks/licences.py). What it finds is taken where nothing else in the text
could change it: a wrong name is worse than none.
"""

import re

_WORD = re.compile(r"\w+")
_KNOWN_SHARE = 0.7  # of the words that do not say whose it is: lodash's MIT, with what it says of other files, has 0.74
_FEW = 3  # licences of several parts, in one file; more are a list of what a binary bundles
_FULL_TEXT = 60  # words: what has fewer is a mention

# What the words around a licence may say of it. Two texts do not tell whether both hold or one may be chosen.
_CHOICE = re.compile(r"\b(either|dual|multi|choose|choice|at your option|alternativ\w*)\b", re.IGNORECASE)
# A condition of somebody's own, such as the Commons Clause or LLVM's exception: then it is another licence.
_CHANGES = re.compile(
    r"commons clause|commercial|(may|shall|must) not|prohibit|restrict|subject to|provided that"
    r"|(additional|following) (terms|conditions)|exception|supplement|in addition",
    re.IGNORECASE,
)
# Who owns it: any number of lines.
_OWNER = re.compile(r"^.*(copyright|\(c\)|©|all rights reserved).*$", re.IGNORECASE | re.MULTILINE)
# What Creative Commons says of itself before each of its licences.
_PREAMBLE = re.compile(r"Creative Commons Corporation .{0,40}is not a law firm.*", re.DOTALL)
_DEDICATIONS = {"CC0-1.0", "Unlicense", "0BSD"}


def licence_of_text(text: str) -> str | None:
    """Returns the SPDX identifier of a licence file's text, such as "MIT"; of two or three parts, "MIT AND ISC".

    A licence of the GPL's family has the name of its text, "GPL-3.0": whether a later one will do stands elsewhere.
    """
    from licenseclassifier import identify_license

    text = text.removeprefix("\ufeff")
    found = identify_license(text, 0)
    at, rest, known, names = 0, [], 0, dict[str, None]()
    for match in found:
        rest.append(_PREAMBLE.sub("", text[at : match.start]))
        at = match.end
        words = len(_WORD.findall(text[match.start : match.end]))
        known += words
        # A link to a dedication to the public domain, such as lodash's for its examples, asks for nothing.
        if words >= _FULL_TEXT or match.id not in _DEDICATIONS:
            names[match.id.removesuffix("-or-later").removesuffix("-only")] = None
    around = _OWNER.sub("", "\n".join([*rest, text[at:]]))
    if not names or len(names) > _FEW or (len(names) > 1 and _CHOICE.search(around)):
        return None
    if _CHANGES.search(around) or known < _KNOWN_SHARE * (known + len(_WORD.findall(around))):
        return None
    return " AND ".join(names)
