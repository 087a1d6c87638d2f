"""A checkpoint's files are what was written: every way to be damaged is named, and an undamaged one has none."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import save

from codetitan.training import checksums
from codetitan.training.checksums import ChecksumWriter, damage


@pytest.fixture
def checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkpoint of 256 KiB in blocks of 64."""
    monkeypatch.setattr(checksums, "_BLOCK", 1 << 16)
    state = {"a": torch.arange(1 << 15, dtype=torch.float32), "b": torch.ones(1 << 15), "text": "x"}
    save(state, storage_writer=ChecksumWriter(tmp_path), checkpoint_id=tmp_path, no_dist=True)
    return tmp_path


def test_what_was_written_is_whole(checkpoint: Path) -> None:
    assert damage(checkpoint) is None
    read = {"a": torch.empty(1 << 15)}
    load(read, checkpoint_id=checkpoint, no_dist=True)
    assert torch.equal(read["a"], torch.arange(1 << 15, dtype=torch.float32))


def overwrite(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[100_000] ^= 1
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def spoil_sums(path: Path) -> None:
    path.with_suffix(".crc32").write_text(json.dumps({"block": 1 << 16, "files": {"__0_0.distcp": 5}}))


def lengthen_sums(path: Path) -> None:
    said = json.loads(path.with_suffix(".crc32").read_text())
    said["files"]["__0_0.distcp"]["crc32"].append(0)
    path.with_suffix(".crc32").write_text(json.dumps(said))


def spoil_metadata(path: Path) -> None:
    metadata = path.with_name(".metadata")
    metadata.write_bytes(metadata.read_bytes()[::-1])


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (overwrite, "__0_0.distcp has changed between bytes 65,536 and 131,072"),
        (cut, r"__0_0.distcp has [\d,]+ bytes, not [\d,]+"),
        (Path.unlink, "__0_0.distcp is missing"),
        (spoil_sums, "__0_0.crc32 is no file of checksums"),
        (lengthen_sums, "__0_0.crc32 is no file of checksums"),
        (spoil_metadata, r"\.metadata has changed between bytes 0 and [\d,]+"),
    ],
)
def test_damage_is_named(checkpoint: Path, spoil: Callable[[Path], None], said: str) -> None:
    spoil(checkpoint / "__0_0.distcp")
    found = damage(checkpoint)
    assert found is not None
    assert re.fullmatch(said, found), found


def test_a_disk_that_can_not_read(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: Path) -> list[int]:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(checksums, "_blocks", fails)
    assert damage(checkpoint) == ".metadata can't be read: Input/output error"


def test_the_files_are_shared_out_among_the_ranks(checkpoint: Path) -> None:
    overwrite(checkpoint / "__0_0.distcp")
    assert [damage(checkpoint, rank, 2) is None for rank in range(2)].count(False) == 1


def test_a_checkpoint_of_before_has_none(checkpoint: Path) -> None:
    for path in checkpoint.glob("*.crc32"):
        path.unlink()
    overwrite(checkpoint / "__0_0.distcp")
    assert damage(checkpoint) is None
