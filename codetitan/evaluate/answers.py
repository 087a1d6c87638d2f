"""From a task to its samples: asks the engine, runs programs in the sandbox, and keeps every answer as it comes."""

import ast
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

from codetitan.data.pieces.fim import Order
from codetitan.data.pieces.grammars import parses
from codetitan.engine import Completion, Engine, Sampling
from codetitan.engine.prompts import Prompts
from codetitan.errors import ConfigError
from codetitan.evaluate.folder import Folder, Line
from codetitan.evaluate.problems import Problem, Task
from codetitan.sandbox import Limits, Program, Sandbox

Step = Callable[[int], object]
"""Called with how many more are done."""
Progress = Callable[[str, int], AbstractContextManager[Step]]
"""Given what is done and how many there are, shows how far it is."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What an engine is asked of a task.

    Attributes:
        sampling: n, temperature, top-p, stops, length, seed.
        order: of a hole's parts.
        unsafe: run programs where the kernel lacks what confines them.
    """

    sampling: Sampling
    order: Order
    unsafe: bool


@dataclass(frozen=True)
class Ask:
    """A prompt.

    Attributes:
        ids: what the engine is given.
        cut: whether the text did not fit whole.
    """

    ids: list[int]
    cut: bool


def samples_file(task: Task) -> str:
    """Returns the name of the file with a task's samples."""
    return f"{task.name}.samples.jsonl"


def done_before(task: Task, folder: Folder, n: int) -> set[str]:
    """Returns the ids of the problems all of whose samples are in the folder already."""
    return _with_all(folder.lines(samples_file(task)), n)


def waiting(task: Task, folder: Folder, n: int) -> set[str]:
    """Returns the ids of the problems all of whose completions are there, and wait to be run."""
    return _with_all(folder.lines(_waiting_file(task)), n)


def _with_all(lines: list[Line], n: int) -> set[str]:
    samples: dict[str, set[int]] = {}
    for line in lines:
        samples.setdefault(line["task_id"], set()).add(line["sample"])
    return {number for number, found in samples.items() if len(found) >= n}


def answer(
    task: Task, engine: Engine, asked: Asked, asks: Sequence[Ask], folder: Folder, progress: Progress
) -> list[Line]:
    """Gets the samples of a task that are not in the folder yet; returns all.

    Args:
        task: what is asked.
        engine: who is asked.
        asked: how.
        asks: from `asks`.
        folder: where samples are kept.
        progress: shows how far it is.

    Raises:
        ConfigError: the server is gone, or the disk is full.
    """
    known = {problem.id: problem for problem in task.problems}
    done = done_before(task, folder, asked.sampling.n)
    prompts = [ask.ids for ask in asks]
    if task.judged == "program":
        _complete(task, engine, asked, prompts, done, folder, progress)
        _run(task, asked, known, folder, progress)
    else:
        _compare(task, engine, asked, prompts, done, folder, progress)
    lines = {(line["task_id"], line["sample"]): line for line in folder.lines(samples_file(task))}
    return [lines[problem.id, i] for problem in task.problems for i in range(asked.sampling.n)]


def asks(task: Task, prompts: Prompts, asked: Asked) -> list[Ask]:
    """Returns what the engine is given of each problem.

    Raises:
        ConfigError: a text can't be encoded, a hole stands inside a character, or nothing is left for a prompt.
    """
    return [_ask(prompts, problem, asked) for problem in task.problems]


def _ask(prompts: Prompts, problem: Problem, asked: Asked) -> Ask:
    new = asked.sampling.max_new_tokens
    try:
        if problem.suffix is None:
            ids = prompts.completion(problem.prefix, new)
        else:
            ids = prompts.infill(problem.prefix, problem.suffix, asked.order, new)
        return Ask(ids, cut=not prompts.fits(problem.prefix, problem.suffix, new))
    except ConfigError as error:
        raise of_problem(problem, error) from None


def of_problem(problem: Problem, error: ConfigError) -> ConfigError:
    """Returns an error with the problem that it is of, where it is not an option's."""
    return error if str(error).startswith("--") else ConfigError(f"{problem.id}: {error}")


def _generated(
    task: Task, engine: Engine, asked: Asked, prompts: list[list[int]], done: set[str], progress: Progress
) -> Iterator[tuple[Problem, list[Completion]]]:
    """Yields the problems that are not done, with their completions."""
    missing = [i for i, problem in enumerate(task.problems) if problem.id not in done]
    with progress(f"{task.name}: completions", len(missing)) as step:
        for place, completions in engine.complete([prompts[i] for i in missing], asked.sampling):
            yield task.problems[missing[place]], completions
            step(1)


