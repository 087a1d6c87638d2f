"""Holes in files, bits per byte, and windows over long texts."""

import gzip
import json
import math
from pathlib import Path
from typing import Any

import pytest

from codetitan.data.document import Document
from codetitan.data.pieces.dialects import DIALECTS, resolve
from codetitan.engine.prompts import Prompts
from codetitan.errors import ConfigError
from codetitan.evaluate import results
from codetitan.evaluate.documents import KINDS, MOST_BYTES, holes
from codetitan.evaluate.problems import Problem, sha256
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
    found = holes("x.py", document)
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
    assert "| go | 3 | 100.0 % | 100.0 % |" in (tmp_path / "out/results.md").read_text()


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


def records_of(texts: list[str], **columns: str) -> str:
    return "".join(json.dumps({"text": text, **columns}) + "\n" for text in texts)


FIFTY = [f"x{i} = {i}\nprint(x{i})\n" for i in range(50)]


def test_documents_of_one_name(tmp_path: Path) -> None:
    """Each text is asked, under a name of its own; the same text once."""
    records = tmp_path / "held-out.jsonl"
    records.write_text(records_of([*FIFTY, *FIFTY[:3]], path="setup.py"))
    bits, infill = made("bits-per-byte,infill-exact", bits_per_byte=records, infill_exact=records)
    assert sorted(problem.solution for problem in bits.problems) == sorted(FIFTY)
    ids = [problem.id for problem in bits.problems]
    assert len(set(ids)) == 50 and ids.count("setup.py") == 1
    assert all(
        problem.id in ("setup.py", f"setup.py@{sha256(problem.solution.encode())[:8]}") for problem in bits.problems
    )
    assert bits.left_out == {"same text as another": 3}
    assert len({problem.id for problem in infill.problems}) == len(infill.problems) >= 100
    assert len({problem.cluster for problem in infill.problems}) == 50
    found = evaluated([bits], Stub([bits], right), tmp_path / "out").tasks["bits-per-byte"]
    assert (found.problems, found.scores["bits_per_byte"].clusters) == (50, 50)


def test_functions_of_one_file(tmp_path: Path) -> None:
    """CodeSearchNet's columns: each function is a problem, and those of one file are one cluster."""
    records = tmp_path / "functions.jsonl"
    lines = [
        {"repository_name": "a/b", "func_path_in_repository": f"m{i % 2}.py", "whole_func_string": f"def f{i}():\n    return {i}\n"}
        for i in range(40)
    ]  # fmt: skip
    records.write_text("".join(json.dumps(line) + "\n" for line in lines))
    (task,) = made("bits-per-byte", bits_per_byte=records)
    assert len(task.problems) == 40 and {problem.cluster for problem in task.problems} == {"a/b/m0.py", "a/b/m1.py"}
    found = evaluated([task], Stub([task], right), tmp_path / "out").tasks["bits-per-byte"]
    assert (found.scores["bits_per_byte"].n, found.scores["bits_per_byte"].clusters) == (40, 2)


def test_other_data_is_seen(tmp_path: Path) -> None:
    """Wherever it is other, and in the names' and sizes' terms the same: the SHA-256 is of what is asked."""
    root, out = tmp_path / "held-out", tmp_path / "out"
    root.mkdir()
    for i in range(200):
        (root / f"f{i:03}.py").write_text(f"x_{i:03} = 1\n")
    (task,) = made("bits-per-byte", bits_per_byte=root)
    evaluated([task], Stub([task], right), out)
    (again,) = made("bits-per-byte", bits_per_byte=root)
    assert again.data == task.data
    for limit, seen in ((None, True), (5, False)):
        (before,) = made("bits-per-byte", limit=limit, bits_per_byte=root)
        unasked = next(i for i in range(200) if f"f{i:03}.py" not in {problem.id for problem in before.problems[:5]})
        (root / f"f{unasked:03}.py").write_text(f"y_{unasked:03} = {limit or 2}\n")
        (changed,) = made("bits-per-byte", limit=limit, bits_per_byte=root)
        assert (changed.data != before.data) == seen
    (task,) = made("bits-per-byte", bits_per_byte=root)
    with pytest.raises(ConfigError, match=r"has samples of bits-per-byte with data = .*; choose another --output"):
        evaluated([task], Stub([task], right), out)


