"""The counts of a whole preparation, read out of the tree that the stages' counts sum up to."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Count = tuple[int, int]
"""Files, bytes."""

_NONE: Count = (0, 0)


def _of(value: Any) -> Count:
    return (int(value["files"]), int(value["bytes"])) if value else _NONE


@dataclass(frozen=True)
class Group:
    """A language or a licence: what was read of it, and what is kept."""

    name: str
    read: Count
    kept: Count


@dataclass(frozen=True)
class Rule:
    """A rule: what it dropped, by reason, as the first that did; and what it would have dropped alone."""

    name: str
    reasons: dict[str, Count]
    alone: Count

    @property
    def dropped(self) -> Count:
        """All reasons together."""
        return sum(c[0] for c in self.reasons.values()), sum(c[1] for c in self.reasons.values())


class Tally:
    """What stages counted.

    Args:
        tree: the sum of all tasks: `read`, `kept`: a count; `unread`: reason → count; `dropped`: rule → reason →
            count; `alone`: rule → count; `changed`: rule → what → count; `languages`, `licences`, `documents`: name →
            "read" and "kept" → count; `sizes`: "read" and "kept" → class → count.
    """

    def __init__(self, tree: Mapping[str, Any]) -> None:
        self._tree = tree

    @property
    def read(self) -> Count:
        """All files that could be read."""
        return _of(self._tree.get("read"))

    @property
    def kept(self) -> Count:
        """The corpus."""
        return _of(self._tree.get("kept"))

    @property
    def unread(self) -> dict[str, Count]:
        """What could not be read: reason → count."""
        return {reason: _of(count) for reason, count in self._tree.get("unread", {}).items()}

    def rules(self) -> list[Rule]:
        """Returns the rules, the one that dropped most bytes first."""
        dropped, alone = self._tree.get("dropped", {}), self._tree.get("alone", {})
        found = [
            Rule(name, {reason: _of(c) for reason, c in dropped.get(name, {}).items()}, _of(alone.get(name)))
            for name in sorted({*dropped, *alone})
        ]
        return sorted(found, key=lambda rule: (-rule.dropped[1], -rule.alone[1], rule.name))

    def changed(self) -> dict[str, dict[str, Count]]:
        """Returns rule → what it changed → (how often, in how many files)."""
        return {
            rule: {what: _of(c) for what, c in counts.items()} for rule, counts in self._tree.get("changed", {}).items()
        }

    def groups(self, by: str) -> list[Group]:
        """Returns the languages, licences or documents, the one with most bytes first."""
        found = [
            Group(name, _of(counts.get("read")), _of(counts.get("kept")))
            for name, counts in self._tree.get(by, {}).items()
        ]
        return sorted(found, key=lambda group: (-group.kept[1], -group.read[1], group.name))

    def sizes(self) -> list[Group]:
        """Returns the files by size, a power of two a class, ascending."""
        sizes = self._tree.get("sizes", {})
        read, kept = sizes.get("read", {}), sizes.get("kept", {})
        return [Group(name, _of(read.get(name)), _of(kept.get(name))) for name in sorted({*read, *kept})]
