"""Holes in files, bits per byte, and windows over long texts."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from codetitan.data.document import Document
from codetitan.data.pieces.dialects import DIALECTS, resolve
from codetitan.engine.prompts import Prompts
from codetitan.evaluate.documents import KINDS, MOST_BYTES, holes
from codetitan.evaluate.problems import Problem
from codetitan.evaluate.scoring import windows
from codetitan.tokenizer.encoding import open_encoding
from tests.evaluate.stub import Stub, evaluated, made, right

PYTHON = "import os\n\n\ndef find(names: list[str]) -> str:\n    for name in names:\n        if name:\n            return name\n    return ''\n"
GO = "package main\n\nfunc add(a int, b int) int {\n\treturn a + b\n}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "held-out"
    for name, text in (
        ("a.py", PYTHON), ("b/c.py", PYTHON.replace("find", "first")), ("d.go", GO), ("e.sh", "#!/bin/sh\necho é 🙂\n"),
        ("broken.py", "def f(:\n    x = 1\n    return x\n"), ("empty.py", "\n"),
    ):  # fmt: skip
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_holes_are_drawn_by_what_is_in_a_file(folder: Path) -> None:
    """Of each kind one; the same wherever the file lies, whole characters, never blank."""
    (task,) = made("infill-exact", infill_exact=folder)
    kinds = {problem.id: problem.kind for problem in task.problems}
    assert sum(kind == "syntax" for kind in kinds.values()) == 4 and set(kinds.values()) == set(KINDS)
    for problem in task.problems:
        text = problem.prefix + problem.solution + (problem.suffix or "")
        assert text in (folder / problem.id.partition("#")[0]).read_text()
        assert problem.solution.strip() and len(problem.solution.encode()) <= MOST_BYTES
        if problem.kind == "single-line":
            assert "\n" not in problem.solution and (problem.prefix + "\n")[-1] == "\n"
    (few,) = made("infill-exact", limit=4, infill_exact=folder)
    assert few.problems == task.problems[:4]
    moved = folder.rename(folder.parent / "moved")
    (again,) = made("infill-exact", infill_exact=moved)
    assert {p.solution for p in again.problems} == {p.solution for p in task.problems}


def test_a_middle_is_short_of_a_long_file() -> None:
    document = Document("s", "x.py", "".join(f"value_{i} = {i} * 'é'\n" for i in range(20_000)), language="python")
    found = holes(document)
    assert [problem.kind for problem in found] == list(KINDS)
    assert all(0 < len(problem.solution.encode()) <= MOST_BYTES for problem in found)
    spans = {problem.kind: len(problem.prefix) for problem in found}
    assert len(set(spans.values())) == 3


def test_exact_matches_by_language_and_kind(folder: Path, tmp_path: Path) -> None:
    (task,) = made("infill-exact", infill_exact=folder)

    def says(problem: Problem, _: int) -> str:
        if problem.language == "go":
            return f"  {problem.solution}\n"  # whitespace around does not count
        return problem.solution if problem.kind == "random" else "(((nothing"

    found = evaluated([task], Stub([task], says), tmp_path / "out").tasks["infill-exact"]
    by_language = {group: scores["exact"].value for group, scores in found.groups["language"].items()}
    assert by_language["go"] == 1.0 and by_language["python"] == pytest.approx(1 / 3)
    assert found.groups["kind"]["random"]["exact"].value == 1.0
    assert "syntax" not in found.groups["language"]["shell"], "there is no grammar of it"
    # of the nine holes in the two files that parse, the random ones still do
    assert found.groups["language"]["python"]["syntax"].n == 6
    assert found.groups["language"]["python"]["syntax"].value == pytest.approx(1 / 3)
    lines = [json.loads(line) for line in (tmp_path / "out/infill-exact.samples.jsonl").read_text().splitlines()]
    assert all(line["passed"] == (line["reason"] == "exact") and line["expected"] for line in lines)
    assert "| go | 3 | 100.0 ± 0.0 % | 100.0 ± 0.0 % |" in (tmp_path / "out/results.md").read_text()


def test_records_and_single_files(folder: Path, tmp_path: Path) -> None:
    records = tmp_path / "held-out.jsonl"
    texts = [PYTHON, GO]
    lines = [
        {"text": text, "path": f"x{i}{end}"} for i, (text, end) in enumerate(zip(texts, (".py", ".go"), strict=True))
    ]
    records.write_text("".join(json.dumps(line) + "\n" for line in lines))
    (task,) = made("infill-exact", infill_exact=records)
    assert {problem.language for problem in task.problems} == {"python", "go"}
    (task,) = made("bits-per-byte", bits_per_byte=folder / "d.go")
    assert [problem.solution for problem in task.problems] == [GO]
    assert task.problems[0].language == "go"


def test_bits_per_byte(folder: Path, tmp_path: Path) -> None:
    """Of an engine to which every token is one bit: tokens over bytes."""
    (task,) = made("bits-per-byte", bits_per_byte=folder)
    encode = open_encoding("code-32k").encode
    texts = [problem.solution for problem in task.problems]
    assert len(texts) == 5, "an empty file has no bits"
    n_bytes = sum(len(text.encode()) for text in texts)
    expected = sum(len(encode(text)) for text in texts) / n_bytes
    for context in (8192, 16):
        out = tmp_path / f"out-{context}"
        found = evaluated([task], Stub([task], right, context=context), out).tasks["bits-per-byte"]
        assert found.scores["bits_per_byte"].value == pytest.approx(expected)
        assert set(found.groups["language"]) == {"python", "go", "shell"} and found.completions == 0
    with pytest.raises(KeyboardInterrupt):
        evaluated([task], Stub([task], right, stop_after=2), tmp_path / "stopped")
    engine = Stub([task], right)
    again = evaluated([task], engine, tmp_path / "stopped").tasks["bits-per-byte"]
    assert (engine.asked, again.scores["bits_per_byte"].value) == (3, pytest.approx(expected))


def test_gold(tmp_path: Path) -> None:
    (task,) = made("gold", limit=9)
    for problem in task.problems:
        assert problem.prefix.endswith(('"""\n', "'''\n")) and problem.solution.startswith("    ")
    found = evaluated([task], Stub([task], right), tmp_path / "out").tasks["gold"]
    assert found.problems == 9 and 0.2 < found.scores["bits_per_byte"].value < 0.5
    lines = [json.loads(line) for line in (tmp_path / "out/gold.samples.jsonl").read_text().splitlines()]
    of_id = {problem.id: problem for problem in task.problems}
    for line in lines:
        assert line["nats"] == pytest.approx(math.log(2) * line["tokens"])
        assert line["bytes"] == len(of_id[line["task_id"]].solution.encode())


