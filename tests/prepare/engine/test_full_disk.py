"""A disk that is really full, at every size at which another write fails."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from codetitan.errors import ConfigError
from tests.prepare.engine import toys

SIZES_KB = (8, 16, 24, 40, 60, 80, 100, 140, 200, 400)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={SIZES_KB[0]}k", "tmpfs"]
    if subprocess.run(["mount", *options, folder], capture_output=True).returncode:
        pytest.skip("mounting a small disk needs root")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.slow
def test_with_more_room_the_same_command_goes_on(corpus: Path, disk: Path) -> None:
    ended = 0
    for size in SIZES_KB:
        subprocess.run(["mount", "-o", f"remount,size={size}k", disk], check=True)
        try:
            toys.run(corpus, disk / "out")
            ended += 1
        except ConfigError as error:
            text = str(error)
            assert ("is full; make room, and" in text) or text.startswith(f"{disk}/out: No space left on device; mend")
    assert 0 < ended < len(SIZES_KB)
    toys.run(corpus, disk.parent / "roomy")
    assert toys.snapshot(disk / "out") == toys.snapshot(disk.parent / "roomy")
