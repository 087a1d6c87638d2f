"""Every file has an answer."""

from pathlib import Path

import pytest

from codetitan.errors import ConfigError
from codetitan.prepare.report.shown import _card
from codetitan.prepare.report.why import reason, why
from codetitan.prepare.tables import DROPPED, FILES, Writer
from tests.prepare.report.outputs import write_output


@pytest.fixture
def output(tmp_path: Path) -> Path:
    for name in ("corpus", "dropped"):
        (tmp_path / name).mkdir()
    with Writer(tmp_path / "dropped" / "0.parquet", DROPPED) as writer:
        named = {"repo": "a/b", "path": "src/x.py"}
        writer.add(named | {"rule": "long_lines", "reason": "longest line", "value": "1500", "threshold": "1000"})
        writer.add(
            named | {"path": "src/y.py", "rule": "near", "reason": "near copy", "twin": "c/d/y.py", "similarity": 0.83}
        )
        writer.add({"path": "z.py", "rule": "paths", "reason": "vendored"})
        writer.add({"path": "r/.github", "rule": "read", "reason": "hidden"})
        writer.add({"path": "r/out/", "rule": "read", "reason": "ignored by .gitignore"})
    with Writer(tmp_path / "corpus" / "0.parquet", FILES) as writer:
        writer.add({"repo": "c/d", "path": "y.py", "language": "python", "licence": "MIT", "content": "y = 1"})
        for i in range(30):
            writer.add({"repo": f"r/{i}", "path": "setup.py", "language": "python", "content": "x"})
    return tmp_path


def test_answers(output: Path) -> None:
    assert list(why(output, "a/b/src/x.py")) == [
        "a/b/src/x.py: dropped by long_lines: longest line (1500; the threshold is 1000)"
    ]
    assert list(why(output, "y.py")) == [
        "a/b/src/y.py: dropped by near: near copy: c/d/y.py is kept, Jaccard similarity 0.83",
        "c/d/y.py: in the corpus (python, MIT)",
    ]
    assert list(why(output, "z.py")) == ["z.py: dropped by paths: vendored"]
    assert list(why(output, "r/.github/w/x.yml")) == ["r/.github: dropped by read: hidden"]
    assert list(why(output, "r/out/x.py")) == ["r/out/: dropped by read: ignored by .gitignore"]
    many = list(why(output, "setup.py"))
    assert (
        many[0] == "r/0/setup.py: in the corpus (python, no licence)" and many[-1] == "and 10 more" and len(many) == 21
    )


@pytest.mark.parametrize(
    ("rule", "threshold", "said", "in_page"),
    [
        ("long_lines", "1000", "the threshold is 1000", "threshold 1000"),
        ("paths", "1000000", "the threshold is 1000000", "threshold 1000000"),
        ("paths", "_vendor/", "pattern _vendor/", "pattern _vendor/"),
        ("licences", "permissive = bronze", "permissive = bronze", "permissive = bronze"),
        ("generated", None, "", ""),
    ],
)
def test_what_a_value_was_held_against(rule: str, threshold: str | None, said: str, in_page: str) -> None:
    """A pattern is no threshold."""
    row = {"repo": "r", "path": "a", "rule": rule, "reason": "why", "value": "7", "threshold": threshold, "twin": None}
    assert reason(row) == f"{rule}: why (7{said and f'; {said}'})"
    page = _card({**row, "language": "python", "licence": None, "n_bytes": 7}, {})
    assert f" · 7{in_page and f' ({in_page})'}</span>" in page


def test_mistakes(output: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r'^a/b/src/x.p: no such file was read; did you mean "a/b/src/x.py"'):
        list(why(output, "a/b/src/x.p"))
    with pytest.raises(ConfigError, match=r"is not what codetitan prepare writes: it has no dropped and no corpus$"):
        list(why(tmp_path / "none", "x"))


def test_of_a_kept_file(tmp_path: Path) -> None:
    kept = {
        "repo": "r",
        "path": "a.py",
        "licence": "MIT",
        "licence_from": "LICENSE: MIT",
        "content": "# <EMAIL>, <EMAIL>",
    }
    write_output(tmp_path, [kept], [])
    assert list(why(tmp_path, "r/a.py")) == [
        "r/a.py: in the corpus (python, MIT; says LICENSE: MIT); its text has 2 <EMAIL>"
    ]


def test_which_of_several(tmp_path: Path) -> None:
    """A whole name is meant before the ends of others; two readings of one name are told apart."""
    dropped = {"rule": "paths", "reason": "vendored"}
    kept = [{"repo": "a", "path": "b/x.py", "content": "1"}, {"repo": "z/a/b", "path": "x.py", "content": "2"}]
    write_output(tmp_path, kept, [dropped | {"repo": "a/b", "path": "x.py"}, dropped | {"path": "new\nline.py"}])
    assert list(why(tmp_path, "./a/b/x.py")) == [
        "a/b/x.py: dropped by paths: vendored [source s, repository a/b, path x.py]",
        "a/b/x.py: in the corpus (python, no licence) [source s, repository a, path b/x.py]",
        "and 1 whose name ends in /a/b/x.py",
    ]
    assert len(list(why(tmp_path, "x.py"))) == 3 and len(list(why(tmp_path, "b/x.py"))) == 3
    assert list(why(tmp_path, "new\nline.py")) == ["new\\nline.py: dropped by paths: vendored"]


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("a/b/src/x.pi", "a/b/src/x.py"), ("src/z/x.py", "a/b/src/x.py"), ("stup.py", "r/0/setup.py"),
        ("r/3/setup.py/", "r/3/setup.py"), ("r/77/setup.py", "r/7/setup.py"), ("README", ""), ("/", ""),
    ],
)  # fmt: skip
def test_a_near_miss(output: Path, path: str, meant: str) -> None:
    try:
        assert next(iter(why(output, path))).startswith(f"{meant}: in the corpus") and path.endswith("/")
    except ConfigError as error:
        said = str(error).partition("no such file was read")[2]
        assert said == (f'; did you mean "{meant}"?' if meant else "")
