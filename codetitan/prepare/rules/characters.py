"""How many characters of a kind a file has: from its histogram of bytes, and one by one where they are not ASCII."""

from codetitan.prepare.file import File

_BYTES = [chr(byte) for byte in range(128)]
_LETTERS = [byte for byte, character in enumerate(_BYTES) if character.isalpha()]
_DIGITS = [byte for byte, character in enumerate(_BYTES) if character.isdigit()]
_WHITE = [byte for byte, character in enumerate(_BYTES) if character.isspace()]


def n_alphabetic(file: File) -> int:
    """Returns how many characters `str.isalpha` holds for."""
    return int(file.histogram[_LETTERS].sum()) + sum(map(str.isalpha, file.beyond_ascii))


def n_digits(file: File) -> int:
    """Returns how many characters `str.isdigit` holds for."""
    return int(file.histogram[_DIGITS].sum()) + sum(map(str.isdigit, file.beyond_ascii))


def n_numeric(file: File) -> int:
    """Returns how many characters are alphanumeric (`str.isalnum`) and no letters."""
    beyond = sum(character.isalnum() and not character.isalpha() for character in file.beyond_ascii)
    return int(file.histogram[_DIGITS].sum()) + beyond


def n_white(file: File) -> int:
    r"""Returns how many characters are white space (`str.isspace`, as \s of a regular expression)."""
    return int(file.histogram[_WHITE].sum()) + sum(map(str.isspace, file.beyond_ascii))
