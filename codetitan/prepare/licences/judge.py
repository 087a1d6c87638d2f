"""[prepare.licences]: which licences a corpus may hold."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from codetitan.errors import ConfigError, did_you_mean
from codetitan.prepare.file import Drop, File
from codetitan.prepare.licences.header import said_by_file
from codetitan.prepare.licences.permissive import LIST_VERSION, permissive_identifiers
from codetitan.prepare.licences.repository import Repository
from codetitan.prepare.licences.spdx import both, category, identifier, known_identifiers, refusal
from codetitan.prepare.licences.words import licence_of_words

NONE, UNKNOWN, COPYLEFT, OTHER = "no licence", "licence not known", "copyleft licence", "not permissive"
"""The reasons."""

_WEIGHTIEST_FIRST = (COPYLEFT, OTHER, UNKNOWN)
_COPYLEFT = ("Copyleft", "Copyleft Limited")
_UNSTATED = (None, "Unstated License")
_SAYS_NOTHING = {"", "none", "no_license", "no license", "no licence", "unlicensed file"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """A file's licence.

    Attributes:
        licence: SPDX expression, or the words for it that are none; None where nobody says anything.
        provenance: who said so: each {"file": in the repository, None for the store, "by", "says"}.
        texts: SHA-256 of the licence and NOTICE texts, in the facts, that go with the file.
        drop: why it is not kept; None where it is.
        expression: as `licence`, but None where it is words, too.
    """

    licence: str | None
    provenance: tuple[Mapping[str, str | None], ...]
    texts: tuple[str, ...]
    drop: Drop | None
    expression: str | None


@dataclass(kw_only=True, slots=True)
class Licences:
    """Keeps files under a permissive licence: *all* that is said of a file must be (StarCoder2, arXiv 2402.19173).

    What a file's head says counts, else its nearest folder upwards that says anything (licence texts, package metadata,
    debian/copyright), and both where the head only names a licence in passing; and what the store says. Permissive is
    what the Blue Oak Council rates so.
    """

    enable: bool = True
    """Off: no licence is looked for, and the corpus has what the store says; `keep_…` look, and keep what is found."""

    permissive: Literal["model", "gold", "silver", "bronze", "lead", "none"] = "bronze"
    """The lowest rating of the Blue Oak Council's list that counts; "none" leaves only what `allow` names."""

    allow: list[str] = field(default_factory=list)
    """SPDX identifiers that count as permissive too, such as "MPL-2.0"."""

    deny: list[str] = field(default_factory=list)
    """SPDX identifiers that do not, whatever their rating."""

    keep_copyleft: bool = False
    """Whether files under a copyleft licence, such as the GPL, LGPL and MPL, are kept."""

    keep_unknown: bool = False
    """Whether files are kept whose licence is no known one."""

    keep_unlicensed: bool = False
    """Whether files are kept of whose licence nobody says anything. StarCoder2 kept them."""

    def check(self, key: str = "prepare.licences") -> None:
        """Asks that the named licences exist.

        Raises:
            ConfigError: one is no SPDX identifier, or is both allowed and denied.
        """
        for part, listed in (("allow", self.allow), ("deny", self.deny)):
            for name in listed:
                if identifier(name) is None and not name.startswith("LicenseRef-"):
                    hint = did_you_mean(name, known_identifiers()) or '; it is one such as "MPL-2.0"'
                    raise ConfigError(f'{key}.{part}: "{name}" is no SPDX licence identifier{hint}')
        if twice := _normal(self.allow) & _normal(self.deny):
            raise ConfigError(f'{key}.allow and {key}.deny both name "{min(twice)}"; remove it from one of them')

    def judge(self, file: File, repository: Repository) -> Verdict:
        """Returns a file's licence, who said so, and whether it will do.

        Args:
            file: what is judged.
            repository: what is known of its repository.
        """
        licence, provenance, texts = _found(file, repository)
        words = "; ".join(dict.fromkeys(origin["says"] for origin in provenance if origin["says"]))
        reason = self._refusal(licence, words if provenance else None) if self.enable else None
        drop = None
        if reason is not None:
            unread = ", ".join(origin["file"] or "" for origin in provenance if origin["says"] is None)
            said = licence or "; ".join(part for part in (words, unread and f"not known: {unread}") if part) or None
            drop = Drop("licences", reason, said, f"permissive = {self.permissive}")
        return Verdict(licence or words or None, provenance, texts, drop, licence)

    def would_drop(self, verdict: Verdict) -> bool:
        """Whether this table drops a file that another has judged."""
        words = verdict.licence or "" if verdict.provenance else None
        return self.enable and self._refusal(verdict.expression, words) is not None

    def _refusal(self, licence: str | None, words: str | None) -> str | None:
        """Returns why a licence will not do; of one that is not known, from the words for it: None where nobody says
        anything."""
        if licence is None:
            if words is None:
                return None if self.keep_unlicensed else NONE
            known = (licence_of_words(word) for word in words.split("; "))
            found = {self._refusal(one, words) for one in known if one is not None}
            weighty = next((reason for reason in _WEIGHTIEST_FIRST if reason in found), UNKNOWN)  # "GPL, or ask us"
            return None if weighty == UNKNOWN and self.keep_unknown else weighty
        allowed, denied = _normal(self.allow), _normal(self.deny)
        listed = frozenset() if self.permissive == "none" else permissive_identifiers(self.permissive)

        def refuses(name: str) -> str | None:
            name = identifier(name) or name
            if name in denied:
                return OTHER
            if name in allowed or name in listed:
                return None
            kind = category(name) if name != "LicenseRef-proprietary" else "Commercial"
            if kind in _UNSTATED:
                return None if self.keep_unknown else UNKNOWN
            if kind in _COPYLEFT:
                return None if self.keep_copyleft else COPYLEFT
            return OTHER

        return refusal(licence, refuses, _WEIGHTIEST_FIRST)


def _normal(listed: list[str]) -> set[str]:
    return {identifier(name) or name for name in listed}


def _found(
    file: File, repository: Repository
) -> tuple[str | None, tuple[Mapping[str, str | None], ...], tuple[str, ...]]:
    """Returns what is said of a file: the licence, who said so, and the texts that go with it."""
    around, own = repository.says(file.path), said_by_file(file.text)
    provenance: list[Mapping[str, str | None]] = []
    texts = around.texts if around else ()
    parts: list[str | None] = []
    if own is not None:
        provenance.append({"file": file.path, "by": "its head", "says": own.says})
        parts.append(own.licence)
    if around is not None and (own is None or not own.alone):
        provenance += around.provenance
        parts.append(around.licence)
    store = file.licence.strip() if file.licence else ""
    # Where nobody else says anything, "NOASSERTION" is of a licence that the store could not name.
    if store.lower() not in _SAYS_NOTHING and not (store.upper() == "NOASSERTION" and parts):
        # A store has seen the same texts, with a better detector than ours: it settles what we do not know.
        licence = licence_of_words(store) or store
        provenance.append({"file": None, "by": "the store", "says": store})
        parts = [licence, *(part for part in parts if part)]
    if not parts or any(part is None for part in parts):
        return None, tuple(provenance), texts
    return both(part for part in parts if part), tuple(provenance), texts


def versions() -> Mapping[str, str]:
    """Returns what judging depends on beside the rule and the facts, for the digest that names a state."""
    from importlib.metadata import version

    return {"blue oak": LIST_VERSION, **{name: version(name) for name in ("license-expression", "licenseclassifier")}}
