"""HumanEval+ of a local file: with tests as programs, or with inputs at which the canonical solution is asked as well.

Source: EvalPlus, arXiv 2305.01210; evalplus/eval/__init__.py for what counts as equal.
"""

import json
from pathlib import Path

from codetitan.errors import ConfigError
from codetitan.evaluate import files
from codetitan.evaluate.files import Record
from codetitan.evaluate.mbpp import PLUS_CPU_S
from codetitan.evaluate.problems import Problem, Task
from codetitan.evaluate.protocols import Protocol

# EvalPlus compares floats, and lists of them, with a tolerance of 1e-6 where the set names none; the rest exactly.
_TEST = """\
import copy
import json
import math

ATOL = {atol!r}
INPUTS = json.loads({inputs!r})


def floats(value):
    if isinstance(value, (list, tuple)):
        return bool(value) and all(isinstance(item, float) for item in value)
    return isinstance(value, float)


def close(value, expected, atol):
    if isinstance(expected, (list, tuple)):
        return len(value) == len(expected) and all(close(*pair, atol) for pair in zip(value, expected))
    return abs(value - expected) <= atol + 1e-7 * abs(expected)


def same(value, expected):
    if value == expected:
        return True
    atol = ATOL or (1e-6 if floats(expected) else 0)
    return bool(atol) and close(value, expected, atol)


def check(candidate):
    for arguments in INPUTS:
        value = candidate(*copy.deepcopy(arguments))
        assert {rule}, arguments
"""
# Any zero of a polynomial is right.
_ZERO = "abs(sum(c * math.pow(value, i) for i, c in enumerate(arguments[0]))) <= max(ATOL, 1e-4)"


def task(name: str, path: Path, protocol: Protocol) -> Task:
    """Returns HumanEval+.

    Raises:
        ConfigError: the file lacks a column.
    """
    records, digest = files.read(name, path)
    problems = []
    for line, record in records:
        columns = ("task_id", "prompt", "entry_point", "canonical_solution")
        number, prompt, entry_point, solution = files.texts(name, path, line, record, columns)
        if isinstance(record.get("test"), str):
            test, expected = record["test"], ""
        else:
            test = _test(name, path, line, record, entry_point)
            expected = f"\nexpected_by_reference = {entry_point}\n"
        problems.append(
            Problem(
                id=number,
                prefix=protocol.asked(prompt),
                lead=protocol.lead(prompt),
                solution=solution,
                test=test,
                entry_point=entry_point,
                reference=prompt + solution + expected,
            )
        )
    return files.task(name, path, digest, problems, stops=protocol.stops, modules=("numpy",), cpu_s=PLUS_CPU_S)


def _test(name: str, path: Path, line: int, record: Record, entry_point: str) -> str:
    inputs: list[object] = []
    for column in ("base_input", "plus_input"):
        value = record.get(column)
        if not isinstance(value, list) or not all(isinstance(arguments, list) for arguments in value):
            raise ConfigError(
                f"--data {name}={path}: line {line} has neither a text test nor lists base_input and plus_input; "
                f"{name} needs task_id, prompt, entry_point, canonical_solution and one of these"
            )
        inputs += value
    atol = record.get("atol") or 0
    if not isinstance(atol, (int, float)):
        raise ConfigError(f"--data {name}={path}: line {line}: atol must be a number, and is a {type(atol).__name__}")
    rule = _ZERO if entry_point == "find_zero" else "same(value, expected_by_reference(*copy.deepcopy(arguments)))"
    return _TEST.format(atol=float(atol), inputs=json.dumps(inputs), rule=rule)
