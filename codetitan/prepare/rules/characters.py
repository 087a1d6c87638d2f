"""How many characters of a kind a file has: from its histogram of bytes, and one by one where they are not ASCII."""

from codetitan.prepare.file import File

_LINE_FEED = 10


def n_alphabetic(file: File) -> int:
    """Returns how many characters `str.isalpha` holds for."""
    return sum(file.histogram[65:91]) + sum(file.histogram[97:123]) + sum(map(str.isalpha, file.beyond_ascii))


def n_digits(file: File) -> int:
    """Returns how many characters `str.isdigit` holds for."""
    return sum(file.histogram[48:58]) + sum(map(str.isdigit, file.beyond_ascii))


def n_alphanumeric(file: File) -> int:
    """Returns how many characters `str.isalnum` holds for."""
    ascii_ = sum(file.histogram[48:58]) + sum(file.histogram[65:91]) + sum(file.histogram[97:123])
    return ascii_ + sum(map(str.isalnum, file.beyond_ascii))


def n_white(file: File) -> int:
    r"""Returns how many characters are white space (`str.isspace`, as \s of a regular expression)."""
    ascii_ = len(file.data) - len(file.tight) + file.histogram[_LINE_FEED]
    return ascii_ + sum(map(str.isspace, file.beyond_ascii))
