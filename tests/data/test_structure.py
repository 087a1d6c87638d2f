"""Parts of a structured document: what a store may hold, and what a source makes of it."""

import json
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from codetitan.data.document import Document, Dropped
from codetitan.data.sources.open import Jsonl, Parquet, open_source
from codetitan.data.sources.records import Columns
from codetitan.data.structure import KINDS, PartsError, parse_parts, to_json

# Of a StarCoder2 tokenizer's 38 special tokens, what is structure; and the three of commits, which StarCoder's has.
OF_PAPERS = set(
    re.findall(
        r"\w+",
        """
issue_start issue_comment issue_closed jupyter_start jupyter_text jupyter_code jupyter_output jupyter_script
empty_output code_to_intermediate intermediate_to_code pr pr_status pr_is_merged pr_base pr_file pr_base_code pr_diff
pr_diff_hunk pr_comment pr_event_id pr_review pr_review_state pr_review_comment pr_in_reply_to_review_id
pr_in_reply_to_comment_id pr_diff_hunk_comment_line commit_before commit_msg commit_after
""",
    )
)

NO_LIST = "parts are no list of kinds and characters"
UNKNOWN = "parts of an unknown kind"
OTHER_LENGTH = "parts do not add up to the text"


def test_kinds_are_those_of_the_papers() -> None:
    assert set(KINDS) == OF_PAPERS and len(KINDS) == 30


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Title: äö𝟙 a", [["issue_start", 10], ["issue_comment", 2]]),  # characters, not bytes
        ("headx", [["", 4], ["jupyter_code", 1]]),
        ("x", [["jupyter_start", 0], ["jupyter_code", 1], ["empty_output", 0]]),
        ("x", []),
        ("x", None),
    ],
)
def test_parts(text: str, parts: Any, as_json: bool) -> None:
    found = parse_parts(json.dumps(parts) if as_json else parts, text)
    assert found == tuple(map(tuple, parts or []))
    assert parse_parts(to_json(found), text) == found


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ("[[", NO_LIST), ("[" * 100_000, NO_LIST), ("3", NO_LIST), ({"issue_start": 2}, NO_LIST), (b"[]", NO_LIST),
        ([["issue_start"]], NO_LIST), ([["issue_start", "2"]], NO_LIST), ([["issue_start", 2.0]], NO_LIST),
        ([["issue_start", True], ["issue_comment", 1]], NO_LIST),
        ([["issue_start", 3], ["issue_comment", -1]], NO_LIST),
        ([["<issue_start>", 2]], UNKNOWN), ([["issue_start", 1], ["", 1]], UNKNOWN), ([["fim_prefix", 2]], UNKNOWN),
        ([["issue_start", 3]], OTHER_LENGTH), ([["issue_start", 1]], OTHER_LENGTH),
    ],
)  # fmt: skip
def test_no_parts(parts: Any, reason: str) -> None:
    with pytest.raises(PartsError, match=f"^{reason}$"):
        parse_parts(parts, "ab")


def test_sources_read_the_column(tmp_path: Path) -> None:
    """Both forms of stores; what does not fit is left out with the reason; null is a plain file."""
    parts = '[["issue_start",2],["issue_comment",1]]'
    records = [
        {"content": "abc", "document_parts": parts},
        {"content": "abc", "document_parts": None},
        {"content": "abcd", "document_parts": parts},
        {"content": "abc", "document_parts": '[["issue",3]]'},
    ]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    pq.write_table(pa.Table.from_pylist(records), tmp_path / "a.parquet")
    for config in (Jsonl(path=str(tmp_path / "a.jsonl")), Parquet(path=str(tmp_path / "a.parquet"))):
        source = open_source(config)
        one, plain, longer, unknown = (source.read(i) for i in range(4))
        assert isinstance(one, Document) and one.parts == (("issue_start", 2), ("issue_comment", 1))
        assert isinstance(plain, Document) and plain.parts == ()
        assert isinstance(longer, Dropped) and longer.reason == OTHER_LENGTH
        assert isinstance(unknown, Dropped) and unknown.reason == UNKNOWN


def test_a_list_and_a_column_of_another_name(tmp_path: Path) -> None:
    record = {"content": "abc", "structure": [["commit_before", 1], ["commit_msg", 1], ["commit_after", 1]]}
    (tmp_path / "a.jsonl").write_text(json.dumps(record))
    document = open_source(Jsonl(path=str(tmp_path / "a.jsonl"), fields={"parts": "structure"})).read(0)
    assert isinstance(document, Document) and [kind for kind, _ in document.parts] == [
        "commit_before", "commit_msg", "commit_after",
    ]  # fmt: skip


def test_fingerprints_change_with_the_parts_and_only_then(tmp_path: Path) -> None:
    """Checkpoints from before there were any go on: what hashes are of is what it was, letter by letter."""
    assert repr(Columns("text", "path")) == (
        "Columns(text='text', path='path', repo=None, language=None, licence=None, stars=None, documentation=None)"
    )
    assert repr(Document("s", "p", "t")) == (
        "Document(source='s', path='p', text='t', repo=None, language='other', licence=None, stars=None, has_path=True)"
    )
    seen = set()
    for parts in (None, '[["issue_start",3]]', '[["issue_start",2],["issue_comment",1]]'):
        pq.write_table(pa.table({"content": ["abc"], "document_parts": pa.array([parts], pa.string())}), tmp_path / "a")
        seen.add(open_source(Parquet(path=str(tmp_path / "a"))).fingerprint)
    assert len(seen) == 3
