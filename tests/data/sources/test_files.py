import os
import re
import subprocess
from pathlib import Path

import pytest
from identify.vendor.licenses import LICENSES

from codetitan.data.document import Document, Dropped
from codetitan.data.language import LANGUAGES
from codetitan.data.sources.open import Directory, PythonStdlib, check_usable, open_source, source_from_text
from codetitan.errors import ConfigError


def write(root: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)


def test_python_stdlib_is_real_code() -> None:
    source = open_source(PythonStdlib())
    paths = {source.read(i).path for i in range(len(source))}
    assert {"json/decoder.py", "argparse.py", "asyncio/tasks.py"} <= paths
    folders = {folder for path in paths for folder in path.split("/")[:-1]}
    assert not folders & {"test", "tests", "idle_test", "site-packages", "__pycache__"}


def test_directory(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "b.py": "x = 'é'\r\n".encode(),
            "a.go": b"package a\n",
            "bom.py": b"\xef\xbb\xbfpass\n",
            "latin.py": b"# caf\xe9\n",
            "binary.png": b"\x89PNG",
            "empty.py": b"",
            "big.py": b"#" * 2000,
            "vendor/dep.py": b"pass\n",
            "pkg/tests/t.py": b"pass\n",
            ".git/hook.py": b"pass\n",
            "pkg/ok.py": b"pass\n",
        },
    )
    source = open_source(Directory(path=str(tmp_path), max_file_bytes=1000))
    documents = [source.read(i) for i in range(len(source))]
    assert [document.path for document in documents] == ["a.go", "b.py", "bom.py", "latin.py", "pkg/ok.py"]
    assert documents[1] == Document(f"directory:{tmp_path}", "b.py", "x = 'é'\r\n", None, "python")
    assert isinstance(documents[2], Document) and documents[2].text == "pass\n"
    assert documents[3] == Dropped(f"directory:{tmp_path}", "latin.py", "not UTF-8")
    assert source.dropped == {"other file type": 1, "empty": 1, "too large": 1, "excluded by name": 2}


def test_the_order_of_the_file_system_does_not_matter(tmp_path: Path) -> None:
    for name in ("one", "two"):
        names = ["a.py", "b.py", "c/d.py", "c.py"]
        write(tmp_path / name, {n: n.encode() for n in (names if name == "one" else names[::-1])})
    one, two = (open_source(Directory(path=str(tmp_path / name))) for name in ("one", "two"))
    assert one.fingerprint == two.fingerprint
    (tmp_path / "two" / "a.py").write_bytes(b"longer than before")
    assert open_source(Directory(path=str(tmp_path / "two"))).fingerprint != one.fingerprint


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {},
            'has no document (no file at all); see the keys "include", "exclude", "links" and',
        ),
        ({"a.png": b"x", "b.py": b""}, "has no document (1 empty, 1 other file type); see the keys"),
    ],
)
def test_no_documents(tmp_path: Path, files: dict[str, bytes], message: str) -> None:
    write(tmp_path, files)
    with pytest.raises(ConfigError) as error:
        open_source(Directory(path=str(tmp_path)))
    assert message in str(error.value)


MIT, ISC = (
    re.sub(r"Copyright .*", "Copyright (c) 2020 A Person", dict(LICENSES)[name]).encode() for name in ("MIT", "ISC")
)


def documents(config: Directory) -> dict[tuple[str | None, str], Document]:
    source = open_source(config)
    read = [source.read(i) for i in range(len(source))]
    assert [LANGUAGES[i] for i in source.languages()] == [document.language for document in read]
    return {(document.repo, document.path): document for document in read}


def git(folder: Path, *arguments: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    quiet = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
    subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, env=dict(os.environ) | quiet)


def test_the_standard_library_knows_where_it_is_from() -> None:
    source = open_source(PythonStdlib())
    document = next(d for d in map(source.read, range(len(source))) if d.path == "json/decoder.py")
    assert isinstance(document, Document)
    assert (document.repo, document.licence, document.language) == ("python/cpython", "PSF-2.0", "python")
    assert set(source.languages()) == {LANGUAGES.index("python")} and not source.streamed


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://github.com/owner/name.git", "owner/name"),
        ("https://token@host.org:443/owner/name/", "owner/name"),
        ("git@github.com:owner/name.git", "owner/name"),
        ("ssh://git@host/group/sub/name", "sub/name"),
        ("host:name", "name"),
        ("/srv/mirror/name.git", None),
        ("../name", None),
        ("file:///srv/owner/name", None),
    ],
)
def test_a_checkout_is_named_by_its_origin(tmp_path: Path, url: str, name: str | None) -> None:
    git(tmp_path / "here", "init", "-q")
    git(tmp_path / "here", "remote", "add", "upstream", "https://github.com/some/fork")
    git(tmp_path / "here", "remote", "add", "origin", url)
    write(tmp_path / "here", {"pkg/a.py": b"pass\n"})
    assert set(documents(Directory(path=str(tmp_path / "here")))) == {(name, "pkg/a.py")}