def _line(problem: Problem, number: int, completion: Completion) -> Line:
    return {
        "task_id": problem.id,
        "sample": number,
        "completion": completion.text,
        "ended": completion.ended,
        "tokens": len(completion.ids),
        "log_probability": sum(completion.log_probabilities),
        "language": problem.language,
        "kind": problem.kind,
    }


def _compare(
    task: Task,
    engine: Engine,
    asked: Asked,
    prompts: list[list[int]],
    done: set[str],
    folder: Folder,
    progress: Progress,
) -> None:
    """Fills holes, and compares with what was there."""
    folder.keep(samples_file(task), done)
    with folder.appending(samples_file(task)) as file:
        for problem, completions in _generated(task, engine, asked, prompts, done, progress):
            file.add(*(_compared(problem, i, completion) for i, completion in enumerate(completions)))


def _compared(problem: Problem, number: int, completion: Completion) -> Line:
    exact = completion.text.strip() == problem.solution.strip()
    before = problem.program(problem.solution)
    # A file that does not parse says nothing about what fills its hole.
    syntax = (
        parses(problem.program(completion.text).encode(), problem.language)
        if parses(before.encode(), problem.language)
        else None
    )
    return _line(problem, number, completion) | {
        "expected": problem.solution,
        "passed": exact,
        "reason": "exact" if exact else "different",
        "exact": exact,
        "parses": syntax,
    }


def _complete(
    task: Task,
    engine: Engine,
    asked: Asked,
    prompts: list[list[int]],
    done: set[str],
    folder: Folder,
    progress: Progress,
) -> None:
    """Generates what is neither judged nor generated yet; what is generated waits in a file of its own."""
    complete = waiting(task, folder, asked.sampling.n)
    folder.keep(_waiting_file(task), complete)
    done = done | complete
    with folder.appending(_waiting_file(task)) as file:
        for problem, completions in _generated(task, engine, asked, prompts, done, progress):
            file.add(*(_line(problem, i, completion) for i, completion in enumerate(completions)))


def _waiting_file(task: Task) -> str:
    return f"{task.name}.completions.jsonl"


def _run(task: Task, asked: Asked, known: dict[str, Problem], folder: Folder, progress: Progress) -> None:
    """Runs the programs that wait, and keeps the verdicts."""
    judged = {(line["task_id"], line["sample"]) for line in folder.lines(samples_file(task))}
    unjudged = {
        key: line
        for line in folder.lines(_waiting_file(task))
        if line["task_id"] in known and (key := (line["task_id"], line["sample"])) not in judged
    }
    lines = list(unjudged.values())
    if lines:
        programs = [program(task, known[line["task_id"]], line["completion"]) for line in lines]
        with (
            folder.appending(samples_file(task)) as file,
            Sandbox(limits=limits(task), unsafe=asked.unsafe, modules=task.modules) as sandbox,
            progress(f"{task.name}: programs", len(lines)) as step,
        ):
            for index, verdict in sandbox.run(programs):
                line, problem = lines[index], known[lines[index]["task_id"]]
                judgement: dict[str, Any] = {
                    "solution": programs[index].source,
                    "passed": verdict.passed,
                    "reason": verdict.reason,
                    "detail": verdict.detail,
                    "seconds": round(verdict.seconds, 4),
                    "inside": verdict.inside,
                    "parses": is_python(programs[index].source),
                }
                if problem.suffix is not None:
                    judgement["exact"] = line["completion"].strip() == problem.solution.strip()
                file.add(line | judgement)
                step(1)
    folder.remove(_waiting_file(task))


def program(task: Task, problem: Problem, completion: str) -> Program:
    """Returns what the sandbox runs of a completion."""
    return Program(
        source=problem.program(completion.strip() if task.strips else completion),
        test=problem.test,
        entry_point=problem.entry_point,
        reference=problem.reference,
    )


def limits(task: Task) -> Limits:
    """Returns what a program of a task may use.

    Of wall time three times as much as of the processor's: a busy machine is to change no verdict.
    """
    return replace(Limits(), wall_s=3 * task.cpu_s, cpu_s=task.cpu_s)


def is_python(source: str) -> bool:
    """Whether a program is Python to the Python that runs; nothing of it is executed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes and comparisons that a model wrote
            ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
        return False
    return True
