"""A secret, and where it stands."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

Kind = Literal["key", "password", "email", "ip_address", "name"]
KINDS: tuple[Kind, ...] = ("key", "password", "email", "ip_address", "name")


@dataclass(frozen=True, slots=True, order=True)
class Secret:
    """A part of a text that nobody else should read: characters [start, stop) of it."""

    start: int
    stop: int
    kind: Kind


_LINE_CHARS = 200  # a file may be one line


def line_before(text: str, at: int) -> str:
    """Returns a line up to a place in it, or the last 200 characters of that."""
    first = max(0, at - _LINE_CHARS)
    return text[max(first, text.rfind("\n", first, at) + 1) : at]


def apart(found: Iterable[Secret]) -> Iterator[Secret]:
    """Yields secrets in their order, none inside another: of two that overlap, the first and longer."""
    end = 0
    for secret in sorted(found, key=lambda secret: (secret.start, -secret.stop, KINDS.index(secret.kind))):
        if secret.start >= end:
            yield secret
            end = secret.stop