def test_repositories_and_licences(tmp_path: Path) -> None:
    git(tmp_path / "x/checkout", "init", "-q")
    git(tmp_path / "x/checkout", "remote", "add", "origin", "https://github.com/o/c")
    write(
        tmp_path,
        {
            "LICENSE": MIT,
            "top.py": b"1",
            "x/own.py": b"1",
            "x/LICENCE.txt": b"do what I say",
            "x/deep/LICENSE-ISC": ISC,
            "x/deep/LICENSE-MIT": MIT,
            "x/deep/d.py": b"1",
            "x/checkout/lib/c.py": b"1",
            "y/LICENSE": b"\xff\xfe",
            "y/COPYING": ISC,
            "y/z/e.py": b"1",
        },
    )
    name = None  # the folder at the top may lie anywhere, under any name
    found = documents(Directory(path=str(tmp_path)))
    assert {key: document.licence for key, document in found.items()} == {
        (name, "top.py"): "MIT",
        (name, "x/own.py"): None,
        (name, "x/deep/d.py"): "ISC OR MIT",
        ("o/c", "lib/c.py"): None,  # another repository: the licence around it is not its own
        (name, "y/z/e.py"): "ISC",
    }
    assert set(documents(Directory(path=str(tmp_path), repo_depth=1))) == {
        (None, "top.py"), ("x", "own.py"), ("x", "deep/d.py"), ("o/c", "lib/c.py"), ("y", "z/e.py"),
    }  # fmt: skip
    assert set(documents(Directory(path=str(tmp_path), repo_depth=2))) == {
        (None, "top.py"), (None, "x/own.py"), ("x/deep", "d.py"), ("o/c", "lib/c.py"), ("y/z", "e.py"),
    }  # fmt: skip


def test_worktrees_and_submodules(tmp_path: Path) -> None:
    main = tmp_path / "main"
    git(main, "init", "-q")
    git(main, "remote", "add", "origin", "git@host:o/n.git")
    git(main, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "x")
    git(main, "worktree", "add", "-q", "../tree")
    (main / ".git/modules/sub").mkdir(parents=True)
    write(
        tmp_path,
        {
            ".gitignore": b"",
            "tree/a.py": b"1",
            "main/sub/.git": b"gitdir: ../.git/modules/sub\n",
            "main/sub/b.py": b"1",
            "main/.git/modules/sub/config": b'[core]\n[remote "origin"]\n\turl = https://h/o/sub\n',
            "broken/.git": b"gitdir: /no/such\0\n",
            "broken/c.py": b"1",
        },
    )
    assert set(documents(Directory(path=str(tmp_path)))) == {("o/n", "a.py"), ("o/sub", "b.py"), ("broken", "c.py")}


def test_gitignore(tmp_path: Path) -> None:
    """The same files as `git ls-files` names."""
    write(
        tmp_path,
        {
            ".gitignore": b"*.log.py\n/generated/\nfoo/*.js\n!\n\\\n# no\na b.py\n",
            "keep.py": b"1", "x.log.py": b"1", "a b.py": b"1", "generated/a.py": b"1", "pkg/generated/a.py": b"1",
            "foo/a.js": b"1", "foo/bar/a.js": b"1",
            "pkg/.gitignore": b"!y.log.py\nsecret.py\n",
            "pkg/y.log.py": b"1", "pkg/secret.py": b"1", "secret.py": b"1", "pkg/deep/secret.py": b"1",
            "other/.gitignore": b"*\n!.gitignore\n", "other/z.py": b"1", "pkg/ignored.txt.log": b"1",
        },
    )  # fmt: skip
    git(tmp_path, "init", "-q")
    listed = subprocess.run(
        ["git", "ls-files", "-oc", "--exclude-standard"], cwd=tmp_path, check=True, capture_output=True, text=True
    ).stdout.split("\n")
    found = {path for _, path in documents(Directory(path=str(tmp_path)))}
    assert found == {path for path in listed if path.endswith((".py", ".js"))}
    assert "pkg/y.log.py" in found and "secret.py" in found
    source = open_source(Directory(path=str(tmp_path)))
    assert source.dropped == {"ignored by .gitignore": 7, "other file type": 1}
    assert len(open_source(Directory(path=str(tmp_path), respect_gitignore=False))) == len(source) + 7


