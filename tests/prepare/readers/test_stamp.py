"""What was read is read again where it has changed, whatever its size."""

import gzip
import os
import time
from pathlib import Path
from typing import Any

import pytest

from codetitan.data.sources.open import Directory
from codetitan.prepare.documents.issues import Issues
from codetitan.prepare.readers.archives import Archives
from codetitan.prepare.readers.open import open_reader


def _folder(root: Path) -> tuple[Any, Path]:
    for i in range(200):
        (root / f"a{i:03}.py").write_text(f"print({i:03})\n")
    return Directory(path=str(root)), root / "a101.py"  # not among those that training looks into


def _archives(root: Path) -> tuple[Any, Path]:
    (root / "a-1.0.tar.gz").write_bytes(gzip.compress(b"\0" * 1024))
    return Archives(path=str(root)), root / "a-1.0.tar.gz"


def _issues(root: Path) -> tuple[Any, Path]:
    (root / "a.jsonl").write_text('{"events": []}\n')
    return Issues(path=str(root)), root / "a.jsonl"


@pytest.mark.parametrize("make", [_folder, _archives, _issues])
def test_a_file_with_another_date_is_read_again(tmp_path: Path, make: Any) -> None:
    config, changed = make(tmp_path)
    first = open_reader(config).fingerprint
    assert open_reader(config).fingerprint == first
    os.utime(changed, ns=(time.time_ns(), changed.stat().st_mtime_ns + 1))
    assert open_reader(config).fingerprint != first
