"""Issues in The Stack's schema: e-mails, bots, people, size; and which row says why."""

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from codetitan.data.document import Dropped
from codetitan.errors import ConfigError
from codetitan.prepare.documents.emails import without_email
from codetitan.prepare.documents.issues import IssueReader, Issues
from codetitan.prepare.documents.people import anonymous, is_bot
from codetitan.prepare.file import File, Refused

LONG = "The parser stops at the first tab of a line that has two of them, and says nothing about it.\n" * 3


def event(author: str, text: str, action: str = "created", kind: str = "comment", **more: Any) -> dict[str, Any]:
    return {
        "action": action, "author": author, "comment_id": 1, "datetime": "2019-01-01T00:00:00Z", "large_text": None,
        "masked_author": "username_9", "text": text, "title": "Tabs are lost", "type": kind, **more,
    }  # fmt: skip


def opened(author: str, text: str) -> dict[str, Any]:
    return event(author, text, "opened", "issue")


def row(*events: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "repo": "me/parser", "issue_id": 77, "issue_number": 5, "pull_request": None, "events": list(events),
        "text_size": 1, "usernames": [], "content": "not read", **more,
    }  # fmt: skip


def read(folder: Path, *rows: object, **options: Any) -> list[File | Dropped | Refused]:
    path = folder / "issues.jsonl"
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in rows))
    reader = IssueReader(Issues(path=str(path), **options))
    return [each for unit in range(len(reader)) for each in reader.read(unit)]


def one(folder: Path, *events: dict[str, Any], **options: Any) -> list[tuple[str, str]]:
    (file,) = read(folder, row(*events), **options)
    assert isinstance(file, File) and "".join(file.texts) == file.text
    return [(kind, text) for (kind, _), text in zip(file.parts, file.texts, strict=True)]


def test_a_conversation_in_parts(tmp_path: Path) -> None:
    (file,) = read(
        tmp_path,
        row(
            opened("Jane-Doe", LONG.replace("\n", "\r\n") + "It is @bob2 who knows."),
            event("bob2", "Do you mean jane-doe/parser, @JANE-DOE? bob2x does not. Jane-Doe said <issue_comment>."),
            event("Jane-Doe", "Tabs are lost", "closed", "issue"),
            event("carl", "Thanks"),
            event("carl", "Tabs are lost", "reopened", "issue"),
        ),
    )
    assert isinstance(file, File)
    assert list(zip([kind for kind, _ in file.parts], file.texts, strict=True)) == [
        ("issue_start", f"Title: Tabs are lost\nusername_0: {LONG}It is @username_1 who knows."),
        ("issue_comment", "username_1: Do you mean jane-doe/parser, @username_0? bob2x does not. "
         "username_0 said <issue_comment>."),
        ("issue_closed", ""),
        ("issue_comment", "username_2: Thanks"),
    ]  # fmt: skip
    assert (file.repo, file.path, file.language, file.licence) == ("me/parser", "issues/5", "markdown", None)
    assert (file.document, file.root) == ("issue", None)


def test_bots_and_who_calls_them_are_left_out(tmp_path: Path) -> None:
    parts = one(
        tmp_path,
        opened("jane", LONG),
        event("stale[bot]", "Stale."),
        event("bob2", "/rebase"),
        event("k8s-ci-robot", "Rebased."),
        event("bob2", "@dependabot look"),
        event("dependabot", "Looked."),
        event("bob2", "A robot says nothing of dependabot."),
        event("jane", "Right."),
    )
    assert [text for _, text in parts[1:]] == ["username_1: A robot says nothing of dependabot.", "username_0: Right."]
    assert [login for login in ("abbot", "x-ci", "My-Service-Account", "coveralls", "jane", "ci-x") if is_bot(login)] == [
        "abbot", "x-ci", "My-Service-Account", "coveralls",
    ]  # fmt: skip


def test_an_issue_without_its_beginning(tmp_path: Path) -> None:
    parts = one(tmp_path, opened("ci-bot", LONG), event("jane", LONG), event("bob2", "No."))
    assert parts == [
        ("issue_start", "Title: Tabs are lost"),
        ("issue_comment", f"username_0: {LONG.strip()}"),
        ("issue_comment", "username_1: No."),
    ]