def test_scripts_without_an_extension(tmp_path: Path) -> None:
    write(tmp_path, {"run": b"#!/usr/bin/env python3\nimport sys\n", "notes": b"#!/bin/sh\n", "tool": b"\x7fELF\0\0"})
    (tmp_path / "run").chmod(0o755)
    (tmp_path / "tool").chmod(0o755)
    found = documents(Directory(path=str(tmp_path)))
    assert {path: document.language for (_, path), document in found.items()} == {"run": "python"}
    assert open_source(Directory(path=str(tmp_path))).dropped == {"other file type": 2}


def test_vendored_and_generated_code_is_left_out(tmp_path: Path) -> None:
    names = ["node_modules/a.js", "dist/a.js", "x/build/a.py", "a.min.js", "p.egg-info/a.py", "m_pb2.py", "out/a.c"]
    write(tmp_path, dict.fromkeys([*names, "ok.py"], b"1"))
    assert {path for _, path in documents(Directory(path=str(tmp_path)))} == {"ok.py"}
    assert len(open_source(Directory(path=str(tmp_path), exclude=[]))) == 8


def test_a_file_that_changes_under_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    write(tmp_path, {"a.py": b"pass\n", "b.h": b"int x;\n"})
    source = open_source(Directory(path=str(tmp_path)))
    (tmp_path / "a.py").write_bytes(b"longer than before")
    with pytest.raises(ConfigError) as error:
        source.read(0)
    assert str(error.value) == (
        f'dataloader.sources: "{tmp_path}/a.py" has changed since the run started: restore it and start the same '
        "command again"
    )
    (tmp_path / "a.py").unlink()
    with pytest.raises(ConfigError) as error:
        source.read(0)
    assert str(error.value) == (
        f'dataloader.sources: "{tmp_path}/a.py" can\'t be read any more: No such file or directory; restore it and '
        "start the same command again"
    )


def test_the_fingerprint_follows_the_data_not_the_place(tmp_path: Path) -> None:
    write(tmp_path / "one", {"x/a.py": b"1", "LICENSE": MIT})
    write(tmp_path / "two", {"x/a.py": b"1", "LICENSE": MIT})
    one = open_source(Directory(path=str(tmp_path / "one"), repo_depth=1)).fingerprint
    assert open_source(Directory(path=str(tmp_path / "two"), repo_depth=1)).fingerprint == one
    write(tmp_path / "two", {"x/LICENSE": ISC})
    assert open_source(Directory(path=str(tmp_path / "two"), repo_depth=1)).fingerprint != one
    write(tmp_path / "one", {"x/a.py": b"2"})
    assert open_source(Directory(path=str(tmp_path / "one"), repo_depth=1)).fingerprint != one


def test_errors_of_a_directory(tmp_path: Path) -> None:
    (tmp_path / "f.py").write_text("1")
    with pytest.raises(ConfigError, match=r'directory ".*/f.py" is a file, not a folder; create it, or train on'):
        open_source(Directory(path=str(tmp_path / "f.py")))
    with pytest.raises(ValueError, match="repo_depth = -1 must be 0 or more"):
        Directory(path="x", repo_depth=-1)


def test_check_usable_looks_at_each_source(tmp_path: Path) -> None:
    write(tmp_path, {"a.py": b"\xff", "b.py": b"\xfe"})
    good, bad = open_source(PythonStdlib()), open_source(Directory(path=str(tmp_path)))
    check_usable([good])
    with pytest.raises(ConfigError) as error:
        check_usable([good, bad])
    assert str(error.value) == f"dataloader.sources: no document of directory:{tmp_path} can be used: 2 not UTF-8"


def test_source_from_text() -> None:
    assert source_from_text("python-stdlib") == {"type": "python-stdlib"}
    assert source_from_text("jsonl:a:b.jsonl") == {"type": "jsonl", "path": "a:b.jsonl"}
    assert source_from_text("huggingface:o/n") == {"type": "huggingface", "name": "o/n"}
