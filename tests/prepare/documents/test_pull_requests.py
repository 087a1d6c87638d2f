"""Pull requests in our own schema: the parts in StarCoder2's order, and what is left out."""

import json
from pathlib import Path
from typing import Any

import pytest

from codetitan.data.document import Dropped
from codetitan.errors import ConfigError
from codetitan.prepare.documents.pull_requests import PullRequestReader, PullRequests
from codetitan.prepare.file import File, Refused

BASE = "".join(f"x{i} = {i}\n" for i in range(60))
HEAD = BASE.replace("x20 = 20\n", "x20 = 21\n").replace("x50 = 50\n", "")


def review(author: str, text: str = "", state: str = "APPROVED", **more: Any) -> dict[str, Any]:
    return {"type": "review", "author": author, "text": text, "state": state, "id": 7, **more}


def comment(author: str, text: str, **more: Any) -> dict[str, Any]:
    return {"type": "comment", "author": author, "text": text, "id": 8, **more}


def row(*events: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "repo": "me/x", "number": 3, "license": "MIT", "title": "Count from the right number",
        "text": "As @bob2 found, the number is wrong.", "author": "jane", "status": "closed", "merged": True,
        "files": [{"path": "a/x.py", "base": BASE, "head": HEAD}], "events": list(events), **more,
    }  # fmt: skip


def read(folder: Path, *rows: object, **options: Any) -> list[File | Dropped | Refused]:
    path = folder / "requests.jsonl"
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in rows))
    reader = PullRequestReader(PullRequests(path=str(path), **options))
    return [each for unit in range(len(reader)) for each in reader.read(unit)]


def pairs(file: object) -> list[tuple[str, str]]:
    assert isinstance(file, File) and "".join(file.texts) == file.text
    return [(kind, text) for (kind, _), text in zip(file.parts, file.texts, strict=True)]


def test_the_parts_in_order(tmp_path: Path) -> None:
    thread = {
        "type": "review_comment", "author": "bob2", "text": "Why?", "id": 9, "review_id": 7, "in_reply_to": 4,
        "path": "a/x.py", "line": 12, "diff_hunk": "@@ -1 +1 @@\n-x\n+y",
    }  # fmt: skip
    (file,) = read(
        tmp_path,
        row(
            comment("bob2", "short"),
            comment("bob2", "This is long enough, @jane, <pr_diff> or not.<!-- template -->"),
            comment("x[bot]", "This is long enough, and of a bot."),
            review("carl"),
            thread,
            review("bob2", "No", "CHANGES_REQUESTED"),
        ),
        whole=1.0,
    )
    found = pairs(file)
    diff = next(i for i, (kind, _) in enumerate(found) if kind == "pr_diff")
    assert found[:diff] == [
        ("pr", "Title: Count from the right number\nusername_0: As @username_1 found, the number is wrong."),
        ("pr_status", "opened"), ("pr_base", ""), ("pr_file", "a/x.py"), ("pr_base_code", BASE),
    ]  # fmt: skip
    assert [kind for kind, _ in found[diff : diff + 4]] == ["pr_diff", "pr_file", "pr_diff_hunk", "pr_diff_hunk"]
    assert found[diff + 4 :] == [
        ("pr_comment", "username_1: This is long enough, @username_0, <pr_diff> or not."), ("pr_event_id", "8"),
        ("pr_review", "username_2\n"), ("pr_event_id", "7"), ("pr_review_state", "approved"),
        ("pr_review_comment", ""), ("pr_event_id", "9"), ("pr_in_reply_to_review_id", "7"),
        ("pr_in_reply_to_comment_id", "4"), ("pr_file", "a/x.py"), ("pr_diff_hunk_comment_line", "12"),
        ("pr_diff_hunk", "@@ -1 +1 @@\n-x\n+y"), ("pr_comment", "username_1: Why?"),
        ("pr_review", "username_1: No\n"), ("pr_event_id", "7"), ("pr_review_state", "changes_required"),
        ("pr", "username_0"), ("pr_status", "closed"), ("pr_is_merged", "True"),
    ]  # fmt: skip
    assert isinstance(file, File)
    assert (file.path, file.repo, file.language, file.licence) == ("pull/3", "me/x", "python", "MIT")
    assert file.document == "pull request"


def test_hunks_turn_the_base_into_the_head(tmp_path: Path) -> None:
    (file,) = read(tmp_path, row())
    base, head = BASE.split("\n"), HEAD.split("\n")
    hunks = [text for kind, text in pairs(file) if kind == "pr_diff_hunk"]
    for hunk in hunks:
        place, *lines = hunk.split("\n")
        (old, n_old), (new, n_new) = ([int(n) for n in side[1:].split(",")] for side in place.split()[1:3])
        assert [line[1:] for line in lines if line[0] in " -"] == base[old - 1 : old - 1 + n_old]
        assert [line[1:] for line in lines if line[0] in " +"] == head[new - 1 : new - 1 + n_new]
        assert 3 <= next(i for i, line in enumerate(lines) if line[0] != " ") <= 10
    assert ["-x20 = 20" in hunk and "+x20 = 21" in hunk for hunk in hunks] == [True, False]


