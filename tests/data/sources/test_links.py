"""Links below a folder: each real file once, whatever leads to it; what is not followed is counted."""

import json
import os
import shutil
import socket
from collections import Counter
from pathlib import Path

import pytest

from codetitan.data.document import Document
from codetitan.data.sources.listing import list_files
from codetitan.data.sources.open import Directory, Jsonl, PythonStdlib, open_source
from codetitan.data.sources.walk import Links
from codetitan.errors import ConfigError
from tests.conftest import REPOSITORY


def write(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"# {name}\n")


def served(folder: Path, links: Links = "all") -> tuple[list[str], dict[str, int]]:
    source = open_source(Directory(path=str(folder), links=links))
    return [source.read(i).path for i in range(len(source))], dict(source.dropped)


def test_linked_files(tmp_path: Path) -> None:
    names = [f"{i}.py" for i in range(6)]
    write(tmp_path / "store", *names)
    (tmp_path / "code").mkdir()
    for name in names:
        (tmp_path / "code" / name).symlink_to(tmp_path / "store" / name)
    assert served(tmp_path / "code") == (names, {})
    assert served(tmp_path) == ([f"store/{name}" for name in names], {"link to what is served already": 6})
    assert served(tmp_path, "inside")[0] == served(tmp_path, "none")[0] == served(tmp_path)[0]
    assert served(tmp_path, "none")[1] == {"link": 6}
    for links, count in (("inside", "6 link out of the folder"), ("none", "6 link")):
        with pytest.raises(ConfigError) as error:
            served(tmp_path / "code", links)  # type: ignore[arg-type]
        assert f"has no document ({count}); see the keys" in str(error.value) and '"links"' in str(error.value)


def test_a_linked_repository(tmp_path: Path) -> None:
    write(tmp_path / "elsewhere/project", "a.py", "deep/b.py", ".git/config", "secret.py", ".gitignore")
    (tmp_path / "elsewhere/project/.gitignore").write_text("secret.py\n")
    (tmp_path / "elsewhere/project/.git/config").write_text('[remote "origin"]\nurl = https://h/o/n\n')
    write(tmp_path / "code", "c.py")
    (tmp_path / "code/other-name").symlink_to(tmp_path / "elsewhere/project")
    source = open_source(Directory(path=str(tmp_path / "code")))
    documents = [source.read(i) for i in range(len(source))]
    assert all(isinstance(document, Document) for document in documents)
    assert [(document.repo, document.path) for document in documents if isinstance(document, Document)] == [
        (None, "c.py"), ("o/n", "a.py"), ("o/n", "deep/b.py"),
    ]  # fmt: skip
    assert source.dropped == {"ignored by .gitignore": 1}


def test_loops_and_broken_links(tmp_path: Path) -> None:
    code = tmp_path / "code"
    write(code, "a.py", "x/b.py", "y/c.py")
    (code / "x/self").symlink_to(".")
    (code / "x/up").symlink_to("../..")
    (code / "x/root").symlink_to("/")
    (code / "x/to-y").symlink_to("../y")
    (code / "y/to-x").symlink_to("../x")
    (code / "ring1.py").symlink_to("ring2.py")
    (code / "ring2.py").symlink_to("ring1.py")
    (code / "gone.py").symlink_to("nowhere.py")
    (code / "gone").symlink_to(tmp_path / "nowhere")
    assert served(code) == (
        ["a.py", "x/b.py", "y/c.py"], {"loop of links": 5, "link to what is served already": 2, "broken link": 2}
    )  # fmt: skip


def test_two_ways_to_one_folder(tmp_path: Path) -> None:
    """The first path wins, also where a link lies behind a link, and where one folder holds the other."""
    write(tmp_path / "store", "all/one/a.py", "all/b.py")
    write(tmp_path / "code", "z.py")
    for name, target in (("m", "store/all/one"), ("k", "store/all"), ("n", "store/all"), ("w.py", "store/all/b.py")):
        (tmp_path / "code" / name).symlink_to(tmp_path / target)
    (tmp_path / "store/all/again").symlink_to("one")
    assert served(tmp_path / "code") == (["k/b.py", "k/one/a.py", "z.py"], {"link to what is served already": 4})
    (tmp_path / "code/a.py").symlink_to(tmp_path / "store/all/one/a.py")
    assert served(tmp_path / "code")[0] == ["a.py", "k/b.py", "z.py"]


def test_a_link_to_what_is_not_served_otherwise(tmp_path: Path) -> None:
    write(tmp_path, "vendor/kept.py", ".hidden/too.py")
    (tmp_path / "kept").symlink_to("vendor")
    (tmp_path / "too.py").symlink_to(".hidden/too.py")
    assert served(tmp_path, "inside") == (["kept/kept.py", "too.py"], {"excluded by name": 1, "hidden": 1})


