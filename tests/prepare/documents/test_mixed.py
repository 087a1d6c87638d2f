"""A small corpus of code, notebooks, issues, commits and a pull request, from raw data to what training reads."""

import json
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from codetitan.cli import main
from codetitan.config.data import BatchConfig, DataConfig
from codetitan.data.document import Document
from codetitan.data.library import open_loader
from codetitan.data.rows.loader import CodeDataLoader
from codetitan.data.sources.open import Parquet, open_source
from codetitan.data.structure import parse_parts
from codetitan.prepare.report.why import why
from codetitan.prepare.tables import rows
from codetitan.tokenizer.code_tokenizer import CodeTokenizer
from tests.prepare.documents.test_commits import row as commit
from tests.prepare.documents.test_issues import LONG, event, opened
from tests.prepare.documents.test_issues import row as issue
from tests.prepare.documents.test_notebooks import code, markdown, notebook, stream
from tests.prepare.documents.test_pull_requests import row as request
from tests.prepare.test_run import _MIT
from tests.prepare.test_run import code as file_of_code

MAIL = "jane.doe@company-mail.net"
BENCHMARK = "Return the number of vowels that stand before the last consonant of every third word"
CODE = file_of_code(1)
CONFIG = """
[prepare]
shards = 2

[prepare.contamination]
humaneval = false
strings = ["{0}/benchmark.jsonl"]

[[prepare.sources]]
type = "directory"
path = "{0}/code"
repo_depth = 1

[[prepare.sources]]
type = "issues"
path = "{0}/issues.jsonl"

[[prepare.sources]]
type = "commits"
path = "{0}/commits.jsonl"
whole = 1.0

[[prepare.sources]]
type = "pull_requests"
path = "{0}/requests.jsonl"
"""


def lines(path: Path, *records: object) -> None:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("mixed")
    for repo in ("free", "bound"):
        (root / "code" / repo / "vendor").mkdir(parents=True)
    (root / "code" / "free" / "LICENSE").write_text(_MIT)
    (root / "code" / "bound" / "setup.cfg").write_text("[metadata]\nlicense = GPL-3.0-only\n")
    study = notebook(markdown("Words <jupyter_code> of " + MAIL), code("x = 2\nprint(x)", stream("2\n"))).text
    for name, text in (
        ("free/a.py", CODE), ("free/study.ipynb", study), ("free/damaged.ipynb", study[:-9]),
        ("free/vendor/study.ipynb", study[:-9]), ("bound/study.ipynb", study.replace("Words", "Other words")),
    ):  # fmt: skip
        (root / "code" / name).write_text(text)
    talk = [
        opened("jane", LONG),
        event("bob2", f"<issue_comment>username_0: no<|endoftext|> {MAIL}"),
        event("jane", "Yes."),
    ]
    lines(
        root / "issues.jsonl",
        issue(*talk, repo="bound"),
        issue(*talk, repo="z/copy"),
        issue(opened("jane", LONG), event("bob2", BENCHMARK), issue_number=6),
        issue(opened("jane", "Short.")),
    )
    after = CODE.replace("(value)", "(value, mail)", 1) + f"last = '{MAIL}'\nmore = last\nmost = last\n"
    of_code: dict[str, Any] = {"old_contents": CODE, "new_contents": after}
    lines(root / "commits.jsonl", commit(**of_code), commit(commit="ffff", license="gpl-3.0", **of_code))
    lines(root / "requests.jsonl", request())
    lines(root / "benchmark.jsonl", {"prompt": BENCHMARK})
    config = root / "prepare.toml"
    config.write_text(CONFIG.format(root))
    assert (
        main(
            [
                "prepare",
                "--config",
                str(config),
                "--output",
                str(root / "out"),
                "--prepare.executor.workers",
                "1",
                "--prepare.tokenizer",
                "code-32k",
            ]
        )
        == 0
    )
    return root / "out"


def test_what_is_in_the_corpus(output: Path) -> None:
    found = [row for path in sorted((output / "corpus").iterdir()) for row in rows(path)]
    parts = {row["path"]: parse_parts(row["document_parts"], row["content"]) for row in found}
    assert {path: [kind for kind, _ in of_one][:3] for path, of_one in parts.items()} == {
        "a.py": [],
        "study.ipynb": ["jupyter_start", "jupyter_text", "jupyter_code"],
        "issues/5": ["issue_start", "issue_comment", "issue_comment"],
        "commit/0a1b2c/a/x.py": ["commit_before", "commit_msg", "commit_after"],
        "pull/3": ["pr", "pr_status", "pr_base"],
    }
    assert {row["path"]: (row["repo"], row["language"], row["licence"]) for row in found} == {
        "a.py": ("free", "python", "MIT"),
        "study.ipynb": ("free", "jupyter", "MIT"),
        "issues/5": ("bound", "markdown", None),
        "commit/0a1b2c/a/x.py": ("me/x", "python", "MIT"),
        "pull/3": ("me/x", "python", "MIT"),
    }


