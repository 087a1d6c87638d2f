from pathlib import Path

import pytest

from codetitan.data.document import Document, Dropped
from codetitan.data.sources import Directory, PythonStdlib, open_source
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
    assert documents[1] == Document(f"directory:{tmp_path}", "b.py", "x = 'é'\r\n", tmp_path.name, "python")
    assert isinstance(documents[2], Document) and documents[2].text == "pass\n"
    assert documents[3] == Dropped(f"directory:{tmp_path}", "latin.py", "not UTF-8")
    assert source.dropped == {"other file type": 1, "empty": 1, "too large": 1}


def test_the_order_of_the_file_system_does_not_matter(tmp_path: Path) -> None:
    for name in ("one", "two"):
        names = ["a.py", "b.py", "c/d.py", "c.py"]
        write(tmp_path / name, {n: n.encode() for n in (names if name == "one" else names[::-1])})
    one, two = (open_source(Directory(path=str(tmp_path / name))) for name in ("one", "two"))
    assert one.fingerprint == two.fingerprint
    (tmp_path / "two" / "a.py").write_bytes(b"longer than before")
    assert open_source(Directory(path=str(tmp_path / "two"))).fingerprint != one.fingerprint


def test_links_are_not_followed(tmp_path: Path) -> None:
    write(tmp_path / "src", {"a.py": b"pass\n"})
    (tmp_path / "src" / "loop").symlink_to(tmp_path / "src")
    (tmp_path / "src" / "b.py").symlink_to("a.py")
    assert len(open_source(Directory(path=str(tmp_path / "src")))) == 1


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, 'has no document (no file at all); see the keys "include", "exclude" and "max_file_bytes" of the source'),
        ({"a.png": b"x", "b.py": b""}, "has no document (1 empty, 1 other file type); see the keys"),
    ],
)
def test_no_documents(tmp_path: Path, files: dict[str, bytes], message: str) -> None:
    write(tmp_path, files)
    with pytest.raises(ConfigError) as error:
        open_source(Directory(path=str(tmp_path)))
    assert message in str(error.value)
