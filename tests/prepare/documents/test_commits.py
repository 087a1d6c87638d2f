"""Commits in CommitPack's schema: what a message must say, which changes are drawn, what is shown around them."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from codetitan.data.document import Dropped
from codetitan.errors import ConfigError
from codetitan.prepare.documents.changes import Span, changed
from codetitan.prepare.documents.commits import CommitReader, Commits
from codetitan.prepare.file import File, Refused

OLD = "".join(f"x{i} = {i}\n" for i in range(100))
NEW = OLD.replace("x50 = 50\n", "x50 = 51\nx51 = 52\nx52 = 53\n")
ALL: dict[str, Any] = {"kept_small": 1.0, "kept_large": 1.0, "kept_short": 1.0, "kept_data": 1.0}


def row(**more: Any) -> dict[str, Any]:
    return {
        "commit": "0a1b2c", "old_file": "a/x.py", "new_file": "a/x.py", "old_contents": OLD, "new_contents": NEW,
        "subject": "Count the next two lines, too", "message": "Count the next two lines, too\n\nThey were lost.\n",
        "lang": "Python", "license": "mit", "repos": "me/x,other/fork", "returncode": 0, "stderr": "", **more,
    }  # fmt: skip


def read(folder: Path, *rows: object, **options: Any) -> list[File | Dropped | Refused]:
    path = folder / "commits.jsonl"
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in rows))
    reader = CommitReader(Commits(path=str(path), **options))
    return [each for unit in range(len(reader)) for each in reader.read(unit)]


def test_before_message_after(tmp_path: Path) -> None:
    (file,) = read(tmp_path, row(), whole=1.0)
    assert isinstance(file, File)
    assert [kind for kind, _ in file.parts] == ["commit_before", "commit_msg", "commit_after"]
    assert file.texts == [OLD, "Count the next two lines, too", NEW]
    assert (file.repo, file.path, file.language, file.licence) == ("me/x", "commit/0a1b2c/a/x.py", "python", "mit")
    assert (file.document, file.root) == ("commit", None)
    (file,) = read(tmp_path, row(), whole=1.0, message="message")
    assert isinstance(file, File) and file.texts[1] == "Count the next two lines, too\n\nThey were lost."
    (file,) = read(tmp_path, row(old_contents="", old_file=None), **ALL)
    assert isinstance(file, File) and file.texts[0] == "" and file.texts[2] == NEW


def test_lines_around_the_change(tmp_path: Path) -> None:
    befores, afters = set(), set()
    for file in read(tmp_path, *(row(commit=f"{i:06}") for i in range(300)), whole=0.0):
        assert isinstance(file, File)
        old, _, new = file.texts
        assert old in OLD and new in NEW and "x50 = 50" in old and "x50 = 51\nx51 = 52\nx52 = 53" in new
        before, after = around(old, "x50 = 50")
        assert around(new, "x50 = 51\nx51 = 52\nx52 = 53") == (before, after)
        befores.add(before)
        afters.add(after)
    assert max(befores) == max(afters) == 31 and min(befores) == min(afters) == 0 and len(befores) > 25


def around(text: str, change: str) -> tuple[int, int]:
    """How many lines are before and after a change."""
    lines, n = text.split("\n"), change.count("\n") + 1
    at = lines.index(change.split("\n")[0])
    assert lines[at : at + n] == change.split("\n")
    return at, len(lines) - at - n


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"new_contents": ""}, "file removed"),
        ({"new_contents": None}, "file removed"),
        ({"new_contents": OLD}, "nothing changed"),
        ({"new_contents": NEW + "#" * 100_000}, "long file"),
        ({"old_contents": OLD + "#" * 100_000}, "long file"),
        ({"subject": "", "message": None}, "no message"),
        ({"subject": " \t"}, "no message"),
        ({"subject": "Update README.md"}, "message that says nothing"),
        ({"subject": "This is an auto commit of today"}, "message that says nothing"),
        ({"subject": "v1.2.3"}, "message of a version"),
        ({"subject": "1.2.3-rc1 is out, at long last"}, "message of a version"),
        ({"subject": "0123456789abcdef0123456789abcdef01234567"}, "message of no words"),
    ],
)
def test_what_is_left_out(tmp_path: Path, more: dict[str, Any], reason: str) -> None:
    (found,) = read(tmp_path, row(**more), **ALL)
    assert isinstance(found, Refused) and (found.drop.rule, found.drop.reason) == ("commits", reason)
    assert found.file.path == "commit/0a1b2c/a/x.py"


@pytest.mark.parametrize(
    ("more", "reason", "share"),
    [
        ({"new_contents": OLD.replace("x50 = 50", "x50 = 51")}, "small change, not drawn", 0.1),
        ({"new_contents": OLD.replace("x1 = 1\n", "x1 = 2\n") + "y = 1\n" * 200}, "large change, not drawn", 0.1),
        ({"subject": "Count all lines now"}, "short message, not drawn", 0.5),
        ({"lang": "YAML"}, "data file, not drawn", 0.5),
    ],
)
def test_what_is_drawn(tmp_path: Path, more: dict[str, Any], reason: str, share: float) -> None:
    rows = [row(**more, commit=f"{i:06}") for i in range(400)]
    found = read(tmp_path, *rows)
    assert {each.drop.reason for each in found if isinstance(each, Refused)} == {reason}
    kept = {each.path: each.text for each in found if isinstance(each, File)}
    assert abs(len(kept) - 400 * share) < 4 * (400 * share * (1 - share)) ** 0.5
    assert all(isinstance(each, File) for each in read(tmp_path, *rows[:9], **ALL))
    random.Random(1).shuffle(rows)
    assert {each.path: each.text for each in read(tmp_path, *rows) if isinstance(each, File)} == kept


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"small_lines": 200, "kept_small": 0.0}, "small change, not drawn"),
        ({"large_lines": 1, "kept_large": 0.0}, "large change, not drawn"),
        ({"short_words": 7, "kept_short": 0.0}, "short message, not drawn"),
    ],
)
def test_what_is_much_is_a_key(tmp_path: Path, options: dict[str, Any], reason: str) -> None:
    (found,) = read(tmp_path, row(), **ALL | options)
    assert isinstance(found, Refused) and found.drop.reason == reason


def test_changed_lines() -> None:
    assert changed(list("abcd"), list("abxcd")) == (Span(2, 2), Span(2, 3))
    assert changed(list("aaa"), list("aa")) == (Span(2, 3), Span(2, 2))
    assert changed(list("abc"), list("abc")) == (Span(3, 3), Span(3, 3))
    assert changed([""], list("ab")) == (Span(0, 1), Span(0, 2))
    assert Span(1, 2).widened(5, 1, list("abcd")) == list("abc")


def test_damage(tmp_path: Path) -> None:
    found = read(tmp_path, row(), "{oops", row(old_contents=3), row(commit=None, lang=None, license=["x"], repos=None))
    assert [each.reason for each in found if isinstance(each, Dropped)] == ["no JSON object", "text is no string"]
    last = found[-1]
    assert isinstance(last, File) and (last.path, last.repo, last.licence) == ("commits.jsonl:3", None, None)
    assert last.language == "python", "by its path"
    with pytest.raises(
        ConfigError, match=r'^prepare.sources: commits ".*": no column "old_contents" of what a file was'
    ):
        read(tmp_path, {"a": 1})
    with pytest.raises(ValueError, match=r"^whole = 2 must lie between 0 and 1$"):
        Commits(path="x", whole=2)
