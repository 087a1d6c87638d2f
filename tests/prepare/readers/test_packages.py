"""The packages of the Python that runs: by their own lists of files, and what these hold that is not there."""

from pathlib import Path

import pytest

from codetitan.data.document import Dropped
from codetitan.errors import ConfigError
from codetitan.prepare.file import File
from codetitan.prepare.licences import Licences, Repository, collect
from codetitan.prepare.readers import packages
from codetitan.prepare.readers.open import open_reader
from codetitan.prepare.readers.packages import PythonPackages


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(packages.sysconfig, "get_path", lambda kind: str(tmp_path))
    return tmp_path


def install(site: Path, name: str, version: str, files: dict[str, bytes], *listed: str) -> None:
    folder = f"{name}-{version}.dist-info"
    files = {f"{folder}/METADATA": f"Name: {name}\nVersion: {version}\nLicense: MIT\n".encode(), **files}
    for path, data in files.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_bytes(data)
    (site / folder / "RECORD").write_text("".join(f"{path},,\n" for path in [*files, f"{folder}/RECORD", *listed]))


def test_what_is_read(site: Path) -> None:
    install(site, "zeta", "1.0", {"zeta/__init__.py": b"x = 1\n", "zeta/logo.png": b"\x89PNG", "zeta/a.py": b"\xff"},
            "zeta/gone.py", "../../bin/zeta.py", "zeta/../../outside.py")  # fmt: skip
    install(site, "Alpha", "2.0", {"alpha.py": b"y = 2\n", "alpha.c": b"z" * 50})
    (site / "stray.py").write_text("nobody lists it")
    (site.parent / "outside.py").write_text("of somebody else")
    reader = open_reader(PythonPackages(max_file_bytes=200))
    found = [each for unit in range(len(reader)) for each in reader.read(unit)]
    code = [(each.repo, each.path, each.text) for each in found if isinstance(each, File) and each.in_corpus]
    assert code == [
        ("Alpha", "alpha.c", "z" * 50), ("Alpha", "alpha.py", "y = 2\n"), ("zeta", "zeta/__init__.py", "x = 1\n"),
    ]  # fmt: skip
    assert [(each.path, each.reason) for each in found if isinstance(each, Dropped)] == [
        ("zeta/zeta/a.py", "not UTF-8"), ("zeta/zeta/gone.py", "listed, but not installed"),
    ]  # fmt: skip
    facts = collect((each.path, each.text) for each in found if isinstance(each, File) and each.repo == "Alpha")
    verdict = Licences().judge(File("", "Alpha", "alpha.py", "y = 2\n"), Repository(facts))
    assert (verdict.licence, verdict.drop) == ("MIT", None)


def test_another_version_is_other_data(site: Path) -> None:
    install(site, "a", "1.0", {"a.py": b"x\n"})
    first = open_reader(PythonPackages()).fingerprint
    assert open_reader(PythonPackages()).fingerprint == first
    install(site, "b", "1.0", {"b.py": b"x\n"})
    assert open_reader(PythonPackages()).fingerprint != first


def test_none(site: Path) -> None:
    with pytest.raises(ConfigError, match=r"^prepare.sources: python-packages: none is installed in /"):
        open_reader(PythonPackages())
