"""Tables of files: the same bytes for the same rows, and no more of them in memory than a group."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from codetitan.errors import ConfigError
from codetitan.prepare import tables
from codetitan.prepare.tables import DROPPED, FILES, Writer, rows


def test_what_is_written_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "_GROUP_BYTES", 1000)
    made = [{"repo": "a/b", "path": f"{i}.py", "content": "x" * i, "stars": None, "n_bytes": i} for i in range(100)]
    for name in ("a", "b"):
        with Writer(tmp_path / name, FILES) as writer:
            for row in made:
                writer.add(row)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert pq.ParquetFile(tmp_path / "a").num_row_groups > 10
    found = list(rows(tmp_path / "a"))
    assert [{name: row[name] for name in made[0]} for row in found] == made
    assert list(found[0]) == list(FILES) and found[0]["quality"] is None
    assert list(rows(tmp_path / "a", ["path"]))[7] == {"path": "7.py"}


def test_an_empty_table_has_its_columns(tmp_path: Path) -> None:
    with Writer(tmp_path / "a", DROPPED):
        pass
    assert list(rows(tmp_path / "a")) == [] and pq.ParquetFile(tmp_path / "a").schema_arrow.names == list(DROPPED)


def test_mistakes(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none/a can't be written: "):
        Writer(tmp_path / "none" / "a", FILES)
    with pytest.raises(ConfigError, match=r"^/dev/full can't be written: No space left on device$"):
        Writer(Path("/dev/full"), FILES)
    (tmp_path / "a").write_bytes(b"PAR1 no")
    with pytest.raises(ConfigError, match=r"a can't be read: "):
        list(rows(tmp_path / "a"))
