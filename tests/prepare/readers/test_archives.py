"""Archives from anybody: what they hold, and what they may not do."""

import gzip
import io
import os
import re
import tarfile
import time
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from codetitan.data.document import Dropped
from codetitan.errors import ConfigError
from codetitan.prepare.config import Prepare
from codetitan.prepare.file import File
from codetitan.prepare.licences import Licences, Repository, collect
from codetitan.prepare.readers.archives import ArchiveReader, Archives, named
from codetitan.prepare.readers.open import open_reader
from codetitan.prepare.stages.read import Read
from codetitan.prepare.tables import rows


def tar(path: Path, members: dict[str, bytes], *others: tarfile.TarInfo, mode: str = "w:gz") -> None:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for info in others:
            archive.addfile(info)


def read(folder: Path, **options: int) -> tuple[list[File], list[tuple[str, str]]]:
    reader = ArchiveReader(Archives(path=str(folder), **options), ["LICENSE*"])  # type: ignore[arg-type]
    found = [each for unit in range(len(reader)) for each in reader.read(unit)]
    files = [each for each in found if isinstance(each, File)]
    return files, [(each.path, each.reason) for each in found if isinstance(each, Dropped)]


@pytest.mark.parametrize("end", [".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2", ".crate"])
def test_tarballs(tmp_path: Path, end: str) -> None:
    mode = {".tar": "w", ".tar.xz": "w:xz", ".tar.bz2": "w:bz2"}.get(end, "w:gz")
    members = {"demo-1.2/src/a.py": b"x = 1\n", "demo-1.2/LICENSE": b"MIT\n", "demo-1.2/logo.png": b"\x89PNG"}
    tar(tmp_path / f"demo-1.2{end}", members, mode=mode)
    files, dropped = read(tmp_path)
    assert [(file.repo, file.path, file.text, file.language) for file in files] == [
        ("demo", "src/a.py", "x = 1\n", "python"), ("demo", "LICENSE", "MIT\n", "text"),
    ]  # fmt: skip
    assert dropped == [("demo/logo.png", "other file type")]


def test_dates_of_members(tmp_path: Path) -> None:
    """Those that packers write for all files alike say nothing: zip's first, npm's, and that of tar-rs."""
    moment = datetime(2024, 2, 29, 12, 30, 2, tzinfo=UTC)
    others = []
    for name, seconds in (
        ("a", moment.timestamp() + 0.5),
        ("b", 0),
        ("c", 499_162_500),
        ("d", 1_153_704_088),
        ("e", 1e11),
    ):
        info = tarfile.TarInfo(f"demo-1/{name}.py")
        info.mtime, info.size = seconds, 0
        others.append(info)
    with tarfile.open(tmp_path / "demo-1.tar", "w") as archive:
        for info in others:
            info.size = len(info.name)
            archive.addfile(info, io.BytesIO(info.name.encode()))
    with zipfile.ZipFile(tmp_path / "demo-2.zip", "w") as archive:
        archive.writestr(zipfile.ZipInfo("demo-2/f.py", (2024, 2, 29, 12, 30, 2)), "f = 1\n")
        archive.writestr(zipfile.ZipInfo("demo-2/g.py"), "g = 1\n")
        archive.writestr(zipfile.ZipInfo("demo-2/h.py", (2024, 0, 0, 0, 0, 0)), "h = 1\n")
    files, _ = read(tmp_path)
    assert {file.path: file.date for file in files if file.date} == {"a.py": moment, "f.py": moment}
    assert len(files) == 8


