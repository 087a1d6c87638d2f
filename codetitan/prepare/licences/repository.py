"""What a repository's facts say of one of its files: the nearest folder upwards that says anything decides.

So a vendored folder under the GPL neither spreads upwards nor is covered by the licence of what it lies in.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from codetitan.prepare.licences.debian import stanza_of
from codetitan.prepare.licences.facts import WEIGHTY
from codetitan.prepare.licences.spdx import both, names


@dataclass(frozen=True, slots=True)
class Said:
    """What was said of a file's licence.

    Attributes:
        licence: SPDX expression; None where what was said is no known licence.
        provenance: who said it, each {"file", "by", "says"}.
        texts: SHA-256 of the licence and NOTICE texts that go with it.
    """

    licence: str | None
    provenance: tuple[Mapping[str, str | None], ...]
    texts: tuple[str, ...] = field(default=())


class Repository:
    """A repository's facts, by what they speak for.

    Args:
        facts: of `collect`, merged from all the repository's files.
    """

    def __init__(self, facts: Mapping[str, Mapping[str, Any]]) -> None:
        self._covering: dict[str, list[tuple[str, Mapping[str, Any]]]] = defaultdict(list)
        records = []
        for path, statements in sorted(facts["statements"].items()):
            for statement in statements:
                if statement["kind"] == "record":
                    records.append(statement)
                else:
                    self._covering[statement["covers"]].append((path, statement))
        for record in records:  # what a package says in its dist-info, it says of what it installed beside it
            for top in record["tops"]:
                self._covering[top] += self._covering.get(record["covers"], [])

    def says(self, path: str) -> Said | None:
        """Returns what is said of a file; None where nobody says anything."""
        notices: list[str] = []
        pointer: Said | None = None
        for level in _upwards(path):
            statements = self._covering.get(level)
            if not statements:
                continue
            notices += [statement["hash"] for _, statement in statements if statement["kind"] == "notice"]
            found = _of_level(path, level, statements)
            if found is not None and found.licence is None and _only_points(statements):
                pointer, found = pointer or found, None  # docs/license.rst, which includes the text above
            if found is not None:
                texts = dict.fromkeys([*found.texts, *notices, *self._notices_above(level)])
                return Said(found.licence, found.provenance, tuple(sorted(texts)))
        return pointer

    def _notices_above(self, level: str) -> Iterator[str]:
        for above in _upwards(level):
            for _, statement in self._covering.get(above, ()):
                if statement["kind"] == "notice":
                    yield statement["hash"]


def _only_points(statements: list[tuple[str, Mapping[str, Any]]]) -> bool:
    """Whether what is said in a folder of its licence are short texts that name none, and nothing else."""
    said = [statement for _, statement in statements if statement["kind"] in ("licence", "metadata")]
    return all(
        statement["kind"] == "licence" and statement["pointer"] and not statement["weighty"] for statement in said
    )


def _upwards(path: str) -> Iterator[str]:
    """`a/b/c.py` → itself, `a/b`, `a`, and the top, ""."""
    while path:
        yield path
        path = path.rpartition("/")[0]
    yield ""


def _of_level(path: str, level: str, statements: list[tuple[str, Mapping[str, Any]]]) -> Said | None:
    """Returns what the statements of one folder come to; None where they are none on the licence."""
    by_kind: dict[str, list[tuple[str, Mapping[str, Any]]]] = defaultdict(list)
    for name, statement in statements:
        by_kind[statement["kind"]].append((name, statement))
    below = path[len(level) + 1 :] if level else path
    of_files = [
        (name, *its, statement["hash"])
        for name, statement in by_kind["debian"]
        if statement["stanzas"] and (its := stanza_of(statement["stanzas"], below)) is not None
    ]
    if of_files:  # it speaks of single files: more than a licence text beside it does
        known = [licence for _, _, licence, _ in of_files]
        licence = both(one for one in known if one) if all(known) else None
        origins = tuple(_origin(name, "debian/copyright", words) for name, words, _, _ in of_files)
        return Said(licence, origins, tuple(digest for _, _, _, digest in of_files))
    texts, described = by_kind["licence"], by_kind["metadata"]
    if not texts and not described:
        return None
    provenance = tuple(
        [_origin(name, "licence text", statement["licence"]) for name, statement in texts]
        + [_origin(name, "package metadata", statement["words"]) for name, statement in described]
    )
    hashes = tuple(statement["hash"] for _, statement in texts)
    return Said(_together([s for _, s in texts], [s for _, s in described]), provenance, hashes)


def _origin(file: str, by: str, says: str | None) -> Mapping[str, str | None]:
    return {"file": file, "by": by, "says": says}


def _together(texts: list[Mapping[str, Any]], described: list[Mapping[str, Any]]) -> str | None:
    """Returns the expression of licence texts and descriptions that lie beside each other; None where it is not known.

    All hold. A description that names all the texts' licences says how: "MIT OR Apache-2.0" beside both texts is a
    choice. So is a short text that speaks of a choice between the others.
    """
    by_description = _described(described)
    full = [text for text in texts if not text["pointer"]]
    if any(text["weighty"] and not text["choice"] for text in texts if text["pointer"]):
        return None
    if not full:
        return by_description
    known = [text["licence"] for text in full if text["licence"]]
    if len(known) < len(full):
        # What the author names is believed beside a text in words of its own, unless these could ask for more; a choice
        # that both speak of is one.
        if by_description is None or any(_asks_for_more(text, by_description) for text in full):
            return None
        return both([*known, by_description])
    if by_description is None:
        if any(WEIGHTY.search(statement["words"]) for statement in described):
            return None
        chosen = any(text["choice"] for text in texts)
        return _any_of(known) if chosen else both(known)
    if set().union(*map(_families, known)) <= _families(by_description):
        return by_description
    return both([*known, by_description])


def _asks_for_more(text: Mapping[str, Any], by_description: str) -> bool:
    return bool(text["weighty"]) and not (text["dual"] and " OR " in by_description)


def _described(described: list[Mapping[str, Any]]) -> str | None:
    """Returns what descriptions say together; vague words ("BSD") give way to a description that is not."""
    known = [statement["licence"] for statement in described if statement["licence"]]
    vague = [statement["words"] for statement in described if not statement["licence"]]
    return None if any(map(WEIGHTY.search, vague)) else both(known)


def _any_of(licences: list[str]) -> str:
    return " OR ".join(dict.fromkeys(f"({one})" if " " in one else one for one in licences))


def _families(expression: str) -> set[str]:
    """The licences of an expression; the text of the GPL is the same for "only" and "or later"."""
    return {name.removesuffix("-only").removesuffix("-or-later") for name in names(expression)}
