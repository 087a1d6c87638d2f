"""Checksums beside a checkpoint's shards, so that a block that was overwritten or lost is not loaded without a word.

Each rank writes `__R_N.crc32` beside its shards: CRC-32 of every 16 MiB. That finds every damaged run of up to 32
bits, and any other but one in four thousand million; it is no defence against somebody who means it. It is computed
from the file when that is written, mostly from the page cache, by as many threads as there are cores, at most eight.
"""

import hashlib
import json
import os
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch.distributed as dist
from torch.distributed.checkpoint.filesystem import FileSystemWriter
from torch.distributed.checkpoint.metadata import Metadata
from torch.distributed.checkpoint.planner import SavePlan, SavePlanner
from torch.distributed.checkpoint.storage import WriteResult
from torch.futures import Future

from codetitan.errors import ConfigError

SUFFIX = ".crc32"
_BLOCK = 16 << 20
_METADATA = ".metadata"


def _blocks(path: Path) -> list[int]:
    """Returns the CRC-32 of each block of a file."""

    def block(start: int) -> int:
        crc, buffer = 0, memoryview(bytearray(1 << 20))  # fits into a cache: twice as fast as the whole block at once
        with path.open("rb", buffering=0) as file:
            file.seek(start)
            left = min(_BLOCK, size - start)
            while left and (n := file.readinto(buffer[:left])):
                crc, left = zlib.crc32(buffer[:n], crc), left - n
        return crc

    size = path.stat().st_size
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as threads:
        return list(threads.map(block, range(0, size, _BLOCK)))


def write(folder: Path, name: str, files: list[str]) -> None:
    """Writes the checksums of `files`, names in `folder`, to `name`.crc32 there."""
    sums = {file: {"bytes": (folder / file).stat().st_size, "crc32": _blocks(folder / file)} for file in files}
    with (folder / f"{name}{SUFFIX}").open("w", encoding="utf-8") as file:
        json.dump({"block": _BLOCK, "files": sums}, file)
        file.flush()
        os.fsync(
            file.fileno()
        )  # as torch's shards: an empty one after a power cut would call a good checkpoint damaged


class ChecksumWriter(FileSystemWriter):
    """torch's writer of shards, which leaves checksums of what it has written. The metadata is the last, as ever."""

    def write_data(self, plan: SavePlan, planner: SavePlanner) -> Future[list[WriteResult]]:
        """Writes this rank's shards and their checksums."""
        written = super().write_data(plan, planner)
        files = sorted({result.storage_data.relative_path for result in written.wait()})
        if files:
            write(Path(self.path), files[0].removesuffix(".distcp"), files)
        return written

    def finish(self, metadata: Metadata, results: list[list[WriteResult]]) -> None:
        """Writes the metadata, which completes the checkpoint, and its checksum."""
        super().finish(metadata, results)
        write(Path(self.path), _METADATA, [_METADATA])


def _damage(folder: Path, name: str, said: dict[str, Any], block: int) -> Iterator[str]:
    path = folder / name
    if not path.is_file():
        yield f"{name} is missing"
        return
    try:
        size = path.stat().st_size
        if size != said["bytes"]:
            yield f"{name} has {size:,} bytes, not {said['bytes']:,}"
            return
        blocks = _blocks(path)
    except OSError as error:
        yield f"{name} can't be read: {error.strerror}"
        return
    for i, (was, is_) in enumerate(zip(said["crc32"], blocks, strict=True)):
        if was != is_:
            yield f"{name} has changed between bytes {i * block:,} and {min(size, (i + 1) * block):,}"


def damage(folder: Path, rank: int = 0, world_size: int = 1) -> str | None:
    """Returns the first thing that is wrong with a checkpoint's files; None: nothing, or it has no checksums.

    Args:
        folder: of a complete checkpoint.
        rank: of world_size ranks, each of which looks at its share of the files.
        world_size: 1: this process looks at all.
    """
    files: dict[str, tuple[dict[str, Any], int]] = {}
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            said = json.loads(path.read_bytes())
            for name, sums in said["files"].items():
                if len(sums["crc32"]) != -(-sums["bytes"] // said["block"]):
                    raise ValueError(name)
                files[name] = (sums, said["block"])
        except (ValueError, KeyError, TypeError, AttributeError, ZeroDivisionError):
            return f"{path.name} is no file of checksums"
        except OSError as error:
            return f"{path.name} can't be read: {error.strerror}"
    for name in sorted(files)[rank::world_size]:
        for found in _damage(folder, name, *files[name]):
            return found
    return None


def fingerprint(folder: Path) -> str:
    """Returns a digest of a checkpoint's checksums, which tells its contents; "" where it has none."""
    files = sorted(folder.glob(f"*{SUFFIX}"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest() if files else ""


def damage_seen_by_any(folder: Path) -> str | None:
    """Returns what `damage` returns to any rank, each of which looks at a share of the files; a collective."""
    world_size = dist.get_world_size()
    found = damage(folder, dist.get_rank(), world_size)
    if world_size == 1:
        return found
    every: list[str | None] = [None] * world_size
    dist.all_gather_object(every, found)
    return next((one for one in every if one is not None), None)


def check(folder: Path) -> None:
    """Makes sure, in this process alone, that a checkpoint's files are what was written.

    Raises:
        ConfigError: one is not.
    """
    if found := damage(folder):
        raise ConfigError(f"{folder} is damaged: {found}; take another checkpoint")
