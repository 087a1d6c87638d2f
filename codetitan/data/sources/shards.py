"""The files of a record source: found by path, folder or pattern, and read at any place as they were listed."""

import glob
import hashlib
import io
import os
import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from codetitan.data.sources.disk import changed, patiently, read_at
from codetitan.errors import ConfigError

_COMPRESSED = (".gz", ".zst", ".bz2", ".xz", ".lz4", ".zip")
_OPEN_FILES = 128  # of the 1024 that a process usually may open
_SAMPLES, _SAMPLE_BYTES = 16, 4096


@dataclass(frozen=True, slots=True)
class Shard:
    """A file of records.

    Attributes:
        path: absolute.
        name: below the folder that all shards have in common, with forward slashes.
        n_bytes: its size when it was listed.
        mtime_ns: when it was written last.
    """

    path: Path
    name: str
    n_bytes: int
    mtime_ns: int


def find_shards(kind: str, text: str, suffix: str) -> list[Shard]:
    """Returns the files that `text` names, by name: a file, every `*suffix` below a folder, or a pattern's.

    Raises:
        ConfigError: there is none, one is compressed, or one can't be read.
    """
    label, given = f'dataloader.sources: {kind} "{text}"', Path(text).expanduser()
    if given.is_file():
        root, paths = given.parent, [given]
    elif given.is_dir():
        root = given
        paths = _below(given, suffix) or _below(given, *(suffix + end for end in _COMPRESSED))
        if not paths:
            raise ConfigError(
                f'{label}: no file *{suffix} below the folder; name one, or a pattern such as "DIR/*.json"'
            )
    elif glob.has_magic(text):
        n_plain = next(i for i, part in enumerate(given.parts) if glob.has_magic(part))
        root = Path(*given.parts[:n_plain])
        paths = [path for path in root.glob("/".join(given.parts[n_plain:])) if path.is_file()]
        if not paths:
            raise ConfigError(f"{label}: no file matches the pattern; see `ls {text}`, and quote it on a command line")
    else:
        raise ConfigError(f"{label} does not exist; name a file, a folder with *{suffix} files in it, or a pattern")
    for path in paths:
        if path.suffix in _COMPRESSED:
            raise ConfigError(
                f'{label}: "{path}" is compressed, and its records can\'t be read at random: decompress it, or convert '
                "it to Parquet and name it parquet:PATH"
            )
    shards = []
    for path in paths:
        try:
            with path.open("rb") as file:
                stat = os.fstat(file.fileno())
        except OSError as error:
            raise ConfigError(f'{label}: "{path}" can\'t be read: {error.strerror}; see its permissions') from error
        shards.append(Shard(path.absolute(), path.relative_to(root).as_posix(), stat.st_size, stat.st_mtime_ns))
    return sorted(shards, key=lambda shard: shard.name)


def _below(root: Path, *suffixes: str) -> list[Path]:
    # The files of a Hugging Face cache are links: links to files count. Hidden ones do not.
    return [
        path
        for path in root.rglob("*")
        if path.name.endswith(suffixes)
        and not any(part.startswith(".") for part in path.relative_to(root).parts)
        and path.is_file()
    ]


class ShardReader:
    """Reads ranges of shards through a bounded number of open files; safe to use from several threads."""

    def __init__(self, shards: list[Shard]) -> None:
        self._shards = shards
        self._open: OrderedDict[int, io.FileIO] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, which: int, start: int, stop: int) -> bytes:
        """Returns the bytes [start, stop) of shard `which`.

        Raises:
            ConfigError: its size has changed since it was listed, or it can't be read any more.
        """
        shard = self._shards[which]

        def once() -> bytes:
            try:
                # The local name keeps the file open, whatever other threads do meanwhile.
                file = self._file(which)
                if os.fstat(file.fileno()).st_size != shard.n_bytes:
                    raise changed(shard.path)
                return read_at(file.fileno(), start, stop - start)
            except OSError:
                with self._lock:
                    self._open.pop(which, None)
                raise

        data = patiently(once, shard.path)
        if len(data) != stop - start:
            raise changed(shard.path)
        return data

    def _file(self, which: int) -> io.FileIO:
        with self._lock:
            file = self._open.get(which)
            if file is None:
                file = self._shards[which].path.open("rb", buffering=0)
                self._open[which] = file
                if len(self._open) > _OPEN_FILES:
                    self._open.popitem(last=False)
            else:
                self._open.move_to_end(which)
            return file


def fingerprint(shards: list[Shard], reader: ShardReader, *parts: str) -> str:
    """Hashes names, sizes and 16 blocks of 4 KiB of each shard, its beginning and end among them; and `parts`.

    Not detected: a change within the same size that misses every block.
    """
    digest = hashlib.sha256("\0".join(parts).encode())
    for which, shard in enumerate(shards):
        digest.update(f"\n{shard.name}\0{shard.n_bytes}\0".encode("utf-8", "surrogateescape"))
        for block in _blocks(reader, which, 0, shard.n_bytes):
            digest.update(block)
    return digest.hexdigest()


def sampled(reader: ShardReader, which: int, start: int, stop: int, *parts: str) -> str:
    """Hashes 16 blocks of bytes [start, stop) of a shard, as `fingerprint` does of all; and `parts`."""
    digest = hashlib.sha256("\0".join(parts).encode())
    for block in _blocks(reader, which, start, stop):
        digest.update(block)
    return digest.hexdigest()


def _blocks(reader: ShardReader, which: int, start: int, stop: int) -> Iterator[bytes]:
    last = max(0, stop - start - _SAMPLE_BYTES)
    for at in sorted({start + last * i // (_SAMPLES - 1) for i in range(_SAMPLES)}):
        yield reader.read(which, at, min(at + _SAMPLE_BYTES, stop))