def test_a_linked_licence_counts(tmp_path: Path) -> None:
    write(tmp_path / "code", "pkg/a.py", "pkg/.git/HEAD")
    shutil.copy(REPOSITORY / "LICENSE", tmp_path / "COPYING")
    (tmp_path / "code/pkg/LICENSE").symlink_to("../../COPYING")
    found = {}
    for links in ("all", "none"):
        document = open_source(Directory(path=str(tmp_path / "code"), links=links)).read(0)  # type: ignore[arg-type]
        assert isinstance(document, Document)
        found[links] = document.licence
    assert found == {"all": "BSD-3-Clause", "none": None}


def test_what_else_is_left_out_is_counted(tmp_path: Path) -> None:
    write(tmp_path, "a.py", ".env.py", ".github/b.py", "build/c.py", "bad\nname.py")
    os.mkfifo(tmp_path / "pipe.py")
    (tmp_path / "to-pipe.py").symlink_to("pipe.py")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s.py"))
    with open(os.fsencode(tmp_path) + b"/\xff.py", "wb") as file:  # noqa: PTH123
        file.write(b"pass\n")
    assert served(tmp_path) == (
        ["a.py"], {"hidden": 2, "excluded by name": 1, "not a regular file": 3, "unprintable name": 2}
    )  # fmt: skip


def test_a_folder_that_can_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As root may read all, the system call is what refuses."""
    write(tmp_path, "a.py", "closed/b.py")
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": "x"}))
    scandir = os.scandir

    def refuse(path: Path) -> "os._ScandirIterator[str]":
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied")
        return scandir(str(path))

    monkeypatch.setattr(os, "scandir", refuse)
    assert served(tmp_path) == (["a.py"], {"unreadable folder": 1, "other file type": 1})
    with pytest.raises(ConfigError, match="1 folder in it can't be read; see the permissions"):
        open_source(Jsonl(path=str(tmp_path)))


def test_the_same_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Copied with its links, made in another order, listed in another order: the same files and fingerprint."""
    write(tmp_path / "one", "a/1.py", "b/2.py", "vendor/3.py")
    for name, target in (("l", "vendor"), ("k", "vendor"), ("b/l", "../vendor/3.py")):
        (tmp_path / "one" / name).symlink_to(target)
    shutil.copytree(tmp_path / "one", tmp_path / "two", symlinks=True)
    first = open_source(Directory(path=str(tmp_path / "one")))
    scandir = os.scandir

    class Reversed:
        def __init__(self, path: str) -> None:
            with scandir(path) as entries:
                self.entries = sorted(entries, key=lambda entry: entry.name, reverse=True)

        def __enter__(self) -> "list[os.DirEntry[str]]":
            return self.entries

        def __exit__(self, *_: object) -> None: ...

    monkeypatch.setattr(os, "scandir", Reversed)
    second = open_source(Directory(path=str(tmp_path / "two")))
    assert first.fingerprint == second.fingerprint and len(first) == 3
    assert first.dropped == second.dropped and [first.read(i).path for i in range(3)][1] == "b/2.py"


def test_record_shards_behind_links(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "store").mkdir(exist_ok=True)
        (tmp_path / "store" / f"{name}.jsonl").write_text(json.dumps({"text": name}))
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "shards").symlink_to(tmp_path / "store")
    (folder / "again.jsonl").symlink_to(tmp_path / "store/b.jsonl")
    (folder / "gone.jsonl").symlink_to("nowhere")
    (folder / "loop").symlink_to(".")
    source = open_source(Jsonl(path=str(folder)))
    assert [source.read(i).path for i in range(len(source))] == ["again.jsonl:1", "shards/a.jsonl:1"]
    assert source.dropped == {"broken link": 1, "loop of links": 1, "link to what is served already": 1}
    with pytest.raises(ConfigError, match=r"gone\.jsonl\" is a broken link, to nowhere; name a file"):
        open_source(Jsonl(path=str(folder / "gone.jsonl")))


def test_the_standard_library_has_no_links(tmp_path: Path) -> None:
    """Distributions link to other places: the corpus of every machine leaves those out."""
    assert "link to what is served already" not in open_source(PythonStdlib()).dropped
    write(tmp_path, "a.py")
    (tmp_path / "b.py").symlink_to("a.py")
    dropped = Counter[str]()
    files = list_files(tmp_path, include=["*.py"], exclude=[], max_file_bytes=9**9, dropped=dropped)
    assert [file.path for file in files] == ["a.py"] and dropped == {"link": 1}