@pytest.mark.parametrize("name", ["a.ndjson", "a.ndjson.gz", "a.json", "a.json.gz", "array.json"])
def test_records_by_any_name(name: str, tmp_path: Path) -> None:
    file, text = tmp_path / name, "\n" + records_of(FIFTY, path="x.py")
    if name == "array.json":
        text = json.dumps([json.loads(line) for line in text.split("\n") if line], indent=1)
    file.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    (task,) = made("bits-per-byte", bits_per_byte=file)
    assert len(task.problems) == 50 and {problem.language for problem in task.problems} == {"python"}


@pytest.mark.parametrize(
    "text",
    [
        '{"text": "x"}\n',
        '{\n  "text": "x"\n}\n',
        '[{"text": "x"}, {"name": "y"}]',
        "[1, 2]",
        "[]\n",
        "[" * 100_000,
        "{ no",
    ],
)
def test_a_json_file_that_is_a_document(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(text)
    (task,) = made("bits-per-byte", bits_per_byte=tmp_path / "a.json")
    assert [(problem.id, problem.solution, problem.language) for problem in task.problems] == [("a.json", text, "json")]


def test_what_is_left_out_is_counted(folder: Path, tmp_path: Path) -> None:
    (folder / "latin.py").write_bytes(b"# \xe9\n")
    (folder / "large.py").write_text("x = 1\n" * 200_000)
    (folder / "copy.py").write_text(PYTHON)
    (task,) = made("bits-per-byte", bits_per_byte=folder)
    lines: list[str] = []
    found = evaluated([task], Stub([task], right), tmp_path / "out", lines=lines)
    assert found.tasks["bits-per-byte"].left_out == {
        "too large": 1,
        "not UTF-8": 1,
        "same text as another": 1,
        "empty": 1,
    }
    assert lines[0].endswith("; 5 problems; left out: 1 empty, 1 not UTF-8, 1 same text as another, 1 too large")
    assert results.read(tmp_path / "out") == found
    assert "**bits-per-byte** left out: 1 empty, 1 not UTF-8, " in (tmp_path / "out/results.md").read_text()
    line = r"latin\.py: no document there has text that can be read \(1 not UTF-8\)$"
    with pytest.raises(ConfigError, match=line):
        made("bits-per-byte", bits_per_byte=folder / "latin.py")


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


@pytest.mark.parametrize("dialect", DIALECTS)
def test_gold_is_what_the_validation_of_a_run_measures(dialect: str) -> None:
    """The same tokens of the same problems, given the same, so that both numbers are of one model."""
    from codetitan.data.validation.gold import read_gold
    from codetitan.data.validation.samples import make
    from codetitan.engine.prompts import Prompts
    from codetitan.evaluate.humaneval import gold_task
    from codetitan.evaluate.scoring import windows_of
    from codetitan.tokenizer.code_tokenizer import CodeTokenizer

    tokenizer = CodeTokenizer(CodeTokenizer.Config(dialect=dialect), tokenizer_path="code-32k")
    samples = make([], read_gold("humaneval"), tokenizer, tokens=0, holes=False, seq_len=2048, packed=False)
    prompts = Prompts(tokenizer.encoding, tokenizer.sentinels, context=2048)
    for row, ((ids, n),) in zip(range(len(samples)), windows_of(gold_task("gold"), prompts), strict=True):
        counted = samples.labels_NL[row] >= 0
        assert (samples.labels_NL[row][counted] & 0xFFFFFFFF).tolist() == ids[-n:]
        assert samples.input_NL[row][: len(ids) - 1].tolist() == ids[:-1]