def test_a_large_change_is_one_hunk(tmp_path: Path) -> None:
    base = [f"x{i}" for i in range(9000)]
    head = [*base[:100], *(f"y{i}" for i in range(3000)), "x4000", *base[8000:]]
    file = {"path": "a.py", "base": "\n".join(base), "head": "\n".join(head)}
    (found,) = read(tmp_path, row(files=[file]), max_characters=10**6)
    (hunk,) = [text for kind, text in pairs(found) if kind == "pr_diff_hunk"]
    place, *lines = hunk.split("\n")
    (old, n_old), (new, n_new) = ([int(n) for n in side[1:].split(",")] for side in place.split()[1:3])
    assert [line[1:] for line in lines if line[0] in " -"] == base[old - 1 : old - 1 + n_old]
    assert [line[1:] for line in lines if line[0] in " +"] == head[new - 1 : new - 1 + n_new]
    assert sum(line[0] == "-" for line in lines) == 7900


def test_what_of_the_base_is_shown(tmp_path: Path) -> None:
    rows = [row(number=i) for i in range(60)]
    shown = [dict(pairs(file))["pr_base_code"] for file in read(tmp_path, *rows)]
    assert all(text in BASE and "x20 = 20" in text and "x50 = 50" in text for text in shown)
    assert 2 < sum(text == BASE for text in shown) < 30 and len(set(shown)) > 20
    assert [dict(pairs(file))["pr_base_code"] for file in read(tmp_path, *reversed(rows))] == shown[::-1]


@pytest.mark.parametrize(
    ("more", "events", "reason"),
    [
        ({"author": "x[bot]"}, [], "opened by a bot"),
        ({"title": "Too short"}, [], "short title"),
        ({"title": "Raise Dependencies"}, [], "title of dependencies or a release"),
        ({"title": "Prepare the release"}, [], "title of dependencies or a release"),
        ({"text": "x" * 19}, [], "short description"),
        ({"text": "<!-- " + "x" * 40 + " -->"}, [], "short description"),
        ({"text": None}, [], "short description"),
        ({"text": "Qwiet found something here."}, [], "description of a program's"),
        ({}, [comment("x[bot]", "x" * 40)], "nobody but bots"),
        ({"merged": False}, [review("bob2", state="COMMENTED")], "neither approved nor merged"),
        ({"files": [{"path": "a.py", "base": "", "head": HEAD}]}, [], "no changed file to show"),
        ({"files": [{"path": "a.py", "base": BASE, "head": None}]}, [], "no changed file to show"),
        ({"files": [{"path": "a.py", "base": BASE, "head": BASE}]}, [], "no changed file to show"),
        ({"files": [{"path": "a.py", "base": "x" * 1001 + "\n" * 20, "head": "x"}]}, [], "no changed file to show"),
        ({"files": [{"path": "a.py", "base": ("x" * 102 + "\n") * 20, "head": "x"}]}, [], "no changed file to show"),
        ({"files": [{"path": "a.py", "base": "()-+" * 20 + "x", "head": "x"}]}, [], "no changed file to show"),
        ({"files": [{"path": "a.py", "base": BASE * 200, "head": "y\n" * 9000}]}, [], "long pull request"),
        ({"files": 3}, [], "no changed file to show"),
    ],
)
def test_what_is_left_out(tmp_path: Path, more: dict[str, Any], events: list[dict[str, Any]], reason: str) -> None:
    (found,) = read(tmp_path, row(*events, **more))
    assert isinstance(found, Refused) and (found.drop.rule, found.drop.reason) == ("pull_requests", reason)


def test_one_that_is_approved_or_merged_stays(tmp_path: Path) -> None:
    approved = read(tmp_path, row(review("bob2"), merged=False, status="open"))
    assert pairs(approved[0])[-1] == ("pr_review_state", "approved")
    refused = read(tmp_path, row(review("bob2"), merged=False))
    assert pairs(refused[0])[-1] == ("pr_is_merged", "False")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"min_title": 28}, ("short title", 27, 28)), ({"min_text": 37}, ("short description", 36, 37)),
        ({"max_characters": 10}, "long pull request"),
    ],
)  # fmt: skip
def test_limits_are_keys(tmp_path: Path, options: dict[str, int], expected: object) -> None:
    (found,) = read(tmp_path, row(), **options)
    assert isinstance(found, Refused)
    drop = found.drop
    assert expected in (drop.reason, (drop.reason, drop.value, drop.threshold))


def test_long_texts_are_cut(tmp_path: Path) -> None:
    lines = [f"{i:02}" for i in range(90)]
    (file,) = read(tmp_path, row(comment("bob2", "\n".join(lines)), text="x" * 2000, title="y" * 600))
    (_, first), *_, (_, said), _, _, _, _ = pairs(file)
    assert first == "Title: " + "y" * 500 + "\nusername_0: " + "x" * 1000
    assert said == "username_1: " + "\n".join([*lines[:60], "[TRUNCATED]", *lines[70:]])


def test_damage(tmp_path: Path) -> None:
    found = read(
        tmp_path, row(), "{oops", row(3, {"type": "push"}, number=None, events=[3, {"type": "push"}, {"type": []}])
    )  # type: ignore[arg-type]
    assert isinstance(found[1], Dropped) and found[1].reason == "no JSON object"
    assert isinstance(found[2], File) and found[2].path == "requests.jsonl:2"
    with pytest.raises(
        ConfigError, match=r'^prepare.sources: pull_requests ".*": no column "title" of titles; there are'
    ):
        read(tmp_path, {"a": 1})
