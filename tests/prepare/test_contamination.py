"""What models are measured on must not be trained on: planted problems and solutions, as people copy them."""

import gzip
import json
import re
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

from codetitan.data.order import key, uniform
from codetitan.data.validation.gold import Gold, read_gold
from codetitan.errors import ConfigError
from codetitan.prepare.contamination import Benchmarks, Contamination
from codetitan.prepare.file import File

APACHE = """# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
"""


def file(text: str) -> File:
    return File("s", "o/n", "a.py", text)


def whole(problem: Gold) -> str:
    return problem.prompt + problem.solution


def docstring(problem: Gold) -> str:
    found = re.search(r'("""|\'\'\')(.*)\1', problem.prompt, re.DOTALL)
    assert found
    return found[2].split(">>>")[0]


# How people have them: whole, the text alone in a comment, the solution in a class, on long lines, in another case.
WAYS: dict[str, Callable[[Gold], str]] = {
    "whole": lambda p: whole(p),
    "prompt": lambda p: p.prompt + "    raise NotImplementedError\n",
    "text as a comment": lambda p: "".join(f"# {line.strip()}\n" for line in docstring(p).splitlines()),
    "reflowed": lambda p: f'"""{" ".join(docstring(p).split())}"""\n',
    "in a class": lambda p: "class Solution:\n" + "".join(f"    {line}\n" for line in whole(p).splitlines()),
}  # fmt: skip


@pytest.fixture(scope="module")
def problems() -> list[Gold]:
    return read_gold("humaneval")


@pytest.fixture(scope="module")
def humaneval() -> Benchmarks:
    return Benchmarks(Contamination())


def test_recall_and_precision(problems: list[Gold], humaneval: Benchmarks, capsys: pytest.CaptureFixture[str]) -> None:
    root = Path(sysconfig.get_paths()["stdlib"])
    texts = [path.read_text("utf-8", "replace") for path in sorted(root.rglob("*.py"))[::4]]
    wrong = [drop for text in texts if (drop := humaneval.judge(file(text)))]
    planted = found = 0
    for i in range(50):
        number = int(uniform(key("contaminated"), i) * len(problems))
        way = list(WAYS.values())[i % len(WAYS)]
        lines = texts[i].split("\n")
        at = int(uniform(key("where"), i) * len(lines))
        text = "\n".join([*lines[:at], way(problems[number]), *lines[at:]])
        drop = humaneval.judge(file(text))
        planted += 1
        # Some problems repeat each other's words: whichever is named, it is of HumanEval and it is a reason.
        found += drop is not None and str(drop.value).startswith("HumanEval/")
    recall, precision = found / planted, found / (found + len(wrong))
    with capsys.disabled():
        print(f"\ncontamination: {planted} planted, recall {recall:.3f}; {len(texts)} clean, precision {precision:.3f}")
        print("  taken for one:", [drop.value for drop in wrong])
    assert planted == 50 and recall >= 0.96 and precision >= 0.96


def test_a_drop_names_the_problem_and_the_words(problems: list[Gold], humaneval: Benchmarks) -> None:
    drop = humaneval.judge(file("x = 1\n" + problems[0].prompt))
    assert drop is not None and (drop.rule, drop.reason, drop.threshold) == ("contamination", "benchmark overlap", 10)
    assert drop.value == 'HumanEval/0: "def has_close_elements numbers list float threshold float bool check if"'
    solution = humaneval.judge(file(problems[1].solution))
    assert solution is not None and str(solution.value).startswith("HumanEval/1: ")


def test_what_is_looked_for(problems: list[Gold], humaneval: Benchmarks) -> None:
    """Each prompt, and each solution but those of a line or two in common words: of 20 words and more, all."""
    assert all(humaneval.judge(file(f"x = 1\n{problem.prompt.upper()}\n")) for problem in problems)
    assert len(humaneval.not_looked_for) == 48
    for problem in problems:
        if len(re.findall(r"\w+", problem.solution)) >= 20:
            assert humaneval.judge(file(problem.solution)), problem.solution


