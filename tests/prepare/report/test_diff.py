"""Two outcomes side by side: every file is counted once, whatever the order and the parts."""

import random
from collections import Counter
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest

from codetitan.cli import main
from codetitan.prepare.report import fates
from codetitan.prepare.report.fates import ABSENT, KEPT, compare
from codetitan.prepare.report.output import open_output
from tests.prepare.report.outputs import write_output

RULES = ("paths", "long_lines", "licences")


def made(seed: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]], Counter[tuple[str, str]]]:
    """Returns kept and dropped rows, and (name, fate) → how often."""
    draw = random.Random(seed)
    kept, dropped, found = [], [], Counter[tuple[str, str]]()
    for i in range(500):
        row = {"repo": f"r{i % 7}", "path": f"p{i}.py"}
        if draw.random() < 0.1:
            continue
        for _ in range(1 + (draw.random() < 0.1)):  # some files are there twice
            fate = draw.choice((KEPT, *RULES))
            found[f"r{i % 7}/p{i}.py", fate] += 1
            if fate == KEPT:
                kept.append(row | {"content": draw.choice(("same", "same", f"{i} other {seed}"))})
            else:
                dropped.append(row | {"n_bytes": 10, "rule": fate, "reason": "why"})
    draw.shuffle(kept)
    draw.shuffle(dropped)
    return kept, dropped, found


@pytest.mark.parametrize("rows_of_part", [1_000_000, 40])
def test_every_file_is_counted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows_of_part: int) -> None:
    monkeypatch.setattr(fates, "_PART", rows_of_part)
    (kept_a, dropped_a, of_a), (kept_b, dropped_b, of_b) = made(1), made(2)
    a = open_output(write_output(tmp_path / "a", kept_a, dropped_a))
    b = open_output(write_output(tmp_path / "b", kept_b, dropped_b))
    found = compare(a, b, 2)
    expected = Counter[tuple[str, str]]()
    for name in {name for name, _ in (*of_a, *of_b)}:
        of_name = [[fate for fate in sorted((KEPT, *RULES)) for _ in range(of[name, fate])] for of in (of_a, of_b)]
        expected.update(zip_longest(*of_name, fillvalue=ABSENT))
    assert {both: change.files for both, change in found.changes.items()} == expected and len(expected) == 24
    assert 0 < found.other_texts.files < expected[KEPT, KEPT] and len(found.other_texts.in_a) == 2


def test_what_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = [{"repo": "r", "path": f"{i}.py", "content": f"{i}" * 10, "licence": "MIT"} for i in range(8)]
    row = {"repo": "r", "path": "long\x1b.py", "n_bytes": 7, "rule": "long_lines", "reason": "a long line", "value": "9", "threshold": "5"}  # fmt: skip
    a = write_output(tmp_path / "a", kept, [row])
    b = write_output(tmp_path / "b", [*kept[::-1][1:], {**row, "content": "x = 1\n"}], [kept[7] | {"n_bytes": 10, "rule": "paths", "reason": "vendored path", "value": "7.py"}])  # fmt: skip
    c = write_output(tmp_path / "c", kept[::-1], [row | {"threshold": "6"}])
    assert main(["prepare", "diff", str(a), str(c)]) == 0
    assert capsys.readouterr().out == (
        f"{a} and {c} have the same outcome: 8 files with the same texts, 80 B; 1 dropped by the same rules\n"
    )
    assert main(["prepare", "diff", str(a), str(b)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"A: {a}: 8 of 9 files kept, 80 B of 87 B"
    assert [" ".join(line.split()) for line in lines[3:7]] == [
        "rule A: files bytes B: files bytes B − A", "kept 8 80 B 8 77 B =", "paths 0 0 B 1 10 B +1",
        "long_lines 1 7 B 0 0 B -1",
    ]  # fmt: skip
    assert lines[-6:] == [
        "kept by A, dropped by B: 1 file, 10 B",
        "  paths: 1 file, 10 B",
        "    r/7.py; B: paths: vendored path (7.py)", "",
        "kept by B, dropped by A: 1 file, 7 B", "  long_lines: 1 file, 7 B",
        "    r/long\\u001b.py; A: long_lines: a long line (9; the threshold is 5)",
    ][-6:]  # fmt: skip
    assert main(["prepare", "diff", str(a), str(b), "--show", "0"]) == 0
    assert "7.py" not in capsys.readouterr().out


def test_files_are_those_that_were_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As the report counts them: a LICENSE and an image have rows in dropped/, and are none of them."""
    kept = [{"repo": "r", "path": f"{i}.py", "content": f"{i}" * 10} for i in range(3)]
    unread = [
        {"path": name, "n_bytes": None, "rule": "read", "reason": "other file type"} for name in ("a.png", "LICENSE")
    ]
    dropped = {"repo": "r", "path": "x.py", "n_bytes": 7, "rule": "paths", "reason": "why"}
    a = write_output(tmp_path / "a", kept, [*unread, dropped])
    b = write_output(tmp_path / "b", kept[:2], [*unread, dropped, {**kept[2], "rule": "paths", "reason": "why", "n_bytes": 10}])  # fmt: skip
    assert main(["prepare", "diff", str(a), str(b)]) == main(["prepare", "diff", str(a), str(a)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"A: {a}: 3 of 4 files kept, 30 B of 37 B" and lines[1].startswith(f"B: {b}: 2 of 4 files kept")
    assert [" ".join(line.split()) for line in lines if line.startswith("not read ")] == ["not read 2 0 B 2 0 B ="]
    assert lines[-1].endswith("3 files with the same texts, 30 B; 1 dropped by the same rules")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["a"], "prepare diff: compares two folders, not 1; codetitan prepare diff A B"),
        (["a", "b", "c"], "prepare diff: compares two folders, not 3; codetitan prepare diff A B"),
        (["none", "none"], "none is not what codetitan prepare writes: it has no dropped and no corpus"),
        (["half", "half"], "half is not done yet: it has no dropped and no corpus"),
        (["half", "half", "--show", "-1"], "--show -1 must not be negative; 0 names no file"),
        (["a", "b", "--shw", "1"], '--shw: unknown option; did you mean "--show"?'),
    ],
)  # fmt: skip
def test_mistakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], line: str) -> None:  # fmt: skip
    (tmp_path / "half" / "stages").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert main(["prepare", "diff", *words]) == 2
    assert capsys.readouterr().err == f"codetitan: error: {line}\n"


def test_a_damaged_table_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in "ab":
        write_output(tmp_path / name, [{"path": "x.py", "content": "x"}], [])
    file = tmp_path / "b" / "corpus" / "part-00000.parquet"
    file.write_bytes(file.read_bytes()[:100])
    assert main(["prepare", "diff", str(tmp_path / "a"), str(tmp_path / "b")]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"codetitan: error: {file} can't be read: ") and said.count("\n") == 1