def test_zips_and_their_order(tmp_path: Path) -> None:
    for name in ("b-1.0.whl", "a-1.0.zip"):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("a/z.py", "z = 1\n")
            archive.writestr("b/a.py", "a = 1\n")
    files, _ = read(tmp_path)
    assert [(file.repo, file.path) for file in files] == [
        ("a", "a/z.py"), ("a", "b/a.py"), ("b", "a/z.py"), ("b", "b/a.py"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("requests-2.32.3.tar.gz", "requests"), ("bash_5.2.15.orig.tar.xz", "bash"), ("lodash-4.17.21.tgz", "lodash"),
        ("scikit-learn-1.5.0.tar.gz", "scikit-learn"), ("main.zip", "main"), ("serde-v1.0.crate", "serde"),
        ("2to3-1.0.tar.gz", "2to3"), ("foo_2-1.0-py3-none-any.whl", "foo_2"), ("v1.2.tar.gz", "v1.2"),
        ("gcc-12_12.2.0.orig.tar.xz", "gcc-12"), ("sqlite3_3.40.1.orig-www.tar.xz", "sqlite3"),
        ("git_2.39.5-0+deb12u3.debian.tar.xz", "git"), ("dpkg_1.21.22.tar.xz", "dpkg"),
    ],
)  # fmt: skip
def test_names(file: str, name: str) -> None:
    assert named(f"folder/{file}").repo == name


def test_a_debian_source_is_one_tree(tmp_path: Path) -> None:
    """Its licences lie in another archive than its code; the top folder is left out, whatever its name."""
    copyright = b"Format: 1.0\n\nFiles: *\nLicense: MIT\n\nFiles: lib/*\nLicense: GPL-2+\n"
    (tmp_path / "other").mkdir()
    tar(tmp_path / "demo_1.2-0.1.orig.tar.gz", {"Demo-v1/a.py": b"x = 1\n", "Demo-v1/lib/b.py": b"y = 1\n"})
    tar(tmp_path / "demo_1.2-0.1.orig-www.tar.gz", {"./site/a.py": b"z = 1\n"})
    tar(tmp_path / "demo_1.2-0.1-3~deb12u1.debian.tar.xz", {"debian/copyright": copyright}, mode="w:xz")
    tar(tmp_path / "other" / "demo_1.2-0.1.orig.tar.gz", {"demo/a.py": b"x = 1\n"})
    reader = ArchiveReader(Archives(path=str(tmp_path)), ["copyright"])
    files = [each for unit in range(len(reader)) for each in reader.read(unit) if isinstance(each, File)]
    tree = f"archives:{tmp_path}:demo_1.2-0.1"
    assert [(file.path, file.root) for file in files] == [
        ("debian/copyright", tree), ("www/a.py", tree), ("a.py", tree), ("lib/b.py", tree),
        ("a.py", f"archives:{tmp_path}:other/demo_1.2-0.1"),
    ]  # fmt: skip
    repository = Repository(collect((file.path, file.text) for file in files[:1]))
    assert [Licences().judge(file, repository).licence for file in files[2:4]] == ["MIT", "GPL-2.0-or-later"]


def test_what_points_out_of_it_is_left_out(tmp_path: Path) -> None:
    link = tarfile.TarInfo("d/link.py")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    device = tarfile.TarInfo("d/null.py")
    device.type = tarfile.CHRTYPE
    tar(tmp_path / "d-1.tar.gz", {"../../evil.py": b"x", "/etc/evil.py": b"x", "d/ok.py": b"x = 1\n"}, link, device)
    files, dropped = read(tmp_path)
    assert [file.path for file in files] == ["ok.py"]
    assert [reason for _, reason in dropped] == ["path out of the archive"] * 2 + ["link or device"] * 2


def test_scripts_without_an_extension(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "d-1.tar.gz", "w:gz") as archive, zipfile.ZipFile(tmp_path / "e-1.zip", "w") as other:
        for name, data, mode in (
            ("run", b"#!/bin/sh\nls\n", 0o755),
            ("text", b"ls\n", 0o755),
            ("no", b"#!/bin/sh\n", 0o644),
        ):
            info, member = tarfile.TarInfo(f"d/{name}"), zipfile.ZipInfo(f"d/{name}")
            info.size, info.mode, member.external_attr = len(data), mode, (0o100000 | mode) << 16
            archive.addfile(info, io.BytesIO(data))
            other.writestr(member, data)
    files, dropped = read(tmp_path)
    assert [(file.repo, file.path, file.language, file.in_corpus) for file in files] == [
        ("d", "run", "shell", True), ("e", "run", "shell", True),
    ]  # fmt: skip
    assert [reason for _, reason in dropped] == ["other file type"] * 4


