"""What training reads, and repositories in rows, as raw code."""

import gzip
import json
import os
from collections import Counter
from pathlib import Path

import pytest

from codetitan.data.document import Dropped
from codetitan.data.sources.open import Directory, Jsonl
from codetitan.errors import ConfigError
from codetitan.prepare.config import Prepare
from codetitan.prepare.file import File
from codetitan.prepare.readers import Reader
from codetitan.prepare.readers.open import open_reader
from codetitan.prepare.readers.repositories import Repositories, RepositoryReader
from codetitan.prepare.readers.rows import rows as rows_of
from codetitan.prepare.readers.served import ServedReader
from codetitan.prepare.stages.read import Read
from codetitan.prepare.tables import rows


def read(reader: Reader) -> tuple[list[File], list[str]]:
    found = [each for unit in range(len(reader)) for each in reader.read(unit)]
    files = [each for each in found if isinstance(each, File)]
    return files, [each.reason for each in found if isinstance(each, Dropped)]


def test_a_folder_with_what_says_its_licence(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.py").write_text("x = 1\n")
    (tmp_path / "a" / "LICENSE").write_text("MIT License\n")
    (tmp_path / "a" / "logo.png").write_bytes(b"\x89PNG")
    files, _ = read(ServedReader(Directory(path=str(tmp_path), repo_depth=1), ["LICENSE*"]))
    assert sorted((file.repo, file.path, file.licence) for file in files) == [
        ("a", "LICENSE", None),
        ("a", "x.py", None),
    ]


def test_records_in_units(tmp_path: Path) -> None:
    lines = [{"content": f"x = {i}\n", "path": f"{i}.py", "license": "mit"} for i in range(2500)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in [*lines, {"content": ""}]))
    reader = ServedReader(Jsonl(path=str(tmp_path / "a.jsonl")), [])
    assert len(reader) == 3
    files, dropped = read(reader)
    assert [file.path for file in files] == [f"{i}.py" for i in range(2500)] and dropped == ["empty"]
    assert files[0].licence == "mit"


ROWS = [
    {
        "repo_name": "a/b", "star_count": 7, "detected_licenses": ["MIT"], "pushed_at": "2026-11-30T01:02:03Z",
        "files": [
            {"path": "x.py", "content": "x = 1\n", "language": "Python"},
            {"path": "y.c", "content": "int y;\n", "detected_licenses": ["GPL-2.0"], "committer_date": "2020-05-18"},
            {"path": "z.c", "content": None},
            "no record",
        ],
    },
    {"repo_name": "c/d", "files": []},
    {"repo_name": "e/f", "files": [{"path": "z.py", "content": "z = 1\n"}]},
]  # fmt: skip


