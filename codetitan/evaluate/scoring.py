"""Bits that texts take: every token of a text is scored once, window by window where it is longer than the context."""

from collections.abc import Iterator

from codetitan.engine import Engine
from codetitan.engine.prompts import Prompts
from codetitan.errors import ConfigError
from codetitan.evaluate.answers import Answers, Progress, done_before, prompts_of, samples_file
from codetitan.evaluate.folder import Folder
from codetitan.evaluate.problems import Problem, Task


def score(task: Task, engine: Engine, folder: Folder, progress: Progress) -> Answers:
    """Scores the texts of a task that are not in the folder yet; returns all.

    Raises:
        ConfigError: a text can't be encoded, the back-end gives no log-probabilities, or the disk is full.
    """
    done = done_before(task, folder, 1)
    missing = [problem for problem in task.problems if problem.id not in done]
    prompts = prompts_of(engine)
    sequences: list[list[int]] = []
    parts: list[tuple[int, int]] = []  # of each sequence: its problem, and how many of its last ids are scored
    left = [0] * len(missing)
    for place, problem in enumerate(missing):
        try:
            for ids, n in windows(prompts, problem):
                sequences.append(ids)
                parts.append((place, n))
                left[place] += 1
        except ConfigError as error:
            raise ConfigError(f"{problem.id}: {error}") from None
    nats, tokens = [0.0] * len(missing), [0] * len(missing)
    with folder.appending(samples_file(task)) as file, progress(f"{task.name}: texts", len(missing)) as step:
        for index, log_probabilities in engine.score(sequences):
            place, n = parts[index]
            nats[place] -= sum(log_probabilities[-n:])
            tokens[place] += n
            left[place] -= 1
            if left[place] == 0:
                problem = missing[place]
                file.add({
                    "task_id": problem.id, "sample": 0, "nats": nats[place], "tokens": tokens[place],
                    "bytes": len(problem.solution.encode()), "language": problem.language, "kind": problem.kind,
                })  # fmt: skip
                step(1)
    lines = {line["task_id"]: line for line in folder.lines(samples_file(task))}
    return Answers([lines[problem.id] for problem in task.problems], 0)


def windows(prompts: Prompts, problem: Problem) -> Iterator[tuple[list[int], int]]:
    """Yields (ids, how many of the last are scored) of a text: each of its tokens is scored once.

    A text that stands alone is given what begins a document. One that is longer than the context is cut into windows
    that do not overlap but for the token before; the last begins earlier, so that it is full (lm-eval's rolling
    windows). A given text and what follows are encoded together where that cuts no token, as training would.
    """
    ids, n = _joined(prompts, problem)
    start = len(ids) - n
    while start < len(ids):
        stop = min(start + prompts.context, len(ids))
        yield ids[max(0, stop - prompts.context - 1) : stop], stop - start
        start = stop


def _joined(prompts: Prompts, problem: Problem) -> tuple[list[int], int]:
    if not problem.prefix:
        ids = prompts.encode(problem.solution)
        return [*prompts.begin(), *ids], len(ids)
    given = prompts.encode(problem.prefix)
    together = prompts.encode(problem.prefix + problem.solution)
    if together[: len(given)] != given:
        together = given + prompts.encode(problem.solution)
    return together, len(together) - len(given)
