"""How a dataclass field says that its value is chosen by name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Choice:
    """Marks a field whose value is one of several dataclasses, chosen by name.

    Attributes:
        key: the key that holds the name.
        options: name → dataclass; None switches the component off.
        word: expands a value, or an item of a list, that is given as one word into a table; None where only tables are
            allowed.
    """

    key: str
    options: Mapping[str, type | None]
    word: Callable[[str], dict[str, str]] | None = None

    def name_of(self, value: Any) -> str:
        """Returns the name under which a built value was chosen."""
        return next(name for name, cls in self.options.items() if (None if value is None else type(value)) is cls)