def test_names_that_no_terminal_should_see(tmp_path: Path) -> None:
    """Control characters; bytes that are no UTF-8, which no Parquet file would take."""
    link = tarfile.TarInfo("d/\x1b[2J.py")
    link.type, link.linkname = tarfile.SYMTYPE, "x"
    names = {"d/a\n.py": b"x", "d/\udcff.py": b"x", "../\udcff.py": b"x", "d/ü.py": b"x = 1\n"}
    tar(tmp_path / "d-1.tar.gz", names, link)
    (tmp_path / "\x1b.tar.gz").write_bytes(b"")
    files, dropped = read(tmp_path)
    assert [file.path for file in files] == ["ü.py"]
    assert dropped == [
        ("d-1.tar.gz:'d/a\\n.py'", "unprintable name"), ("d-1.tar.gz:'d/\\udcff.py'", "unprintable name"),
        ("d-1.tar.gz:'../\\udcff.py'", "path out of the archive"), ("d-1.tar.gz:'d/\\x1b[2J.py'", "unprintable name"),
    ]  # fmt: skip
    told: list[tuple[str, str]] = []
    ArchiveReader(Archives(path=str(tmp_path)), []).left_out(lambda each: told.append((each.path, each.reason)))
    assert told == [("\x1b.tar.gz", "unprintable name")]


def test_archives_that_hold_nothing(tmp_path: Path) -> None:
    tar(tmp_path / "a-1.tar.gz", {})
    (tmp_path / "b-1.tar.gz").write_bytes(b"")
    (tmp_path / "c-1.zip").write_bytes(b"")
    with zipfile.ZipFile(tmp_path / "d-1.jar", "w"):
        pass
    tar(tmp_path / "e-1.tar", {"e/inner.tar.gz": b"x", "e/e.py": b"x = 1\n"}, mode="w")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "loop.tar").symlink_to(tmp_path / "loop.tar")
    files, dropped = read(tmp_path)
    assert [file.path for file in files] == ["e.py"]
    assert [(path, reason.partition(" (")[0]) for path, reason in dropped] == [
        ("a-1.tar.gz", "empty archive"), ("b-1.tar.gz", "damaged archive"), ("c-1.zip", "damaged archive"),
        ("d-1.jar", "empty archive"), ("e/inner.tar.gz", "other file type"),
    ]  # fmt: skip


def test_what_is_no_text(tmp_path: Path) -> None:
    members = {
        "d/a.py": b"\xff\xfe",
        "d/b.py": b"a\0b",
        "d/c.py": b"",
        "d/d.py": b"x" * 101,
        "d/e.py": b"\xef\xbb\xbfx\n",
    }
    tar(tmp_path / "d-1.tar.gz", members)
    files, dropped = read(tmp_path, max_file_bytes=100)
    assert [(file.path, file.text) for file in files] == [("e.py", "x\n")]
    assert dropped == [("d/a.py", "not UTF-8"), ("d/b.py", "binary"), ("d/c.py", "empty"), ("d/d.py", "too large")]


@pytest.mark.parametrize(("end", "mode"), [(".tar.gz", "w:gz"), (".tar.xz", "w:xz"), (".tar.bz2", "w:bz2")])
def test_a_bomb_is_not_unpacked(tmp_path: Path, end: str, mode: str) -> None:
    """Nor does it take long to find that it is one, or to go over what is allowed."""
    bomb = {"bomb/a.py": b"x = 1\n", "bomb/zeros.bin": bytes(50_000_000), "bomb/z.py": b"z"}
    tar(tmp_path / f"bomb-1{end}", bomb, mode=mode)
    before = time.process_time()
    files, dropped = read(tmp_path, max_unpacked_bytes=1_000_000)
    assert [file.path for file in files] == ["a.py"]
    assert dropped == [(f"bomb-1{end}", "unpacks to too much")]
    files, dropped = read(tmp_path)
    assert [file.path for file in files] == ["a.py", "z.py"] and dropped == [("bomb/zeros.bin", "other file type")]
    assert time.process_time() - before < 10  # 0.5 s a pass; tarfile's own stream took minutes


