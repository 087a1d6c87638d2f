"""How much of the corpus each language is: by leaving out documents of those that are above their share.

Two passes: one counts the bytes by language, `kept` says which share of each stays, and one asks `judge` of each
document, whose draw is a function of its content. So neither order, nor workers, nor what else there is change which
documents of a language are drawn first: with a larger share, what stayed stays.
"""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from codetitan.data.order import key, uniform
from codetitan.errors import ConfigError
from codetitan.prepare.file import Drop, File
from codetitan.prepare.rules.checks import check_languages, check_shares


@dataclass(kw_only=True, slots=True)
class Balance:
    """Brings named languages to at most `max_share` of the bytes together, or languages to `shares` of one's own.

    With `languages`, all of them are thinned alike, and only if they are more than `max_share`. With `shares`
    (language → its share of what is kept), as much is kept as the scarcest language allows; languages that are not
    named have what is left of 1 together, and are thinned alike. Shares are met in expectation: documents are whole.

    Source: none of its own: published corpora thin single languages by hand. The draws are `codetitan.data.order`'s.
    """

    NAME: ClassVar[str] = "balance"

    enable: bool = False
    languages: list[str] = field(default_factory=list)
    max_share: float = 0.7
    shares: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_languages("languages", self.languages)
        check_shares("shares", self.shares, above=True)
        if not 0 < self.max_share <= 1:
            raise ValueError(f"max_share = {self.max_share} must lie above 0, and not above 1")
        if (total := math.fsum(self.shares.values())) > 1 + 1e-9:
            raise ValueError(f"shares add up to {total:g}; they must not be above 1 together")
        if self.enable and bool(self.languages) == bool(self.shares):
            raise ValueError(
                "languages and shares: one of them must be given; name languages, or give each its share, or set "
                "enable = false"
            )

    def kept(self, n_bytes: Mapping[str, int]) -> dict[str, float]:
        """Returns which share of each language's documents stays.

        Args:
            n_bytes: language → its bytes, in all that is left by the other rules.

        Raises:
            ConfigError: there is nothing of a language that is to have a share, or nothing beside the named ones.
        """
        counts = {language: n for language, n in sorted(n_bytes.items()) if n > 0}
        if not self.enable or not counts:
            return dict.fromkeys(counts, 1.0)
        return self._to_shares(counts) if self.shares else self._to_most(counts)

    def _to_most(self, counts: Mapping[str, int]) -> dict[str, float]:
        named = sum(n for language, n in counts.items() if language in self.languages)
        others = sum(counts.values()) - named
        if named <= self.max_share * (named + others):
            return dict.fromkeys(counts, 1.0)
        if not others:
            raise ConfigError(
                f"prepare.balance.max_share = {self.max_share}: the corpus has nothing but {', '.join(counts)}, which "
                "prepare.balance.languages names; add sources in other languages, or set max_share = 1"
            )
        share = self.max_share * others / ((1 - self.max_share) * named)
        return {language: share if language in self.languages else 1.0 for language in counts}

    def _to_shares(self, counts: Mapping[str, int]) -> dict[str, float]:
        for language, share in self.shares.items():
            if language not in counts:
                raise ConfigError(
                    f"prepare.balance.shares.{language} = {share}: the corpus has nothing in it; remove it, or add a "
                    "source"
                )
        rest = max(0.0, 1 - math.fsum(self.shares.values()))
        others = sum(n for language, n in counts.items() if language not in self.shares)
        has_rest = rest > 1e-9  # shares such as 0.7 + 0.2 + 0.1
        if has_rest and not others:
            raise ConfigError(
                f"prepare.balance.shares add up to {1 - rest:g}, but the corpus has nothing beside "
                f"{', '.join(self.shares)}; make them 1 together"
            )
        total = min(counts[language] / share for language, share in self.shares.items())
        if has_rest:
            total = min(total, others / rest)
        left = min(1.0, rest * total / others) if has_rest else 0.0
        return {
            language: min(1.0, self.shares[language] * total / n) if language in self.shares else left
            for language, n in counts.items()
        }

    def judge(self, file: File, kept: Mapping[str, float]) -> Drop | None:
        """Returns why a file is left out; `kept` has the share of its language, 0 where it is not in it."""
        share = kept.get(file.language, 0.0)
        draw = draw_of(hashlib.sha256(file.data).hexdigest())
        return Drop(self.NAME, "language above its share", draw, share) if draw >= share else None


def draw_of(sha256: str) -> float:
    """Returns the draw of a content, in [0, 1): it stays where that is below the share of its language that is kept."""
    return uniform(key("balance", sha256), 0)
