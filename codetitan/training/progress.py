"""How a run has done so far: the best of its validation rounds, and how long ago that was."""

import math
from dataclasses import dataclass, field


@dataclass
class Best:
    """The lowest value so far, and the step that it is of; None before the first."""

    value: float | None = None
    step: int = 0

    def take(self, value: float, step: int) -> bool:
        """Takes a value; returns whether it is the lowest."""
        if not math.isfinite(value) or (self.value is not None and value >= self.value):
            return False
        self.value, self.step = value, step
        return True


@dataclass
class Progress:
    """How a run has done so far, by the value of `checkpoint.keep_best`, or by the loss.

    Attributes:
        best: of all rounds.
        since_best: rounds behind it.
        saved: of those rounds behind which a checkpoint was saved.
        last: value and step of the last round.
    """

    best: Best = field(default_factory=Best)
    since_best: int = 0
    saved: Best = field(default_factory=Best)
    last: tuple[float, int] | None = None

    def take(self, value: float, step: int) -> None:
        """Takes a round's value."""
        self.last = value, step
        self.since_best = 0 if self.best.take(value, step) else self.since_best + 1

    def save(self, step: int) -> None:
        """Takes note that a checkpoint of a step is saved."""
        if self.last is not None and self.last[1] == step:
            self.saved.take(*self.last)
