"""What is in a column of a dump, as what it should be."""

from collections.abc import Mapping
from typing import Any

from codetitan.data.sources.records import whole_number


def text_of(value: object) -> str:
    """Returns a text, without lone surrogates, which have no UTF-8; "" where it is none."""
    if not isinstance(value, str):
        return ""
    return value if value.isascii() else value.encode("utf-8", "replace").decode()


def lines_of(value: object) -> str:
    """Returns a text whose lines end as Unix has it: a form in a browser sends "\\r\\n"."""
    return text_of(value).replace("\r\n", "\n")


def number_of(row: Mapping[str, Any], *names: str) -> int | None:
    """Returns the first of these columns that is a whole number; None where none is."""
    return next((number for name in names if (number := whole_number(row.get(name))) is not None), None)
