"""Where files and caches lie for a user without a home folder, or with one that can't be written."""

import os
import pwd
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from codetitan import places
from codetitan.errors import ConfigError
from tests.conftest import REPOSITORY

VARIABLES = [*places._BELOW_HOME, "CODETITAN_CACHE", "HOME", "LOGNAME", "USER"]


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """None of the variables is set, and the user has no entry among the users: as in many a container."""
    for variable in VARIABLES:
        monkeypatch.setenv(variable, "")  # what is set meanwhile goes back, too
        del os.environ[variable]

    def unknown(_: object) -> pwd.struct_passwd:
        raise KeyError("uid not found")

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))


@pytest.mark.parametrize("home", [None, "", "/dev/null/home"])
def test_no_home(tmp_path: Path, home: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    if home is not None:
        os.environ["HOME"] = home
    places.settle()
    own = tmp_path / "tmp" / f"codetitan-{os.getuid()}"
    said = capsys.readouterr().err
    assert {os.environ[variable] for variable in places._BELOW_HOME} == {
        str(own / variable.lower()) for variable in places._BELOW_HOME
    }
    assert said.count("\n") == 1 and said.endswith(f"caches are kept in {own}; set HOME to a folder that lasts\n")
    assert own.stat().st_mode & 0o777 == 0o700
    assert os.environ["LOGNAME"] == f"uid{os.getuid()}"
    places.settle()
    assert capsys.readouterr().err == ""  # nor in the processes that this one starts
    folder = places.cache_folder("lines")
    assert folder.is_dir() and own in folder.parents


def test_a_home_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.environ |= {"HOME": str(tmp_path / "home"), "USER": "me"}
    before = dict(os.environ)
    places.settle()
    assert places.cache_folder("lines") == tmp_path / "home/.cache/codetitan/lines"
    assert dict(os.environ) == before and capsys.readouterr().err == ""
    os.environ["XDG_CACHE_HOME"] = str(tmp_path / "xdg")
    assert places.cache_folder("lines") == tmp_path / "xdg/codetitan/lines"
    os.environ["CODETITAN_CACHE"] = str(tmp_path / "own")
    assert places.cache_folder("lines") == tmp_path / "own/lines"


def test_one_variable_that_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    os.environ |= {"HOME": str(tmp_path), "USER": "me", "XDG_CACHE_HOME": str(tmp_path / "read-only")}
    (tmp_path / "read-only").mkdir()
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "read-only" and access(path, mode))
    own = tmp_path / "tmp" / f"codetitan-{os.getuid()}"
    places.settle()
    assert os.environ["XDG_CACHE_HOME"] == str(own / "xdg_cache_home") and "TRITON_HOME" not in os.environ
    assert capsys.readouterr().err == (
        f"codetitan: note: {tmp_path}/read-only can't be written: caches are kept in {own}; set XDG_CACHE_HOME to a "
        "folder that lasts\n"
    )


def test_a_cache_that_can_not_be_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.environ |= {"HOME": str(tmp_path), "CODETITAN_CACHE": "/proc/nowhere"}
    folder = places.cache_folder("lines")
    assert folder == tmp_path / "tmp" / f"codetitan-{os.getuid()}" / "codetitan" / "lines" and folder.is_dir()
    assert capsys.readouterr().err.startswith("codetitan: note: /proc/nowhere can't be written: caches are kept in ")
    assert places.cache_folder("arrow").parent == folder.parent and capsys.readouterr().err == ""


def test_a_temporary_folder_of_somebody_else_is_not_used(tmp_path: Path) -> None:
    place = tmp_path / "tmp" / f"codetitan-{os.getuid()}"
    place.symlink_to(tmp_path)
    folder = places.cache_folder("lines")
    assert tmp_path / "tmp" in folder.parents and place not in folder.parents and folder.resolve() == folder


def test_expand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for text, fix in (("~/x", "; write the whole path, or set HOME"), ("~", "; write the whole path, or set HOME")):
        with pytest.raises(ConfigError) as error:
            places.expand(text, "dump_folder")
        assert str(error.value) == f'dump_folder: "{text}": this user has no home folder{fix}'
    os.environ["HOME"] = "/home/me"
    assert [places.expand(text, "k") for text in ("~", "~/x", "~//x/y", "a/~", "./~x", "/~", "")] == [
        Path(path) for path in ("/home/me", "/home/me/x", "/home/me/x/y", "a/~", "~x", "/~", "")
    ]
    monkeypatch.setattr(pwd, "getpwnam", lambda name: SimpleNamespace(pw_dir=f"/users/{name}"))
    assert places.expand("~you/x", "k") == Path("/users/you/x")
    (tmp_path / "~you").mkdir()
    assert places.expand("~you/x", "k") == Path("~you/x")


def test_every_entry_settles_first(tmp_path: Path) -> None:
    """In a process without a home, before any library is imported: these find their caches moved."""
    code = "import codetitan, huggingface_hub.constants as hub, getpass; print(hub.HF_HOME, getpass.getuser())"
    environment = {"PATH": os.environ["PATH"], "HOME": "/dev/null/home", "TMPDIR": str(tmp_path)}
    found = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    own = tmp_path / f"codetitan-{os.getuid()}" / "xdg_cache_home"
    assert found.stdout.split()[0] == str(own / "huggingface")
    assert found.stderr.count("\n") == 1 and "set HOME to a folder that lasts" in found.stderr
