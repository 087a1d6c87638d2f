"""The keys of a config.json, checked one by one. No torch here."""

import json
import math
from collections.abc import Mapping
from typing import Any

from codetitan.errors import ConfigError


class Keys:
    """What config.json says, a class's defaults in place of what it leaves out.

    Args:
        contents: of the file.
        defaults: key → value.
        where: how errors call the file.
    """

    def __init__(self, contents: Mapping[str, Any], defaults: Mapping[str, Any], where: str) -> None:
        self._values = {**defaults, **contents}
        self._defaults = defaults
        self.where = where

    def get(self, name: str) -> Any:
        """Returns a value as it is written; null is None."""
        return self._values.get(name)

    def refuse(self, what: str, why: str) -> ConfigError:
        """Returns the error for what our model is not."""
        return ConfigError(f"{self.where}: {what}; codetitan's model {why}")

    def contradicts(self, what: str) -> ConfigError:
        """Returns the error for what can't be of any model."""
        return ConfigError(f"{self.where}: {what}")

    def whole(self, name: str, null: int | None = None) -> int:
        """Returns a whole number of at least 1; `null` where the file has null."""
        value = self.get(name)
        value = null if value is None else value
        if type(value) is not int or value < 1:
            raise self.contradicts(f"{name} = {json.dumps(value)} must be a whole number of at least 1")
        return value

    def flag(self, name: str) -> bool:
        """Returns true or false; of null, the default."""
        value = self._defaults.get(name) if self.get(name) is None else self.get(name)
        if not isinstance(value, bool):
            raise self.contradicts(f"{name} = {json.dumps(value)} must be true or false")
        return value

    def number(self, name: str, value: Any) -> float:
        """Returns `value`, which the file has under `name`, and which must be a number above 0."""
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
            raise self.contradicts(f"{name} = {json.dumps(value)} must be a number above 0")
        return float(value)
