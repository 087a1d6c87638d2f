"""A score of one's own: a Python function that gives each file a number."""

import hashlib
import importlib
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar, Literal

from codetitan.errors import ConfigError, one_line
from codetitan.prepare.file import Drop, File

Score = Callable[[File], float]


@dataclass(kw_only=True, slots=True)
class Quality:
    """Drops a file whose score is below `min_score`, or writes the score with it as its weight.

    `function` is "module:function"; the module is found on PYTHONPATH, and the function takes a
    `codetitan.prepare.file.File` and returns a finite number. As a "weight" it must not be negative. It is called once
    a file in each of several processes, and must give the same file the same score.

    Source: none of its own: a score is trained by those who have labels, as FineWeb-Edu's educational one.
    """

    NAME: ClassVar[str] = "quality"

    enable: bool = False
    function: str | None = None
    use: Literal["threshold", "weight"] = "threshold"
    min_score: float = 0.0

    def __post_init__(self) -> None:
        if self.enable and self.function is None:
            raise ValueError('function is missing; name one, such as "my_scores:educational", or set enable = false')
        if self.function is not None:
            module, colon, name = self.function.partition(":")
            if not (colon and module and name):
                raise ValueError(f'function = "{self.function}" must be "module:function"')
        if not math.isfinite(self.min_score):
            raise ValueError(f"min_score = {self.min_score} must be finite")

    def check(self) -> None:
        """Asks that the function is there, before anything is read.

        Raises:
            ConfigError: it can't be found.
        """
        if self.enable and self.function is not None:
            _function(self.function)

    def digest(self) -> str | None:
        """Returns a name for the function's module as it is: a changed one gives other scores.

        What that imports is not seen: a score that is made of more should change its own file with it.
        """
        if not self.enable or self.function is None:
            return None
        _function(self.function)
        place = getattr(sys.modules[self.function.partition(":")[0]], "__file__", None)
        return hashlib.sha256(Path(place).read_bytes()).hexdigest() if place else None

    def judge(self, file: File) -> Drop | None:
        """Raises ConfigError where the function can't be found, fails, or returns no number."""
        if self.use == "weight" or (score := self.score(file)) >= self.min_score:
            return None
        return Drop(self.NAME, "low score", score, self.min_score)

    def weight(self, file: File) -> float | None:
        """Returns the weight that is written with the file; None where the score is a threshold.

        Raises:
            ConfigError: as `judge`, or the weight is negative.
        """
        if self.use == "threshold":
            return None
        weight = self.score(file)
        if weight < 0:
            raise ConfigError(
                f'prepare.quality.function = "{self.function}" returned {weight} for {_name(file)}: a weight must not '
                "be negative"
            )
        return weight

    def score(self, file: File) -> float:
        """Returns the function's value for a file.

        Raises:
            ConfigError: it can't be found, fails, or returns no finite number.
        """
        assert self.function is not None
        try:
            value = _function(self.function)(file)
        except ConfigError:
            raise
        except Exception as error:
            said = f"{type(error).__name__}: {one_line(error)}"
            key = f'prepare.quality.function = "{self.function}"'
            raise ConfigError(f"{key} failed on {_name(file)}: {said}") from error
        try:
            score = math.nan if isinstance(value, str | bytes | bool) else float(value)
        except (TypeError, ValueError, OverflowError):
            score = math.nan
        if not math.isfinite(score):
            raise ConfigError(
                f'prepare.quality.function = "{self.function}" returned {value!r:.60} for {_name(file)}: it must '
                "return a finite number"
            )
        return score


def _name(file: File) -> str:
    return f"{file.repo}/{file.path}" if file.repo else file.path


@cache
def _function(entry: str) -> Score:
    module_name, _, name = entry.partition(":")
    key = f'prepare.quality.function = "{entry}"'
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        said = f"{type(error).__name__}: {one_line(error)}"
        raise ConfigError(f"{key}: {module_name} can't be imported ({said}); is it on PYTHONPATH?") from error
    function: Score | None = getattr(module, name, None)
    if not callable(function):
        raise ConfigError(f"{key}: {module_name} has no function {name}")
    return function
