"""What stands in a secret's place: a placeholder, or a false one that is drawn by the true one's hash."""

import string
from collections.abc import Callable, Sequence

from codetitan.data.order import key, uniform
from codetitan.prepare.secrets.found import Kind

PLACEHOLDERS: dict[Kind, str] = {
    "key": "<KEY>",
    "password": "<PASSWORD>",
    "email": "<EMAIL>",
    "ip_address": "<IP_ADDRESS>",
    "name": "<NAME>",
}
"""StarCoder's (arXiv 2305.06161, §4)."""

_FIRST = [
    "Alex", "Chris", "Dana", "Eli", "Fran", "Jamie", "Kim", "Lee", "Morgan", "Nicky", "Pat", "Robin", "Sam",
    "Sasha", "Terry", "Val",
]  # fmt: skip
_LAST = [
    "Adler", "Bauer", "Costa", "Dahl", "Evans", "Fontana", "Greco", "Hansen", "Ito", "Jensen", "Kovac", "Lind",
    "Moreau", "Novak", "Olsen", "Petrov",
]  # fmt: skip
_LETTERS, _DIGITS = string.ascii_letters, string.digits


def false_one(kind: Kind, value: str) -> str:
    """Returns what looks like a secret and is none: the same for the same value, in every file and on every machine.

    Letters stay letters and digits digits in a key and a password; addresses lie where nobody is: `example.com`, and
    the networks for documentation (RFC 5737, RFC 3849).
    """
    draws = key("secret", kind, value)

    def pick(number: int, of: Sequence[str]) -> str:
        return of[int(uniform(draws, number) * len(of))]

    if kind == "name":
        return f"{pick(0, _FIRST)} {pick(1, _LAST)}"
    if kind == "email":
        return "".join(pick(i, string.ascii_lowercase) for i in range(8)) + "@example.com"
    if kind == "ip_address":
        last = 1 + int(uniform(draws, 0) * 254)
        return f"2001:db8::{last:x}" if ":" in value else f"203.0.113.{last}"
    lines = value.split("\n")
    if len(lines) > 2:  # a block: its first and last line say what it is
        body = _drawn("\n".join(lines[1:-1]), pick)
        return "\n".join([lines[0], body, lines[-1]])
    return _drawn(value, pick)


def _drawn(value: str, pick: Callable[[int, str], str]) -> str:
    def one(number: int, character: str) -> str:
        if character in _DIGITS:
            return pick(number, _DIGITS)
        if character in _LETTERS:
            return pick(number, string.ascii_lowercase if character.islower() else string.ascii_uppercase)
        return character

    return "".join(one(number, character) for number, character in enumerate(value))