def test_why_the_rest_is_not(output: Path) -> None:
    names = ("damaged.ipynb", "vendor/study.ipynb", "bound/study.ipynb", "z/copy/issues/5", "issues/6", "ffff/a/x.py")
    assert {name: next(iter(why(output, name))).partition(": ")[2].partition(" (")[0] for name in names} == {
        "damaged.ipynb": "dropped by notebooks: damaged notebook: no JSON",
        "vendor/study.ipynb": "dropped by paths: vendored path",
        "bound/study.ipynb": "dropped by licences: copyleft licence",
        "z/copy/issues/5": "dropped by exact_duplicates: the same text: bound/issues/5 is kept, Jaccard similarity 1.00",
        "issues/6": "dropped by contamination: benchmark overlap",
        "ffff/a/x.py": "dropped by licences: copyleft licence",
    }
    short = list(why(output, "me/parser/issues/5"))
    assert short == ["me/parser/issues/5: dropped by issues: short issue (6; the threshold is 200)"]


def test_the_report_counts_them(output: Path) -> None:
    report = (output / "report.md").read_text()
    table = report.partition("## By document")[2].partition("##")[0]
    cells = [line.strip("| ").split(" | ") for line in table.strip().split("\n")[2:]]
    assert {name: (read, kept) for name, read, _, kept, *_ in cells} == {
        "file": ("3", "1"), "issue": ("4", "1"), "commit": ("2", "1"), "notebook": ("2", "1"), "pull request": ("1", "1"),
    }  # fmt: skip


def test_training_reads_the_parts(output: Path) -> None:
    """What a person wrote makes no part, and what is redacted moves none."""
    source = open_source(Parquet(path=str(output / "corpus")))
    read = [source.read(i) for i in range(len(source))]
    documents = {each.path: each for each in read if isinstance(each, Document)}
    assert len(documents) == 5 and all(MAIL not in each.text for each in documents.values())
    texts: dict[str, list[str]] = {}
    for path, document in documents.items():
        at = 0
        for _, n in document.parts:
            texts.setdefault(path, []).append(document.text[at : at + n])
            at += n
        assert at == (len(document.text) if document.parts else 0)
    assert texts["issues/5"][1:] == [
        "username_1: <issue_comment>username_0: no<|endoftext|> <EMAIL>",
        "username_0: Yes.",
    ]
    assert texts["study.ipynb"][:2] == ["", "Words <jupyter_code> of <EMAIL>"]
    assert texts["commit/0a1b2c/a/x.py"][:2] == [CODE, "Count the next two lines, too"]
    assert texts["commit/0a1b2c/a/x.py"][2].endswith("last = '<EMAIL>'\nmore = last\nmost = last\n")


def test_rows_have_the_sentinels(output: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each part is its sentinel's id and its text's: no other id of a sentinel is in a row."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    path = str(output / "corpus")
    asked = DataConfig(
        dataloader=CodeDataLoader.Config(sources=[Parquet(path=path, epochs=1)], workers=0),
        tokenizer=CodeTokenizer.Config(structured_documents=True),
        training=BatchConfig(seq_len=8192, local_batch_size=1, global_batch_size=1),
    )
    tokenizer = CodeTokenizer(asked.tokenizer, tokenizer_path="code-32k")
    sentinels, encode = tokenizer.sentinels, tokenizer.encoding.encode
    expected: dict[str, list[int]] = {}
    source = open_source(Parquet(path=path))
    for document in filter(lambda each: isinstance(each, Document), map(source.read, range(len(source)))):
        assert isinstance(document, Document)
        ids, at = list[int](), 0
        for kind, n in document.parts or (("", len(document.text)),):
            ids += [sentinels.structure[kind]] if kind else []
            ids += encode(document.text[at : at + n]).tolist()
            at += n
        expected[document.path] = [*ids, sentinels.end]
    served: dict[str, list[int]] = {}
    for samples in islice(open_loader(asked).samples(), len(expected)):
        for part in (part for sample in samples for part in sample):
            assert part.stop - part.start == part.piece.size, "whole"
            served[part.piece.name] = part.piece.ids.tolist()
    assert served == expected
    counted = {row["path"]: row["token_count"] for file in (output / "corpus").iterdir() for row in rows(file)}
    assert counted == {path: len(ids) - 1 for path, ids in expected.items()}
    comments = served["issues/5"].count(sentinels.structure["issue_comment"])
    assert comments == 2, "of which none is what a comment says"
    assert served["issues/5"].count(sentinels.end) == 1