@pytest.mark.parametrize("context", [7, 16, 40, 64, 65, 100])
@pytest.mark.parametrize(
    ("given", "text"), [("", "x = 1\n" * 16), ("a = 2\n" * 9, "x = 1\n" * 16), ("a\n" * 99, "b\n")]
)
def test_windows_score_each_token_once(context: int, given: str, text: str) -> None:
    encoding = open_encoding("code-32k")
    prompts = Prompts(encoding, resolve(DIALECTS["starcoder"], encoding), context)
    problem = Problem(id="x", prefix=given, solution=text)
    found = list(windows(prompts, problem))
    scored = [number for ids, n in found for number in ids[-n:]]
    assert encoding.decode_bytes(scored).decode() == text
    assert all(len(ids) <= context + 1 and n < len(ids) for ids, n in found)
    whole: list[Any] = [*(encoding.encode(given).tolist() or prompts.begin()), *scored]
    if len(whole) <= context + 1:
        assert found == [(whole, len(scored))]
    else:  # a window that is not the first is full
        assert all(len(ids) == context + 1 for ids, _ in found[1:])


def test_gold_is_what_the_validation_of_a_run_measures(tmp_path: Path) -> None:
    """The same tokens of the same problems, given the same, so that both numbers are of one model."""
    from codetitan.data.validation.gold import read_gold
    from codetitan.data.validation.samples import make
    from codetitan.engine.prompts import Prompts
    from codetitan.evaluate.humaneval import gold_task
    from codetitan.evaluate.scoring import windows_of
    from codetitan.tokenizer.code_tokenizer import CodeTokenizer

    tokenizer = CodeTokenizer(CodeTokenizer.Config(), tokenizer_path="code-32k")
    samples = make([], read_gold("humaneval"), tokenizer, tokens=0, holes=False, seq_len=2048, packed=False)
    prompts = Prompts(tokenizer.encoding, tokenizer.sentinels, context=2048)
    for row, ((ids, n),) in zip(range(len(samples)), windows_of(gold_task("gold"), prompts), strict=True):
        counted = samples.labels_NL[row] >= 0
        assert (samples.labels_NL[row][counted] & 0xFFFFFFFF).tolist() == ids[-n:]
        assert samples.input_NL[row][: len(ids) - 1].tolist() == ids[:-1]