def refused(folder: Path, *events: dict[str, Any], **options: Any) -> tuple[object, ...]:
    (found,) = read(folder, row(*events), **options)
    assert isinstance(found, Refused) and found.drop.rule == "issues" and found.file.path == "issues/5"
    return found.drop.reason, found.drop.value, found.drop.threshold


def test_what_is_left_out(tmp_path: Path) -> None:
    assert refused(tmp_path, opened("jane", "x" * 99), event("bob2", "y" * 100)) == ("short issue", 199, 200)
    assert one(tmp_path, opened("jane", "x" * 100), event("bob2", "y" * 100))
    alone = [opened("jane", "x" * 6900), event("jane", "y" * 100)]
    assert one(tmp_path, *alone)
    assert refused(tmp_path, *alone, event("jane", "z")) == ("one person, many words", 7001, 7000)
    assert one(tmp_path, *alone, event("bob2", "z"))
    many = [event("jane", "x" * 30) for _ in range(9)]
    assert one(tmp_path, opened("jane", "x"), *many)
    assert refused(tmp_path, opened("jane", "x"), *many, event("jane", "x")) == ("one person, many events", 11, 10)
    assert refused(tmp_path, opened("ci-bot", LONG), event("x[bot]", LONG)) == ("nobody but bots", 2, None)
    assert refused(tmp_path) == ("short issue", 0, 200)
    (found,) = read(tmp_path, row(*alone, pull_request={"number": 5}), pull_requests=False)
    assert isinstance(found, Refused) and found.drop.reason == "conversation of a pull request"
    assert isinstance(read(tmp_path, row(*alone, pull_request={"number": 5}))[0], File)


def test_limits_are_keys(tmp_path: Path) -> None:
    alone = [opened("jane", "x" * 250), event("jane", "y")]
    assert refused(tmp_path, *alone, max_characters_alone=250) == ("one person, many words", 251, 250)
    assert refused(tmp_path, *alone, max_events_alone=1) == ("one person, many events", 2, 1)


def test_long_comments_lose_their_middle(tmp_path: Path) -> None:
    text = "\n".join(f"line {i}" for i in range(101))
    (_, comment) = one(tmp_path, opened("jane", LONG), event("bob2", text))
    lines = comment[1].removeprefix("username_1: ").split("\n")
    assert lines == [*(f"line {i}" for i in range(80)), "[Truncated]", *(f"line {i}" for i in range(81, 101))]
    assert one(tmp_path, opened("jane", LONG), event("bob2", text), max_lines=101)[1][1] == f"username_1: {text}"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Yes.\n\nOn Tue, Jan 1, 2019 at 1:02 PM Jane <notifications@github.com> wrote:\n\n> No?\n>\n> —\n"
         "> You are receiving this because you commented.\n> Reply to this email directly, view it on GitHub\n"
         "> <https://github.com/a/b/issues/1>, or mute the thread\n> <https://github.com/x>.\n", "Yes."),
        ("Yes.\n\nOn Tue, Jan 1, 2019, Jane Doe\n<notifications@github.com> wrote:\n> No?\n\nAnd more.", "Yes.\n\nAnd more."),
        ("Yes.\n\nOn 1 January 2019 at 13:02, Jane Doe Longname\n<jane@x.org> wrote:\n> No?\n", "Yes."),
        ("Yes.\n________________________________\nFrom: Jane <j@x.org>\nSent: Tuesday\nTo: a/b\nSubject: Re: x\n\nNo?\n"
         "—\nYou are receiving this because you commented.\nReply to this email directly, view it on GitHub"
         "<https://github.com/a>\nThanks", "Yes.\nThanks"),
        ("Yes.\n—\nReply to this email directly or view it on GitHub\nhttps://github.com/a/b/issues/1.", "Yes."),
        ("> a quotation\n\nOn the whole: yes.\n\n---\n\nFrom: what?", "> a quotation\n\nOn the whole: yes.\n\n---\n\nFrom: what?"),
        ("A fix.\n\nSigned-off-by: Jane Doe <jane@x.org>", "A fix."),
        ("  x\n" + "_" * 20 + "\ny ", "x\n\ny"),
    ],
)  # fmt: skip
def test_replies_by_email(text: str, left: str) -> None:
    assert without_email(text) == left


