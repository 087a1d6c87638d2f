"""What the rules ask of their own tables: each raises a ValueError that begins with the key, which gets its section."""

import math
from collections.abc import Iterable, Mapping

from codetitan.data.language import LANGUAGES
from codetitan.errors import did_you_mean


def check_share(key: str, value: float | None) -> None:
    """A share lies between 0 and 1; None is off."""
    if value is not None and not 0 <= value <= 1:
        raise ValueError(f"{key} = {value} must lie between 0 and 1")


def check_shares(key: str, values: Mapping[str, float], *, above: bool = False) -> None:
    """Each name is a language; each value lies between 0 and 1, or above 0."""
    check_languages(key, values)
    for language, value in values.items():
        if not 0 <= value <= 1 or (above and value == 0):
            low = "above 0, and not above 1" if above else "between 0 and 1"
            raise ValueError(f"{key} has {language} = {value}, which must lie {low}")


def check_at_least(key: str, value: float | None, low: float) -> None:
    """A count or a length is finite and not below `low`; None is off."""
    if value is not None and not low <= value < math.inf:
        raise ValueError(f"{key} = {value} must be at least {low:g}, and finite")


def check_order(low_key: str, low: float | None, high_key: str, high: float | None) -> None:
    """The least is not above the most: nothing would be kept."""
    if low is not None and high is not None and low > high:
        raise ValueError(f"{low_key} = {low} must not be above {high_key} = {high}")


def check_languages(key: str, names: Iterable[str]) -> None:
    """Each is a language that is told apart here."""
    for name in names:
        if name not in LANGUAGES:
            raise ValueError(f'{key} has "{name}", which is no language{_hint(name)}')


def _hint(name: str) -> str:
    return did_you_mean(name, LANGUAGES) or f"; there are {', '.join(LANGUAGES)}"
