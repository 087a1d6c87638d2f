"""MBPP and MBPP+ of a local file.

"MBPP" is three benchmarks: 500 problems (ids 11 to 510) zero-shot in a docstring, the same after three examples, and
EvalPlus's 378 with more tests. Which one is asked is the protocol's, and its name is in the results.
Sources: arXiv 2108.07732; bigcode-evaluation-harness, tasks/mbpp.py; DeepSeek-Coder, Evaluation/MBPP; EvalPlus.
"""

from pathlib import Path

from codetitan.errors import ConfigError
from codetitan.evaluate import files
from codetitan.evaluate.files import Record
from codetitan.evaluate.problems import Problem, Task
from codetitan.evaluate.protocols import Protocol

_TEST_IDS = range(11, 511)
_EXAMPLES = (2, 3, 4)
_NEEDS = "mbpp needs task_id, text or prompt, code, test_list"
CPU_S = 10.0
"""DeepSeek's limit; MBPP/123's own solution takes some seconds."""
PLUS_CPU_S = 30.0
"""EvalPlus's tests are some hundred a problem."""


def task(name: str, path: Path, protocol: Protocol) -> Task:
    """Returns MBPP, asked as the protocol does.

    Raises:
        ConfigError: the protocol does not ask MBPP, the file lacks a column, a test problem or an example.
    """
    if protocol.mbpp is None:
        raise ConfigError(
            f"--tasks {name}: the protocol {protocol.name} has no MBPP but mbpp-plus; take that, or --protocol bigcode "
            "or deepseek"
        )
    records, digest = files.read(name, path)
    files.check_ids(name, path, [record["task_id"] for _, record in records if type(record.get("task_id")) is int])
    by_id: dict[int, tuple[int, Record]] = {}
    for line, record in records:
        number = record.get("task_id")
        if type(number) is not int:  # true is one, too
            has = ", ".join(map(str, record)) or "none"
            raise ConfigError(
                f"--data {name}={path}: line {line} has no whole number task_id, such as 11; {_NEEDS}, and it has {has}"
            )
        by_id[number] = line, record
    chosen = [number for number in by_id if number in _TEST_IDS]
    if not chosen:
        raise ConfigError(f"--data {name}={path}: no problem has an id of the test set, 11 to 510")
    examples = ""
    if protocol.mbpp == "three-shot":
        if missing := [number for number in _EXAMPLES if number not in by_id]:
            raise ConfigError(
                f"--data {name}={path}: the protocol {protocol.name} shows the problems 2, 3 and 4 as examples; "
                f"{missing[0]} is missing"
            )
        for number in _EXAMPLES:
            line, record = by_id[number]
            _, code, _ = _parts(name, path, line, record)
            code = code.replace("\r", "").replace("\t", "    ")
            examples += f"{_question(name, path, line, record)}\n{code}\n[DONE]\n"
    problems = []
    for number in chosen:
        line, record = by_id[number]
        text, code, tests = _parts(name, path, line, record)
        if protocol.mbpp == "docstring":
            prompt = lead = f'"""\n{text}\n{tests[0]}\n"""\n'
        else:
            prompt, lead = examples + _question(name, path, line, record), ""
        problems.append(
            Problem(
                id=f"MBPP/{number}",
                prefix=prompt,
                lead=lead,
                solution=code,
                test=_script(name, path, line, record, tests),
                reference=code,
            )
        )
    return files.task(
        name,
        path,
        digest,
        problems,
        stops=protocol.mbpp_stops,
        asked={"mbpp": protocol.mbpp},
        cpu_s=CPU_S,
        strips=protocol.mbpp == "three-shot",
    )


def _parts(name: str, path: Path, line: int, record: Record) -> tuple[str, str, list[str]]:
    text, code = files.texts(name, path, line, record, ("text|prompt", "code"))
    tests = files.text_list(name, path, line, record, "test_list")
    if not tests:
        raise ConfigError(f"--data {name}={path}: line {line} has no column test_list, or it is empty; {_NEEDS}")
    return text, code, tests


def _question(name: str, path: Path, line: int, record: Record) -> str:
    text, _, tests = _parts(name, path, line, record)
    together = "\n".join(tests)
    return (
        f"You are an expert Python programmer, and here is your task: {text} Your code should pass these tests:\n\n"
        f"{together}\n[BEGIN]"
    )


def _script(name: str, path: Path, line: int, record: Record, tests: list[str]) -> str:
    setup = record.get("test_setup_code") or ""
    imports = files.text_list(name, path, line, record, "test_imports")
    return "\n".join([*imports, str(setup), *tests]) + "\n"


def plus_task(name: str, path: Path, protocol: Protocol) -> Task:
    """Returns MBPP+ of a file with a column `test`.

    Raises:
        ConfigError: the file lacks a column, or has inputs in place of tests.
    """
    records, digest = files.read(name, path)
    problems = []
    for line, record in records:
        if "test" not in record and "base_input" in record:
            raise ConfigError(
                f"--data {name}={path}: has base_input and plus_input, whose tuples, sets and complex numbers JSON "
                "does not keep; give the form with a column test"
            )
        prompt, code, test = files.texts(name, path, line, record, ("prompt", "canonical_solution|code", "test"))
        if not prompt.lstrip().startswith(('"""', "'''")):  # the description alone: asked as EvalPlus asks
            tests = files.text_list(name, path, line, record, "test_list")
            prompt = "\n".join(['"""', prompt, *tests[:1], '"""', ""])
        has_check = "def check(" in test
        problems.append(
            Problem(
                id=f"Mbpp/{str(record.get('task_id', line)).removeprefix('Mbpp/')}",
                prefix=protocol.asked(prompt),
                lead=protocol.lead(prompt),
                solution=code,
                test=test,
                entry_point=files.texts(name, path, line, record, ("entry_point",))[0] if has_check else None,
                reference=code,
            )
        )
    return files.task(name, path, digest, problems, stops=protocol.mbpp_stops, modules=("numpy",), cpu_s=PLUS_CPU_S)
