"""Compressed files of records: decompressed once into the cache, as random access needs the bytes themselves.

All ranks and runs share the copy, which takes the disk that the decompressed file would. It is kept until the file
changes; deleting the cache's folder `unpacked` costs the time of decompressing again.
"""

import gzip
import hashlib
import os
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast

from codetitan.data.sources.kept import kept
from codetitan.data.sources.shards import Shard
from codetitan.errors import ConfigError, one_line

PACKED = (".gz", ".zst", ".bz2")
_BLOCK_BYTES = 1 << 20


def unpacked(shard: Shard, label: str, progress: Callable[[int], object]) -> Shard:
    """Returns a shard that holds the bytes of a compressed one; of another, itself.

    Args:
        shard: as it was listed.
        label: the source in an error.
        progress: is told how many more of the shard's bytes are done.

    Raises:
        ConfigError: it is damaged, cut off, or not what its name says; or the cache's disk is full.
    """
    if shard.path.suffix not in PACKED:
        return shard
    key = hashlib.sha256(os.fsencode(shard.path)).hexdigest()[:32]
    state = f"{key}-{shard.n_bytes}-{shard.mtime_ns}"
    path = kept("unpacked", key, state, ".jsonl", partial(_unpack, shard, label, progress), label=label)
    return Shard(path, shard.name, path.stat().st_size, shard.mtime_ns, origin=shard.path)


def _unpack(shard: Shard, label: str, progress: Callable[[int], object], path: Path) -> None:
    with path.open("wb") as copy:
        for block in _blocks(shard, label, progress):
            copy.write(block)
        copy.flush()
        os.fsync(copy.fileno())  # a copy that is shorter than it should be would be no error to anybody


def _blocks(shard: Shard, label: str, progress: Callable[[int], object]) -> Iterator[bytes]:
    import pyarrow as pa

    done = 0
    try:
        with shard.path.open("rb") as packed:
            kind = {".zst": "zstd", ".bz2": "bz2"}.get(shard.path.suffix)
            # gzip's own reader takes the zeros that tapes put behind a file; Arrow's, any frames that zstd writes.
            stream = cast(BinaryIO, pa.CompressedInputStream(packed, kind) if kind else gzip.GzipFile(fileobj=packed))
            with stream:
                while block := stream.read(_BLOCK_BYTES):
                    yield block
                    progress(packed.tell() - done)
                    done = packed.tell()
    except (OSError, EOFError, zlib.error) as error:
        text = one_line(error)
        if "too much memory" in text:
            fix = "its window is above 128 MiB: compress it again with `zstd --long=27` or without"
        else:
            fix = "fetch it again, or rename it if it is not compressed"
        raise ConfigError(f'{label}: "{shard.path}" can\'t be decompressed: {text}; {fix}') from error
