"""SPDX expressions: read from what people and stores write, and asked whether each alternative or part will do.

Identifiers are those of the SPDX list as `license-expression` (Apache-2.0) has it, in its writing; what is on no list
stays as it was written and is unknown. Source of the grammar: SPDX specification 3.0, annex B.
"""

import re
from collections.abc import Callable, Iterable
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from license_expression import Licensing

PROPRIETARY = "LicenseRef-proprietary"
"""What a package says that is under no licence for others: npm's "UNLICENSED", "all rights reserved"."""

_SLASH = re.compile(r"\s*/\s*")


@cache
def licensing() -> "Licensing":
    """Returns the SPDX licences and the grammar of their expressions."""
    from license_expression import get_spdx_licensing

    return get_spdx_licensing()


@cache
def _listed(*, exceptions: bool = False) -> dict[str, tuple[str, str]]:
    """Identifier, and every older one, in lower case → (as it is written now, ScanCode's category)."""
    from license_expression import get_license_index

    found = {}
    for entry in get_license_index():
        key = entry["spdx_license_key"]
        if key and entry["is_exception"] == exceptions:
            for name in (*entry["other_spdx_license_keys"], key):
                found[name.lower()] = (key, entry["category"])
    return found


_PERMITTING = ("Permissive", "Copyleft", "Copyleft Limited")


def _permits_more(exception: str) -> bool:
    """Whether what is added by WITH is known to permit more: the Commons Clause, on the same list, takes away."""
    return _listed(exceptions=True).get(exception.lower(), ("", ""))[1] in _PERMITTING


def identifier(name: str) -> str | None:
    """Returns an identifier as SPDX writes it now, "GPL-2.0-only" of "gpl-2.0"; None where it is on no list.

    The names that ScanCode gives to licences without an identifier, `LicenseRef-scancode-…`, are on its list.
    """
    if name == PROPRIETARY:
        return name
    found = _listed().get(name.lower()) or _listed().get(name.lower().removesuffix("+"))
    return found[0] if found else None


def category(name: str) -> str | None:
    """Returns ScanCode's category of an identifier, such as "Copyleft Limited"; None where it is on no list."""
    found = _listed().get(name.lower()) or _listed().get(name.lower().removesuffix("+"))
    return found[1] if found else None


def known_identifiers() -> list[str]:
    """Returns SPDX's own identifiers."""
    return sorted({key for key, _ in _listed().values() if not key.startswith("LicenseRef-")})


@lru_cache(maxsize=65536)
def parsed(expression: str) -> Any:
    """Returns the tree of an expression; None where it is none.

    A name that SPDX does not know is a leaf of that name.
    """
    from license_expression import ExpressionError

    text = expression.strip()
    if "/" in text and all(map(identifier, _SLASH.split(text))):
        text = " OR ".join(_SLASH.split(text))  # as Cargo wrote a choice before it knew SPDX
    try:
        return licensing().parse(text)
    except (ExpressionError, AssertionError, IndexError, RecursionError):  # "()", "( OR" and the like, of its parser
        return None


@lru_cache(maxsize=65536)
def normalised(expression: str) -> str | None:
    """Returns an expression in SPDX's writing; None where it is none, or has a name that is no identifier.

    "gpl-2.0" → "GPL-2.0-only", "mit/apache-2.0" → "MIT OR Apache-2.0"; a `LicenseRef-` is somebody's own name for a
    licence, which is no identifier either, but `PROPRIETARY` says enough.
    """
    tree = parsed(expression)
    if tree is None or any(not _is_known(symbol) for symbol in licensing().license_symbols(tree)):
        return None
    return str(tree)


def _is_known(symbol: Any) -> bool:
    return symbol.key.lower() in _listed(exceptions=True) or identifier(symbol.key) is not None


def both(expressions: Iterable[str]) -> str | None:
    """Returns the expression of several that hold together, each once and simplified: "MIT AND (MIT OR ISC)" is MIT.

    None where there is none. Names that do not parse are kept as they are.
    """
    parts = list(dict.fromkeys(expressions))
    if len(parts) < 2:
        return parts[0] if parts else None
    trees = [parsed(part) for part in parts]
    if any(tree is None for tree in trees):
        return " AND ".join(parts)
    return str(licensing().AND(*trees).simplify())


def names(expression: str) -> set[str]:
    """Returns the licences that an expression names, without exceptions."""
    tree = parsed(expression)
    return {expression} if tree is None else {_licence_of(symbol) for symbol in tree.symbols}


def _licence_of(symbol: Any) -> str:
    """What is added by `WITH` is left out."""
    licence = getattr(symbol, "license_symbol", symbol)
    return str(licence.key)


def refusal(expression: str, refuses: Callable[[str], str | None], order: Iterable[str]) -> str | None:
    """Returns why an expression will not do; None where it does.

    AND: every part must do. OR: one alternative must. WITH: the licence before it must, and what is added must be known
    to permit more; else it is asked about as it is written, "MIT WITH Commons-Clause", which is nobody's identifier.

    Args:
        expression: the licences.
        refuses: identifier → why it will not do, or None.
        order: the reasons, the weightiest first: of several parts the first counts, of alternatives the last.
    """
    weight = {reason: i for i, reason in enumerate(order)}
    tree = parsed(expression)
    return refuses(expression) if tree is None else _refusal(tree, refuses, weight)


def _refusal(node: Any, refuses: Callable[[str], str | None], weight: dict[str, int]) -> str | None:
    if node.isliteral:
        added = getattr(node, "exception_symbol", None)
        return refuses(str(node) if added is not None and not _permits_more(added.key) else _licence_of(node))
    found = [_refusal(part, refuses, weight) for part in node.args]
    why = sorted((reason for reason in found if reason is not None), key=weight.__getitem__)
    if isinstance(node, licensing().OR):
        return why[-1] if len(why) == len(found) else None
    return why[0] if why else None
