"""How many characters of a kind a file has: from its histograms of bytes and of what is not ASCII."""

from collections.abc import Callable

from codetitan.prepare.file import File

_LINE_FEED = 10


def n_alphabetic(file: File) -> int:
    """Returns how many characters `str.isalpha` holds for."""
    return sum(file.histogram[65:91]) + sum(file.histogram[97:123]) + _beyond(file, str.isalpha)


def n_digits(file: File) -> int:
    """Returns how many characters `str.isdigit` holds for."""
    return sum(file.histogram[48:58]) + _beyond(file, str.isdigit)


def n_alphanumeric(file: File) -> int:
    """Returns how many characters `str.isalnum` holds for."""
    ascii_ = sum(file.histogram[48:58]) + sum(file.histogram[65:91]) + sum(file.histogram[97:123])
    return ascii_ + _beyond(file, str.isalnum)


def n_white(file: File) -> int:
    r"""Returns how many characters are white space (`str.isspace`, as \s of a regular expression)."""
    ascii_ = len(file.data) - len(file.tight) + file.histogram[_LINE_FEED]
    return ascii_ + _beyond(file, str.isspace)


def _beyond(file: File, holds: Callable[[str], bool]) -> int:
    return sum(n for character, n in file.beyond_ascii.items() if holds(character))