@pytest.mark.parametrize("end", ["jsonl", "parquet"])
def test_repositories_in_rows(tmp_path: Path, end: str) -> None:
    rows = ROWS
    if end == "jsonl":
        (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    else:
        import pyarrow as pa
        import pyarrow.parquet as pq

        rows = [{**row, "files": [f for f in row["files"] if isinstance(f, dict)]} for row in ROWS]  # type: ignore[attr-defined]
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    files, dropped = read(RepositoryReader(Repositories(path=str(tmp_path))))
    assert [(f.repo, f.path, f.text, f.stars) for f in files] == [
        ("a/b", "x.py", "x = 1\n", 7), ("a/b", "y.c", "int y;\n", 7), ("e/f", "z.py", "z = 1\n", None),
    ]  # fmt: skip
    assert [f.licence for f in files] == ["MIT", "GPL-2.0", None]
    assert [str(f.date)[:10] for f in files] == ["2026-11-30", "2020-05-18", "None"]
    assert dropped == ["no text", *(["no record"] if end == "jsonl" else [])]


def test_mistakes(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r'^prepare.sources: directory ".*none" does not exist; '):
        ServedReader(Directory(path=str(tmp_path / "none")), [])
    (tmp_path / "a.jsonl").write_text('{"a": 1}\n')
    with pytest.raises(
        ConfigError, match=r'^prepare.sources: repositories ".*": no column "files" of files; there are a$'
    ):
        RepositoryReader(Repositories(path=str(tmp_path)))
    (tmp_path / "a.jsonl").write_text('{"files": []}\n{"files": null}\n{"files": "[]"}\n{"repo": "a"}\n')
    assert read(RepositoryReader(Repositories(path=str(tmp_path)))) == ([], ["no list of files"] * 3)
    (tmp_path / "a.jsonl").write_text('{"files": []}\n{oops\n\n[1]\n')
    assert read(RepositoryReader(Repositories(path=str(tmp_path)))) == ([], ["no JSON object"] * 2)
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(b'{"files": []}\n' * 9)[:-8])
    reader = RepositoryReader(Repositories(path=str(tmp_path)))
    with pytest.raises(ConfigError, match=r"a.jsonl.gz can't be read: "):
        read(reader)
    (tmp_path / "b.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(ConfigError, match=r"b.parquet can't be read: ") as error:
        read(RepositoryReader(Repositories(path=str(tmp_path / "b.parquet"))))
    assert str(error.value).count("smaller than") == 1  # not again as its own cause
    with pytest.raises(ConfigError, match=r": no \*.parquet, \*.jsonl, \*.jsonl.gz there$"):
        RepositoryReader(Repositories(path=str(tmp_path / "none")))


def test_a_parquet_file_with_another_byte_is_one_line(tmp_path: Path) -> None:
    """Not all that pyarrow raises is a ValueError; and one name of a file is no UTF-8."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.parquet"))
    with file.open("wb") as opened:
        pq.write_table(pa.table({"files": [[{"content": "x = 1\n", "path": "a.py"}]] * 3}), opened)
    assert [row["files"][0]["path"] for row in rows_of(file) if row] == ["a.py"] * 3
    data, said = file.read_bytes(), []
    for place in range(len(data) - 400, len(data)):
        file.write_bytes(data[:place] + b"I" + data[place + 1 :])
        try:
            list(rows_of(file))
        except ConfigError as error:
            said.append(str(error).partition(" can't be read: ")[2])
    assert all(said) and len(said) > 50 and any("not implemented" in reason for reason in said)


def test_each_file_that_a_listing_leaves_out_has_a_row(tmp_path: Path) -> None:
    """Hidden, of another type, too large, empty, ignored, links, unreadable, no UTF-8 in its name: by its path."""
    raw = tmp_path / "raw"
    (raw / "in" / ".hidden").mkdir(parents=True)
    (raw / "pipes").mkdir()
    (raw / "in" / "ignored").mkdir()
    (raw / "in" / "out").mkdir()
    files = {
        "a.py": b"x = 1\n", ".env": b"x", "in/.hidden/b.py": b"x", "in/logo.png": b"x", "in/empty.py": b"",
        ".gitignore": b"ignored/\n*.log.py\n", "in/ignored/c.py": b"x", "in/d.log.py": b"x", "in/out/g.py": b"x",
        "in/large.py": b"#" * 17_000_000, "in/LICENSE": b"MIT",
    }  # fmt: skip
    for name, data in files.items():
        (raw / name).write_bytes(data)
    (raw / "in" / "link.py").symlink_to(raw / "a.py")
    (raw / "in" / "broken.py").symlink_to(raw / "nowhere.py")
    (raw / "loop").symlink_to(raw)
    os.mkfifo(raw / "pipes" / "p.py")
    Path(os.fsdecode(os.fsencode(raw) + b"/in/\xff.py")).write_text("x")
    (raw / "in" / "é.bin").write_bytes(b"x")
    expected = {
        ".env": "hidden", "in/.hidden": "hidden", "in/logo.png": "other file type", "in/empty.py": "empty",
        "in/ignored/": "ignored by .gitignore", "in/d.log.py": "ignored by .gitignore", "in/large.py": "too large",
        "in/link.py": "link to what is served already", "in/broken.py": "broken link", "loop": "loop of links", "pipes/p.py": "not a regular file",
        "in/\\udcff.py": "unprintable name", "in/é.bin": "other file type", "LICENSE": "read for licences alone",
        "in/out": "excluded by name",
    }  # fmt: skip
    config = Prepare(sources=[Directory(path=str(raw), repo_depth=1, exclude=["out"])])
    read = Read.of(config, [open_reader(source) for source in config.sources])
    (folder := tmp_path / "task").mkdir()
    counts = read.run(0, folder)["counts"]["unread"]
    found = list(rows(folder / "dropped.parquet"))
    assert {row["path"]: row["reason"] for row in found} == expected and len(found) == len(expected)
    assert {row["rule"] for row in found} == {"read"} and {row["source"] for row in found} == {f"directory:{raw}"}
    assert {reason: n["files"] for reason, n in counts.items()} == Counter(expected.values())
    assert [row["path"] for row in rows(folder / "files.parquet")] == ["a.py"]


def test_what_is_left_out_is_told_and_not_kept(tmp_path: Path) -> None:
    """Of a million images no list is made."""
    (tmp_path / "a.py").write_text("x = 1\n")
    for i in range(3000):
        (tmp_path / f"{i:04}.png").touch()
    reader = open_reader(Directory(path=str(tmp_path)))
    told: list[str] = []
    reader.left_out(lambda each: told.append(each.path))  # type: ignore[attr-defined]
    assert sorted(told) == [f"{i:04}.png" for i in range(3000)]
    assert not any(isinstance(each, (list, dict, set, Counter)) and len(each) > 100 for each in vars(reader).values())
