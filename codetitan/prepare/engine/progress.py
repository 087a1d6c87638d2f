"""How far a stage is, from what lies in its folder: the same for tasks here and on other nodes."""

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator

from codetitan.prepare.engine.state import STATISTICS, Place

FIRST_S, EVERY_S = 2.0, 10.0
"""Seconds to a stage's first line, which says that it is alive, and between the next ones."""

_SLOWER = 0.1  # of what has passed: a stage of a day has a hundred lines, not ten thousand
_UNTOLD = 0.1  # of what is done: the last tasks run already, and a byte of one costs another time than of the others
_START_BYTES = 10_000  # what an empty task costs, in bytes of a large one
_UNITS = (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3))


class Progress:
    """Counts the tasks of a stage that have been done since it was made.

    Args:
        place: of the stage, whose folder is made.
        clock: seconds that only rise.
    """

    def __init__(self, place: Place, clock: Callable[[], float] = time.monotonic) -> None:
        self._place, self._clock, self._start = place, clock, clock()
        self._left = set(place.left())
        self._total, self._begun = place.stage.tasks, frozenset(self._left)
        self._n_bytes = 0

    def line(self) -> str:
        """Returns e.g. `filter: 120 of 400 tasks, 3.4 GB in 2m 15s, 25.1 MB/s, about 5m 20s left`."""
        left = set(self._place.left())
        for task in self._left - left:
            said = json.loads((self._place.task(task) / STATISTICS).read_bytes()).get("n_bytes", 0)
            self._n_bytes += said if isinstance(said, int) else 0
        self._left = left
        elapsed = max(self._clock() - self._start, 1e-9)
        line = f"{self._place.stage.name}: {self._total - len(left)} of {self._total} tasks"
        if self._n_bytes:
            line += f", {size(self._n_bytes)} in {duration(elapsed)}, {size(self._n_bytes / elapsed)}/s"
        else:
            line += f" in {duration(elapsed)}"
        done, todo = self._work(self._begun - left), self._work(left)
        return line + (f", about {_rough(elapsed / done * todo)} left" if done and todo > _UNTOLD * done else "")

    def _work(self, tasks: Iterable[int]) -> float:
        """Returns how much tasks are: the largest are done first, so their number alone would say too much is left."""
        size = self._place.size
        return sum(1.0 if size is None else size(task) + _START_BYTES for task in tasks)


@contextlib.contextmanager
def watching(place: Place, say: Callable[[str], None]) -> Iterator[None]:
    """Says how far a stage is after two seconds, then every ten and more seldom later, and at its end."""
    progress, end = Progress(place), threading.Event()

    def watch() -> None:
        start, pause = time.monotonic(), FIRST_S
        while not end.wait(pause):
            say(progress.line())
            pause = max(EVERY_S, _SLOWER * (time.monotonic() - start))

    thread = threading.Thread(target=watch, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()
    say(progress.line())


def size(n_bytes: float) -> str:
    """Returns a number of bytes for people, e.g. `3.4 GB`."""
    return next((f"{n_bytes / unit:.1f} {name}" for name, unit in _UNITS if n_bytes >= unit), f"{n_bytes:.0f} B")


def _rough(seconds: float) -> str:
    """Returns a time that is guessed, in tens of seconds or, of half an hour and more, in minutes."""
    unit = 10 if seconds < 1800 else 60
    return duration(unit * max(1, round(seconds / unit)))


def duration(seconds: float) -> str:
    """Returns a time for people, e.g. `2h 5m`, `5m 15s` or `3s`."""
    minutes, s = divmod(round(seconds), 60)
    hours, m = divmod(minutes, 60)
    return f"{hours}h {m}m" if hours else f"{m}m {s}s" if m else f"{s}s"
