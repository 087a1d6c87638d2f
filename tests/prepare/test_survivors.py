"""Which of several copies stays, as a store describes them: permissive, stars, date, repository, path."""

import json
from pathlib import Path

import pytest

from codetitan.cli import main
from codetitan.prepare.tables import rows
from tests.prepare.test_run import code

_ROWS = [
    # copies of 1: more stars than a later date; of 2: the later date, whatever the names; of 3: a date, rather than none
    (1, {"repo": "a/old", "stars": 9, "date": "2011-01-01"}), (1, {"repo": "b/new", "stars": 8, "date": "2026-01-01"}),
    (2, {"repo": "a/one", "stars": 5, "date": "2020-05-18T12:00:00Z"}),
    (2, {"repo": "z/two", "stars": 5, "date": "2020-05-18T14:00:01+02:00"}),
    (3, {"repo": "a/none", "stars": 5}), (3, {"repo": "z/some", "stars": 5, "date": "1999-01-01"}),
]  # fmt: skip


@pytest.mark.slow
def test_a_date_decides_between_equal_stars(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [{"content": code(seed), "path": "x.py", "license": "MIT", **row} for seed, row in _ROWS]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "p.toml").write_text("[prepare]\nshards = 1\n")
    words = ["prepare", "--config", str(tmp_path / "p.toml"), "--output", str(tmp_path / "out")]
    assert main([*words, "--prepare.sources", f"jsonl:{tmp_path / 'a.jsonl'}"]) == 0
    kept = {row["repo"]: row["date"] for row in rows(tmp_path / "out" / "corpus" / "part-00000.parquet")}
    assert kept == {
        "a/old": "2011-01-01T00:00:00+00:00", "z/two": "2020-05-18T12:00:01+00:00",
        "z/some": "1999-01-01T00:00:00+00:00",
    }  # fmt: skip
    capsys.readouterr()
    main(["prepare", "why", "--output", str(tmp_path / "out"), "a/one/x.py"])
    assert capsys.readouterr().out == (
        "a/one/x.py: dropped by exact_duplicates: the same text: z/two/x.py is kept, Jaccard similarity 1.00\n"
    )


@pytest.mark.slow
@pytest.mark.parametrize("duplicates", [True, False])
def test_the_order_of_rows_decides_nothing(tmp_path: Path, duplicates: bool) -> None:
    """A store has a file twice, with other licences: the same one stays, and what stays is in the same order."""
    lines = [
        {"repo": "o/n", "path": "a.py", "content": text, "license": licence, "stars": stars}
        for licence in ("ISC", "MIT") for stars in (3, 4) for text in (code(1), code(1).replace("x", "x2", 1))
    ]  # fmt: skip
    rule = "true" if duplicates else "false"
    (tmp_path / "p.toml").write_text(
        f"[prepare]\nshards = 1\n[prepare.exact_duplicates]\nenable = {rule}\n[prepare.near_duplicates]\nenable = {rule}\n"
    )
    found = []
    for out, ordered in (("a", lines), ("b", lines[::-1])):
        (tmp_path / "a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in ordered))
        words = ["prepare", "--config", str(tmp_path / "p.toml"), "--output", str(tmp_path / out)]
        assert main([*words, "--prepare.sources", f"jsonl:{tmp_path / 'a.jsonl'}"]) == 0
        found.append([(tmp_path / out / name / "part-00000.parquet").read_bytes() for name in ("corpus", "dropped")])
    assert found[0] == found[1]
    assert len(list(rows(tmp_path / "a" / "corpus" / "part-00000.parquet"))) == (1 if duplicates else 8)
