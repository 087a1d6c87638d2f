"""An engine that says what a test wants, and evaluations with it."""

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from codetitan.data.pieces.dialects import DIALECTS, resolve
from codetitan.engine import Completion, Sampling
from codetitan.engine.prompts import Prompts
from codetitan.evaluate import tasks
from codetitan.evaluate.problems import Problem, Task
from codetitan.evaluate.protocols import PROTOCOLS
from codetitan.evaluate.results import Results
from codetitan.evaluate.run import Opened, Options, evaluate
from codetitan.tokenizer.encoding import open_encoding

Says = Callable[[Problem, int], str]


class Stub:
    """Completes the prompts of tasks with what `says` gives for (problem, sample); ids are its text's.

    Args:
        of: the tasks, whose prompts are known by their ids.
        says: what it says.
        stop_after: prompts after which Ctrl-C is pressed.
    """

    weights_version = 0
    name = "stub"

    def __init__(
        self, of: Sequence[Task], says: Says, *, context: int = 8192, stop_after: int | None = None, **facts: object
    ) -> None:
        self.encoding = open_encoding("code-32k")
        self.sentinels = resolve(DIALECTS["starcoder"], self.encoding)
        self.context = self.scored_context = context
        self.facts: Mapping[str, object] = {"back_end": "stub", "fingerprint": "0" * 64, "device": "none"} | facts
        self.asked = 0
        self._tasks, self._says, self._stop_after = of, says, stop_after

    def _known(self, new: int) -> dict[tuple[int, ...], Problem]:
        prompts = Prompts(self.encoding, self.sentinels, self.context)
        known = {}
        for task in self._tasks:
            for problem in task.problems:
                if problem.suffix is None:
                    known[tuple(prompts.completion(problem.prefix, new))] = problem
                else:
                    known[tuple(prompts.infill(problem.prefix, problem.suffix, "psm", new))] = problem
        return known

    def complete(self, prompts: Sequence[Sequence[int]], sampling: Sampling) -> Iterator[tuple[int, list[Completion]]]:
        known = self._known(sampling.max_new_tokens)
        for index in reversed(range(len(prompts))):  # in an order of its own
            if self.asked == self._stop_after:
                raise KeyboardInterrupt
            self.asked += 1
            problem = known[tuple(prompts[index])]
            texts = [self._says(problem, number) for number in range(sampling.n)]
            ids = [self.encoding.encode(text).tolist() for text in texts]
            yield index, [Completion(i, text, [-0.5] * len(i), "end") for i, text in zip(ids, texts, strict=True)]

    def score(self, sequences: Sequence[Sequence[int]]) -> Iterator[tuple[int, list[float]]]:
        """Every id takes one bit."""
        for index in reversed(range(len(sequences))):
            if self.asked == self._stop_after:
                raise KeyboardInterrupt
            self.asked += 1
            assert len(sequences[index]) <= self.context + 1
            yield index, [-math.log(2)] * (len(sequences[index]) - 1)

    def close(self) -> None:
        pass


def made(names: str, protocol: str = "bigcode", limit: int | None = None, **data: Path) -> list[Task]:
    """The tasks of a command line."""
    words = [f"{name.replace('_', '-')}={path}" for name, path in data.items()]
    chosen = tasks.names(names)
    asking = tasks.Asking(protocol=PROTOCOLS[protocol], limit=limit)
    return tasks.make(chosen, tasks.paths(chosen, words), asking)


def right(problem: Problem, _: int = 0) -> str:
    """What the set has as the answer, after what was asked."""
    between = "" if problem.suffix is not None or problem.prefix.endswith("\n") else "\n"
    return between + problem.solution


def wrong(problem: Problem, _: int = 0) -> str:
    """An answer that runs, and fails: the hole's, or the function's, is `pass`."""
    return " pass  # \n" if problem.suffix is not None else "\n    return None\n"


def evaluated(
    of: Sequence[Task],
    engine: Any,
    output: Path,
    *,
    protocol: str = "bigcode",
    lines: list[str] | None = None,
    **options: Any,
) -> Results:
    """Evaluates with an engine that is there; `lines` gets what is said."""

    @contextlib.contextmanager
    def opened() -> Iterator[Opened]:
        yield Opened(engine, "stub")

    say = (lines if lines is not None else []).append
    return evaluate(of, opened, output, PROTOCOLS[protocol], Options(**options), say)
