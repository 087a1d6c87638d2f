"""Examples are the same for any tasks, show where something was found, and no secret."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from codetitan.prepare.examples.collect import FILE, MOST, Examples, merged
from codetitan.prepare.examples.places import found_at
from codetitan.prepare.file import File

KEY = "AKIA" + "QYLPMN5HHHFPZAM2"
MAIL = "jane.doe@company-mail.net"


def row(path: str, rule: str = "generated", reason: str = "marked", **more: Any) -> dict[str, Any]:
    return {
        "source": "s",
        "repo": "r",
        "path": path,
        "rule": rule,
        "reason": reason,
        "value": None,
        "twin": None,
    } | more


def collected(folder: Path, rows: list[tuple[dict[str, Any], str]]) -> list[Any]:
    examples = Examples()
    for each, text in rows:
        examples.add(each, text)
    folder.mkdir()
    examples.write(folder)
    return [json.loads(line) for line in (folder / FILE).read_text().splitlines()]


def test_the_same_for_any_tasks(tmp_path: Path) -> None:
    rows = [(row(f"{i % 40}.py", reason=f"reason {i % 2}"), f"text {i}\n") for i in range(200)]
    whole = collected(tmp_path / "whole", rows)
    assert len(whole) == 2 * MOST and merged([tmp_path / "whole" / FILE]) == whole
    for n in (2, 7, 200):
        random.Random(n).shuffle(rows)
        for task in range(n):
            collected(tmp_path / f"{n}-{task}", rows[task::n])
        assert merged(tmp_path / f"{n}-{task}" / FILE for task in range(n)) == whole


def test_where_it_was_found(tmp_path: Path) -> None:
    lines = [f"line {i}" for i in range(1, 100)]
    lines[49] = "# This FILE is generated, do not touch"
    (example,) = collected(tmp_path / "a", [(row("a.py", value="this file is generated"), "\n".join(lines))])
    assert (example["line"], example["found"]) == (50, "This FILE is generated")
    assert example["before"] == "line 46\nline 47\nline 48\nline 49\n# "
    assert example["after"] == ", do not touch\nline 51\nline 52\nline 53\nline 54\nline 55"


@pytest.mark.parametrize(
    ("rule", "value", "text", "found"),
    [
        ("long_lines", "9", "a\nbbbbbbbbb\nc", "bbbbbbbbb"),
        ("contamination", 'HumanEval/3: "below zero operations"', "x = below_zero(operations)", None),
        ("contamination", 'HumanEval/3: "below zero"', "x = Below(zero)", "Below(zero"),
        ("encoded_data", "128", f"a = 1\nb = '{'QUJD' * 32}'\n", "QUJD" * 32),
        ("duplicate_lines", "0.9", "a = 1\nb = 22\nb = 22\nc", "b = 22"),
        ("generated", "[", "x [ y", "["),
        ("html", "3", "<p>", ""),
        ("long_lines", None, "", ""),
    ],
)
def test_places(rule: str, value: str | None, text: str, found: str | None) -> None:
    start, stop = found_at(rule, value, text)
    assert text[start:stop] == (found or "")


@pytest.mark.parametrize("rule", ["generated", "long_lines", "secrets", "near_duplicates"])
def test_no_secret_is_shown(tmp_path: Path, rule: str) -> None:
    """Before, in and behind what was found, and in a line that is cut through the middle of one."""
    for number, text in enumerate((
        f'key = "{KEY}"\nDO NOT EDIT\nmail = "{MAIL}"\n',
        f"{'x' * 395} {MAIL} {'y' * 690} DO NOT EDIT {KEY} {'z' * 300}\n",
        f"DO NOT EDIT {MAIL}\n" * 50,
    )):  # fmt: skip
        twin = "r/other.py" if rule == "near_duplicates" else None
        (example,) = collected(tmp_path / str(number), [(row("a.py", rule, value="do not edit", twin=twin), text)])
        shown = json.dumps(example)
        assert "AKIA" not in shown and "jane" not in shown and "doe@" not in shown
        assert "<KEY>" in shown or "<EM" in shown


def test_what_was_changed(tmp_path: Path) -> None:
    before = File("s", "r", "a.py", f"# Copyright Somebody\n\nmail = '{MAIL}'\nx = 1\n")
    noted = File("s", "r", "a.py", f"mail = '{MAIL}'\nx = 1\n")
    after = File("s", "r", "a.py", "mail = '<EMAIL>'\nx = 1\n")
    fake = File("s", "r", "a.py", "mail = 'asdfghjk@example.com'\nx = 1\n")
    for last, found in ((after, "<EMAIL>"), (fake, "asdfghjk@example.com")):
        examples = Examples()
        examples.add_changed("copyright", {"notice": 1}, before, noted)
        examples.add_changed("secrets", {"email": 1}, noted, last)
        examples.write(tmp_path)
        notice, mail = merged([tmp_path / FILE])
        assert (notice["found"], notice["line"]) == ("# Copyright Somebody\n\n", 1) and MAIL not in str(notice)
        assert (mail["found"] or found, mail["line"]) == (found, 1) and "jane" not in str(mail)
