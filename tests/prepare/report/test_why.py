"""Every file has an answer."""

from pathlib import Path

import pytest

from codetitan.errors import ConfigError
from codetitan.prepare.report.why import why
from codetitan.prepare.tables import DROPPED, FILES, Writer


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
    many = list(why(output, "setup.py"))
    assert (
        many[0] == "r/0/setup.py: in the corpus (python, no licence)" and many[-1] == "and 10 more" and len(many) == 21
    )


def test_mistakes(output: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r'^a/b/src/x.p: no such file was read; did you mean "a/b/src/x.py"'):
        list(why(output, "a/b/src/x.p"))
    with pytest.raises(ConfigError, match=r"is not what codetitan prepare writes: it has no dropped and no corpus$"):
        list(why(tmp_path / "none", "x"))