@pytest.mark.parametrize(
    "text",
    [
        "",
        "from typing import List, Tuple, Optional, Any, Dict\nimport math\nimport os, sys, re, json, time, random\n",
        APACHE,
        "for i in range(len(lst)):\n    for j in range(i + 1, len(lst)):\n        if lst[i] > lst[j]:\n   i = j\n",
        "def add(x, y):\n    return x + y\n",
        "{'one': 1, 'two': 2, 'three': 3, 'four': 4, 'five': 5, 'six': 6, 'seven': 7}\n",
    ],
)
def test_boilerplate_is_nobodys(text: str, humaneval: Benchmarks, tmp_path: Path) -> None:
    assert humaneval.judge(file(text)) is None
    # Neither is it where a benchmark's text begins with it.
    (tmp_path / "b.jsonl").write_text(
        json.dumps(
            {"prompt": f"{APACHE}{text}\nimport os\nfrom a.b.c.d import e, f, g, h, i, j\nFeed violet owls twice"}
        )
    )
    other = Benchmarks(Contamination(humaneval=False, strings=[str(tmp_path / "b.jsonl")]))
    assert other.judge(file("from a.b.c.d import e, f, g, h, i, j\n" + text)) is None


def test_strings_of_ones_own(tmp_path: Path) -> None:
    """Ten words anywhere; fewer must stand whole; fewer than three say nothing."""
    long = "Write a shell pipeline that sorts penguins by beak length and prints the heaviest three"
    records = [
        {"task_id": "zoo/1", "prompt": long, "tests": ["assert heaviest(penguins) == otto"], "level": 3},
        "Count violet umbrellas quickly",
        {"text": "two words"},
        {"text": "lavender submarine choir"},
        ["nested strings count likewise here"],
    ]
    plain, packed = tmp_path / "b.jsonl", tmp_path / "b.jsonl.gz"
    plain.write_text("\n".join(map(json.dumps, records)) + "\n\n")
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    for path in (plain, packed):
        benchmarks = Benchmarks(Contamination(humaneval=False, strings=[str(path)]))
        assert benchmarks.not_looked_for == [f"{path.name}:3"]

        def value(text: str, benchmarks: Benchmarks = benchmarks) -> str | None:
            drop = benchmarks.judge(file(text))
            return None if drop is None else str(drop.value)

        assert value(f"/* {long.upper()} */") == 'zoo/1: "write a shell pipeline that sorts penguins by beak length"'
        assert value("x " + " ".join(long.split()[4:14])) is not None
        assert value(" ".join(long.split()[4:13])) is None  # nine
        assert value("if heaviest( penguins )==otto: assert heaviest(penguins) == otto") == (
            'zoo/1: "assert heaviest penguins otto"'
        )
        assert value("assert heaviest(penguins)") is None
        assert value("count violet umbrellas quickly") == f'{path.name}:2: "count violet umbrellas quickly"'
        assert value("count violet green umbrellas quickly") is None and value("two words") is None
        assert value("lavender submarine choir") is not None  # three
        assert value("nested strings count likewise here") is not None


def test_other_texts_have_another_name(tmp_path: Path, humaneval: Benchmarks) -> None:
    path = tmp_path / "b.jsonl"
    path.write_text('"Count violet umbrellas quickly"\n')
    rule = Contamination(humaneval=False, strings=[str(path)])
    before = Benchmarks(rule).digest()
    assert before == Benchmarks(rule).digest() != humaneval.digest() == Benchmarks(Contamination()).digest()
    path.write_text('"Count purple umbrellas quickly"\n')
    assert Benchmarks(rule).digest() != before


def test_errors_are_one_line(tmp_path: Path) -> None:
    broken = tmp_path / "b.jsonl"
    broken.write_text('{"a": "b"}\nno\n')
    short = tmp_path / "short.jsonl"
    short.write_text('"two words"\n{"id": "Count violet umbrellas quickly"}\n')
    for rule, text in [
        (Contamination(strings=[str(broken)]),
         f'prepare.contamination.strings.0 = "{broken}": line 2 is no JSON; it is a JSON Lines file of a benchmark'),
        (Contamination(strings=[str(tmp_path / "gone.jsonl")]), "gone.jsonl\" can't be read: No such file or"),
        (Contamination(strings=[str(short)]), f'prepare.contamination.strings.0 = "{short}": nothing in it'),
        (Contamination(words=2),
         "prepare.contamination.min_words = 3 must lie between 1 and prepare.contamination.words = 2"),
    ]:  # fmt: skip
        with pytest.raises(ConfigError, match=re.escape(text)):
            rule.check()
    Contamination().check()
