"""Real code of many repositories: the packages of the standard library, each as a repository."""

import json
import sysconfig
from pathlib import Path

import pytest

from codetitan.data.sources.open import Jsonl

PACKAGES = (
    "asyncio", "collections", "concurrent", "ctypes", "curses", "dbm", "email", "encodings", "html", "http",
    "importlib", "json", "logging", "multiprocessing", "re", "sqlite3", "tomllib", "unittest", "urllib", "wsgiref",
    "xml", "zoneinfo",
)  # fmt: skip


@pytest.fixture(scope="session")
def records() -> list[dict[str, str]]:
    """Path, text and repository of at most eight files of each package."""
    library = Path(sysconfig.get_path("stdlib"))
    found = []
    for package in PACKAGES:
        files = [file for file in sorted((library / package).rglob("*.py")) if file.stat().st_size][:8]
        found += [
            {"path": str(file.relative_to(library)), "text": file.read_text("utf-8"), "repo": f"python/{package}"}
            for file in files
        ]
    return found


def written(records: list[dict[str, str]], file: Path) -> Jsonl:
    """The records as a source."""
    file.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return Jsonl(path=str(file), epochs=1)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODETITAN_CACHE", str(tmp_path / "cache"))
