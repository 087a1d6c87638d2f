"""Conversations as stores write them."""

import json
from typing import Any

import pytest

from codetitan.data.document import Document, Dropped
from codetitan.data.sources.records import by_record, to_document
from codetitan.data.turns import Turn, Turns

ASKED, ANSWERED = Turn("user", "Add two numbers."), Turn("assistant", "def add(a, b):\n    return a + b")
Q, A, B = ASKED.text, ANSWERED.text, "I can't."
REFUSED = Turn("assistant", B)


def read(record: dict[str, Any], **fields: str) -> Document | Dropped:
    return to_document("store", "line 1", record, by_record(fields)(record), 10_000)


def turns(record: dict[str, Any], **fields: str) -> Turns:
    document = read(record, **fields)
    assert isinstance(document, Document), document
    assert document.text == "\n\n".join(turn.text for turn in document.turns)
    return document.turns


@pytest.mark.parametrize(
    "record",
    [
        {"messages": [{"role": "user", "content": Q}, {"role": "assistant", "content": A}]},
        {"conversations": [{"from": "human", "value": f" {Q}\n"}, {"from": "gpt", "value": f"\n{A}\n"}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": Q}]}, {"role": "model", "content": A}]},
        {"messages": json.dumps([{"role": "user", "content": Q}, {"role": "assistant", "content": A}])},
        {"instruction": Q, "response": A},  # Evol-Instruct
        {"instruction": Q, "output": A, "input": ""},  # Alpaca
        {"instruction": Q, "output": A, "code": "def add(a, b): …", "testcase": ["assert add(1, 2) == 3"]},  # opc-sft
        {"problem": Q, "solution": A, "lang": "python", "seed": "x = 1"},  # OSS-Instruct
        {"question": Q, "solution": A, "test": "assert True"},  # KodCode
        {"prompt": Q, "completion": A, "entry_point": "add"},
    ],
)
def test_schemas_are_found_by_their_columns(record: dict[str, Any]) -> None:
    assert turns(record) == (ASKED, ANSWERED)


def test_more_turns() -> None:
    system, more = Turn("system", "Be brief."), (Turn("user", "And three?"), Turn("assistant", "a + b + c"))
    roles = [{"role": turn.speaker, "content": turn.text} for turn in (system, ASKED, ANSWERED, *more)]
    assert turns({"messages": roles}) == (system, ASKED, ANSWERED, *more)
    assert turns({"instruction": Q, "output": A, "system": "Be brief."}) == (system, ASKED, ANSWERED)
    assert turns({"instruction": Q, "output": A, "input": "1 and 2"})[0].text == f"{Q}\n\n1 and 2"


def test_a_language_and_a_path_are_read_beside_them() -> None:
    document = read({"problem": Q, "solution": A, "lang": "python", "path": "a.py"})
    assert isinstance(document, Document) and (document.language, document.path) == ("python", "a.py")


def test_columns_can_be_named() -> None:
    assert turns({"task": Q, "code": A}, prompt="task", response="code") == (ASKED, ANSWERED)
    text = {"text": "x = 1", "task": Q, "reply": A}
    assert turns(text, prompt="task", response="reply") == (ASKED, ANSWERED)
    document = read(text)
    assert isinstance(document, Document) and (document.text, document.turns) == ("x = 1", ())


def test_what_is_text_stays_text() -> None:
    for column in ("text", "content"):
        document = read({column: "x = 1", "instruction": Q, "output": A})
        assert isinstance(document, Document) and (document.text, document.turns) == ("x = 1", ())
    assert repr(read({"text": "x"})) == (
        "Document(source='store', path='line 1', text='x', repo=None, language='other', licence=None, stars=None, "
        "has_path=False)"
    )


CHOSEN, REJECTED = ({"role": "assistant", "content": text} for text in (A, B))
USER = {"role": "user", "content": Q}


@pytest.mark.parametrize(
    "record",
    [
        {"prompt": Q, "chosen": A, "rejected": B},
        {"prompt": Q, "chosen": [CHOSEN], "rejected": [REJECTED]},
        {"prompt": [USER], "chosen": [CHOSEN], "rejected": [REJECTED]},
        {"prompt": [USER], "chosen": A, "rejected": B},
        {"prompt": Q, "chosen": [USER, CHOSEN], "rejected": [USER, REJECTED]},  # UltraFeedback
        {"chosen": [USER, CHOSEN], "rejected": [USER, REJECTED], "messages": [USER, CHOSEN]},
        {"chosen": f"\n\nHuman: {Q}\n\nAssistant: {A}", "rejected": f"\n\nHuman: {Q}\n\nAssistant: {B}"},  # hh-rlhf
    ],
)
def test_preferences(record: dict[str, Any]) -> None:
    document = read(record)
    assert isinstance(document, Document)
    assert (document.turns, document.rejected) == ((ASKED, ANSWERED), (ASKED, REFUSED))
    assert document.text == f"{Q}\n\n{A}\n\n{B}"


def messages(*roles: str) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": role} for role in roles]}


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (messages("user"), "no response"),
        (messages("system", "user"), "no response"),
        (messages("user", "assistant", "user"), "no response at the end"),
        (messages("assistant", "user", "assistant"), "roles out of order"),
        (messages("user", "user", "assistant"), "roles out of order"),
        (messages("user", "system", "assistant"), "roles out of order"),
        (messages("user", "tool", "assistant"), "an unknown role"),
        (messages(), "no conversation"),
        ({"messages": "hello"}, "no conversation"),
        ({"messages": "[{"}, "no conversation"),
        ({"messages": ["hello"]}, "a message that is no table"),
        ({"messages": [{"role": "user", "content": " \n"}, CHOSEN]}, "an empty turn"),
        ({"messages": [{"role": "user", "content": 3}, CHOSEN]}, "a turn that is no text"),
        ({"instruction": Q, "output": ""}, "no response"),
        ({"instruction": Q, "output": None}, "no response"),
        ({"instruction": "", "output": A}, "no prompt"),
        ({"prompt": Q, "chosen": A, "rejected": f" {A} "}, "chosen is rejected"),
        ({"prompt": Q, "chosen": A, "rejected": None}, "no conversation"),
        ({"chosen": [USER, CHOSEN], "rejected": [USER]}, "no response"),
        ({"chosen": [USER, CHOSEN], "rejected": [{**USER, "content": "?"}, REJECTED]}, "other prompts"),
        (
            {"chosen": [USER, CHOSEN], "rejected": [USER, CHOSEN, USER, REJECTED]},
            "one answer is the beginning of the other",
        ),
        (
            {"chosen": [USER, CHOSEN, USER, CHOSEN], "rejected": [USER, CHOSEN, {**USER, "content": "?"}, REJECTED]},
            "other prompts",
        ),
        ({"chosen": A, "rejected": B}, "no prompt"),
        ({"instruction": Q, "output": "x" * 20_000}, "too large"),
        ({"instruction": Q, "output": "\ud800"}, "lone surrogates"),
    ],
)
def test_what_is_no_conversation_is_dropped_with_a_reason(record: dict[str, Any], reason: str) -> None:
    dropped = read(record)
    assert isinstance(dropped, Dropped) and reason in dropped.reason
