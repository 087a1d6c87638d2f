"""Tarballs whose headers lie: of sizes, of names, of what has been said before."""

import io
import tarfile
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from codetitan.prepare.config import Prepare
from codetitan.prepare.readers.archives import Archives
from codetitan.prepare.readers.open import open_reader
from codetitan.prepare.stages.read import Read
from codetitan.prepare.tables import rows
from tests.prepare.readers.test_archives import read


def test_a_header_that_is_a_bomb(tmp_path: Path) -> None:
    """PAX headers are no members, and read whole: of 50 MB it took 20 s."""
    with tarfile.open(tmp_path / "pax-1.tar.gz", "w:gz", format=tarfile.PAX_FORMAT) as archive:
        one = tarfile.TarInfo("pax-1/a.py")
        one.pax_headers = {"comment": "x" * 20_000_000}
        archive.addfile(one, io.BytesIO())
    tracemalloc.start()
    assert read(tmp_path) == ([], [("pax-1.tar.gz", "damaged archive (a header of more than 1 MB)")])
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ({"size": "-512"}, "a file of less than nothing"), ({"GNU.sparse.size": "-5"}, "a file of less than nothing"),
        ({"GNU.sparse.map": "0,1,x"}, "a sparse file's map holds no numbers"),
        ({"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}, "a sparse file's map holds no numbers"),
    ],
)  # fmt: skip
def test_headers_that_lie(tmp_path: Path, header: dict[str, str], said: str) -> None:
    with tarfile.open(tmp_path / "pax-1.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        one = tarfile.TarInfo("pax-1/a.py")
        one.pax_headers, one.size = header, 6
        archive.addfile(one, io.BytesIO(b"x = 1\n"))
    assert read(tmp_path) == ([], [("pax-1.tar", f"damaged archive ({said})")])


def test_a_zip_with_another_byte(tmp_path: Path) -> None:
    """Names that are no UTF-8, dates and places that there are not, ways of packing: a row, and no end of the run."""
    path = tmp_path / "z-1.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("a.py", "ü.py"):
            archive.writestr(f"z-1/{name}", "x = 1\n")
    data = path.read_bytes()
    rows_of_each = []
    for place in range(len(data)):
        for value in (0, 9, 255):
            path.write_bytes(data[:place] + bytes([value]) + data[place + 1 :])
            files, dropped = read(tmp_path)
            rows_of_each.append(len(files) + len(dropped))
    assert min(rows_of_each) == 1 and max(rows_of_each) <= 3


def test_of_several_members_of_one_path_the_first_stays(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a-1.tar", "w") as archive:
        for name, data in (
            ("a-1/b.py", b"\xff"),
            ("a-1/b.py", b"x = 1\n"),
            ("./a-1//b.py", b"x = 2\n"),
            ("a-1/c.py", b"y\n"),
        ):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    files, dropped = read(tmp_path)
    assert [(file.path, file.text) for file in files] == [("b.py", "x = 1\n"), ("c.py", "y\n")]
    assert dropped == [("a/b.py", "not UTF-8"), ("a/b.py", "path that was in the archive before")]


def test_a_path_of_a_megabyte(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with tarfile.open(tmp_path / "in" / "a-1.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        for name in ("a/" * 400_000 + "b.py", "a/" * 400_000 + "LICENSE", "a/c.py"):
            info = tarfile.TarInfo(name)
            info.size = 6
            archive.addfile(info, io.BytesIO(b"x = 1\n"))
    config = Prepare(sources=[Archives(path=str(tmp_path / "in"))])
    stage = Read.of(config, [open_reader(source) for source in config.sources])
    (folder := tmp_path / "task").mkdir()
    assert stage.run(0, folder)["counts"]["unread"]["long path"]["files"] == 2
    assert [row["path"] for row in rows(folder / "files.parquet")] == ["c.py"]
    assert max(len(row["path"]) for row in rows(folder / "dropped.parquet")) == 1_000