@pytest.mark.parametrize("line", ["1" * 300_000, "On " * 100_000, "Signed-off-by: " + "<a" * 100_000, "a<" * 100_000])
def test_a_long_line_takes_no_time(line: str) -> None:
    begin = time.perf_counter()
    assert without_email(f"x\n{line}\ny").startswith("x\n")
    assert time.perf_counter() - begin < 2  # without a limit: minutes


def test_many_replies_take_no_time() -> None:
    begin = time.perf_counter()
    assert without_email("On Monday you wrote:\nYes.\n" * 20_000).startswith("Yes.\nYes.")
    assert time.perf_counter() - begin < 2  # where each looked for a footer: minutes


def test_names_are_words() -> None:
    names, texts = anonymous(["a", "test", "a"], ["a test of tests, test-case and @A; Test, @test"])
    assert names == ["username_0", "username_1", "username_0"]
    assert texts == ["a username_1 of tests, test-case and @username_0; Test, @username_1"]
    assert anonymous([""], ["x"]) == (["username_0"], ["x"])
    assert anonymous(["Jo Doe", "jo"], ["Jo Doe, jo doe and @Jo"])[1] == ["username_0, jo doe and @username_1"]
    assert anonymous(["Jess"], ["@jeſs and jeſs"])[1] == ["@username_0 and jeſs"]


def test_damage(tmp_path: Path) -> None:
    found = read(tmp_path, row(opened("jane", LONG)), "{oops", [1], {"repo": "a/b", "events": "x"}, row(3, "x"))  # type: ignore[arg-type]
    reasons = [each.reason if isinstance(each, Dropped) else type(each).__name__ for each in found]
    assert reasons == ["File", "no JSON object", "no JSON object", "no events", "Refused"]
    surrogate = read(tmp_path, json.dumps(row(opened("jane", LONG + "\ud800"))))[0]
    assert isinstance(surrogate, File) and surrogate.text.endswith("?") and surrogate.data
    owned = read(tmp_path, row(opened("jane", LONG), repo="parser", org="me"))[0]
    assert isinstance(owned, File) and owned.repo == "me/parser"
    with pytest.raises(ConfigError, match=r'^prepare.sources: issues ".*": no column "events" of events; there are a$'):
        read(tmp_path, {"a": 1})


def test_files_of_any_name_some_of_them_empty(tmp_path: Path) -> None:
    (tmp_path / "0.jsonl").write_text("\n")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\n.jsonl")).write_text(
        "{oops\n" + json.dumps(row(opened("jane", LONG * 3)))
    )
    reader = IssueReader(Issues(path=str(tmp_path)))
    found = [each for unit in range(len(reader)) for each in reader.read(unit)]
    assert [each.path for each in found if isinstance(each, Dropped)] == [r"\udcff\n.jsonl:0"]


def test_many_people_take_no_time() -> None:
    begin = time.perf_counter()
    people = [f"{i * 7919 % 20_011}-jane" for i in range(20_000)]
    assert anonymous(people, [f"I am with @{name}." for name in people])[1][9_999] == "I am with @username_9999."
    assert time.perf_counter() - begin < 3  # with all of them as alternatives: a minute


@pytest.mark.parametrize("stars", [10**30, 1e300, 2**63, -1, True, "5", 1.5])
def test_numbers_that_no_table_has_room_for(tmp_path: Path, stars: object) -> None:
    (found,) = read(tmp_path, row(opened("jane", LONG), stars=stars))
    assert isinstance(found, File) and found.stars is None


def test_as_parquet(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [row(opened("jane", LONG)), row(opened("bob2", LONG), issue_number=None)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    reader = IssueReader(Issues(path=str(tmp_path)))
    assert [each.path for each in reader.read(0) if isinstance(each, File)] == ["issues/5", "issues/77"]