@pytest.mark.parametrize("end", [".tar.gz", ".tar.xz", ".zip"])
def test_damage_is_counted_and_the_rest_is_read(tmp_path: Path, end: str) -> None:
    whole = tmp_path / f"a-1{end}"
    noise = {f"a/{i}.py": os.urandom(3000).hex().encode() for i in range(50)}
    if end == ".zip":
        with zipfile.ZipFile(whole, "w") as archive:
            for name, data in noise.items():
                archive.writestr(name, data)
    else:
        tar(whole, noise, mode="w:xz" if end == ".tar.xz" else "w:gz")
    whole.write_bytes(whole.read_bytes()[:-2000])
    tar(tmp_path / "b-1.tar.gz", {"b/b.py": b"x = 1\n"})
    files, dropped = read(tmp_path)
    assert files[-1].repo == "b" and len(files) < 51
    assert len(dropped) == 1 and dropped[0][0] == whole.name and dropped[0][1].startswith("damaged archive (")


def test_mistakes(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r'^prepare.sources: archives ".*none" is no folder$'):
        ArchiveReader(Archives(path=str(tmp_path / "none")), [])
    with pytest.raises(ConfigError, match=r'^prepare.sources: archives ".*" has no archive: .tar, '):
        ArchiveReader(Archives(path=str(tmp_path)), [])
    tar(tmp_path / "a-1.tar.gz", {"a/a.py": b"x"})
    reader = ArchiveReader(Archives(path=str(tmp_path)), [])
    (tmp_path / "a-1.tar.gz").unlink()
    with pytest.raises(ConfigError, match=r"a-1.tar.gz has vanished since it was listed; run the same command again$"):
        list(reader.read(0))


def test_half_a_tarball_is_said_to_be_half(tmp_path: Path) -> None:
    """tarfile takes a header behind the first that is cut off, or damaged, for the end."""
    made = tmp_path / "made.tar"
    tar(made, {f"a/{i}.py": b"x = 1\n" for i in range(4)}, mode="w")
    whole = bytearray(made.read_bytes())
    made.unlink()
    with gzip.open(tmp_path / "cut-1.tar.gz", "wb") as file:
        file.write(whole[:2300])  # in the third header
    whole[2048:2148] = b"\xff" * 100
    (tmp_path / "damaged-1.tar").write_bytes(whole)
    files, dropped = read(tmp_path)
    assert [(file.repo, file.path) for file in files] == [(n, f"{i}.py") for n in ("cut", "damaged") for i in (0, 1)]
    assert dropped == [
        ("cut-1.tar.gz", "damaged archive (truncated header)"), ("damaged-1.tar", "damaged archive (bad checksum)"),
    ]  # fmt: skip


def test_of_a_zip_each_member_stands_alone(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "z-1.zip", "w") as archive:
        for i in range(4):
            archive.writestr(f"z-1/{i}.py", f"x = {i}\n")
    data = bytearray((tmp_path / "z-1.zip").read_bytes())
    data[data.find(b"x = 0")] = ord("y")  # another CRC
    headers = [match.start() for match in re.finditer(b"PK\x01\x02", data)]
    data[headers[1] + 8] |= 1  # encrypted
    data[headers[2] + 10] = 99  # a way of packing that nobody knows
    (tmp_path / "z-1.zip").write_bytes(data)
    files, dropped = read(tmp_path)
    assert [file.path for file in files] == ["3.py"]
    assert dropped == [("z/0.py", "damaged file"), ("z/1.py", "encrypted file"), ("z/2.py", "damaged file")]


def test_what_is_no_archive_has_a_row(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    tar(tmp_path / "in" / "a-1.tar.gz", {"a-1/a.py": b"x = 1\n"})
    (tmp_path / "in" / "b-1.tar.zst").write_bytes(b"x")
    (tmp_path / "in" / "c-1.zip").symlink_to(tmp_path / "nowhere")
    config = Prepare(sources=[Archives(path=str(tmp_path / "in"))])
    stage = Read.of(config, [open_reader(source) for source in config.sources])
    (folder := tmp_path / "task").mkdir()
    counts = stage.run(0, folder)["counts"]["unread"]
    assert {reason: n["files"] for reason, n in counts.items()} == {"no archive": 1, "broken link": 1}
    assert sorted((row["path"], row["reason"]) for row in rows(folder / "dropped.parquet")) == [
        ("b-1.tar.zst", "no archive"), ("c-1.zip", "broken link"),
    ]  # fmt: skip
