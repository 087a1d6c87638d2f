"""Bits that texts take: every token of a text is scored once, window by window where it is longer than the context."""

from collections.abc import Iterator, Sequence

from codetitan.data.pieces.metadata import Headers
from codetitan.engine import Engine
from codetitan.engine.prompts import Prompts
from codetitan.errors import ConfigError
from codetitan.evaluate.answers import Progress, done_before, of_problem, samples_file
from codetitan.evaluate.folder import Folder, Line
from codetitan.evaluate.problems import Problem, Task

Window = tuple[list[int], int]
"""Ids, and how many of the last are scored."""


def score(
    task: Task, engine: Engine, texts: Sequence[Sequence[Window]], folder: Folder, progress: Progress
) -> list[Line]:
    """Scores the texts of a task that are not in the folder yet; returns all.

    Args:
        task: whose problems are scored.
        engine: who scores.
        texts: of each problem, from `windows_of`.
        folder: where samples are kept.
        progress: shows how far it is.

    Raises:
        ConfigError: the back-end gives no log-probabilities, the server is gone, or the disk is full.
    """
    done = done_before(task, folder, 1)
    missing = [place for place, problem in enumerate(task.problems) if problem.id not in done]
    sequences = [(place, ids, n) for place in missing for ids, n in texts[place]]
    left = {place: len(texts[place]) for place in missing}
    nats, tokens = dict.fromkeys(missing, 0.0), dict.fromkeys(missing, 0)
    with folder.appending(samples_file(task)) as file, progress(f"{task.name}: texts", len(missing)) as step:
        for index, log_probabilities in engine.score([ids for _, ids, _ in sequences]):
            place, _, n = sequences[index]
            nats[place] -= sum(log_probabilities[-n:])
            tokens[place] += n
            left[place] -= 1
            if left[place] == 0:
                problem = task.problems[place]
                file.add({
                    "task_id": problem.id, "sample": 0, "nats": nats[place], "tokens": tokens[place],
                    "bytes": len(problem.solution.encode()), "language": problem.language, "kind": problem.kind,
                })  # fmt: skip
                step(1)
    lines = {line["task_id"]: line for line in folder.lines(samples_file(task))}
    return [lines[problem.id] for problem in task.problems]


def windows_of(task: Task, prompts: Prompts) -> list[list[Window]]:
    """Returns the windows of each problem's text.

    Raises:
        ConfigError: the tokenizer can't encode one.
    """
    found = []
    for problem in task.problems:
        try:
            found.append(list(windows(prompts, problem)))
        except ConfigError as error:
            raise of_problem(problem, error) from None
    return found


def windows(prompts: Prompts, problem: Problem) -> Iterator[Window]:
    """Yields (ids, how many of the last are scored) of a text: each of its tokens is scored once.

    A text that stands alone is given what begins a document; one with a text before it, what stands for no path, as a
    completion's prompt is. One that is longer than the context is cut into windows that do not overlap but for the
    token before; the last begins earlier, so that it is full (lm-eval's rolling windows). A given text and what follows
    are encoded together where that cuts no token, as training would.
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
    head = Headers(prompts.sentinels, prompts.encode).no_path()
    given = prompts.encode(problem.prefix)
    together = prompts.encode(problem.prefix + problem.solution)
    if together[: len(given)] != given:
        together = given + prompts.encode(problem.solution)
    return head + together, len(together) - len(given)
