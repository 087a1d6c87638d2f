"""The files of a record source: found by path, folder or pattern, and read at any place as they were listed."""

import glob
import hashlib
import io
import os
import threading
from collections import Counter, OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from codetitan.data.sources.disk import changed, kind_of, patiently, read_at
from codetitan.data.sources.walk import BROKEN, IRREGULAR, TWICE, UNREADABLE_FOLDER, walk
from codetitan.errors import ConfigError
from codetitan.places import expand

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
        origin: the file that it was decompressed from; None: it is itself.
    """

    path: Path
    name: str
    n_bytes: int
    mtime_ns: int
    origin: Path | None = None


def find_shards(kind: str, text: str, suffix: str, *, packed: Sequence[str] = ()) -> tuple[list[Shard], Counter[str]]:
    """Returns the files that `text` names, by name, and what was left out, counted by reason.

    Args:
        kind: type of the source, for an error.
        text: a file, a folder (every `*suffix` below it, through links too), or a pattern; what exists is no pattern.
        suffix: of the files.
        packed: what may stand behind the suffix, and is no part of a shard's name; a second file of a name is left out.

    Raises:
        ConfigError: there is none, one is compressed otherwise, or one can't be read.
    """
    label = f'dataloader.sources: {kind} "{text}"'
    given, dropped = expand(text, f"dataloader.sources: {kind}"), Counter[str]()
    kind_given = kind_of(given, label)
    if kind_given == "file":
        root, paths = given.parent, [given]
    elif kind_given == "folder":
        root = given
        paths = _below(given, (suffix, *(suffix + end for end in _COMPRESSED)), dropped)
        readable = [path for path in paths if path.suffix not in _COMPRESSED or path.suffix in packed]
        if readable:
            dropped["compressed otherwise"] += len(paths) - len(readable)
            paths = readable
        if not paths:
            seen = f" ({_counts(dropped)})" if dropped else ""
            raise ConfigError(
                f'{label}: no file *{suffix} below the folder{seen}; name one, or a pattern such as "DIR/*.json"'
            )
        if dropped[UNREADABLE_FOLDER]:
            raise ConfigError(f"{label}: {dropped[UNREADABLE_FOLDER]} folder in it can't be read; see the permissions")
    elif kind_given == "broken link":
        raise ConfigError(f"{label} is a broken link, to {given.readlink()}; name a file, a folder or a pattern")
    elif kind_given == "other":
        raise ConfigError(f"{label} is a pipe or a device, and is read at random: write it to a file and name that")
    elif glob.has_magic(text):
        root, paths = _matches(given, dropped)
        if not paths:
            raise ConfigError(f"{label}: no file matches the pattern; see `ls {text}`, and quote it on a command line")
    else:
        raise ConfigError(f"{label} does not exist; name a file, a folder with *{suffix} files in it, or a pattern")
    by_name: dict[str, Path] = {}  # without what is packed: a corpus is the same, however it is stored
    for path in sorted(paths, key=lambda path: (path.suffix in packed, path)):
        name = (path.with_suffix("") if path.suffix in packed else path).relative_to(root).as_posix()
        if by_name.setdefault(name, path) != path:
            dropped["compressed copy"] += 1
    for path in by_name.values():
        if path.suffix in _COMPRESSED and path.suffix not in packed:
            raise ConfigError(
                f'{label}: "{path}" is compressed, and its records can\'t be read at random: decompress it, or convert '
                "it to Parquet and name it parquet:PATH"
            )
    shards = []
    for name, path in by_name.items():
        try:
            with path.open("rb") as file:
                stat = os.fstat(file.fileno())
        except OSError as error:
            raise ConfigError(f'{label}: "{path}" can\'t be read: {error.strerror}; see its permissions') from error
        shards.append(Shard(path.absolute(), name, stat.st_size, stat.st_mtime_ns))
    return sorted(shards, key=lambda shard: shard.name), +dropped


def _matches(pattern: Path, dropped: Counter[str]) -> tuple[Path, list[Path]]:
    """Returns the folder above the first part that is a pattern (no folder is so called), and the files that match."""
    parts = pattern.parts
    n_plain = next(
        i for i, part in enumerate(parts) if glob.has_magic(part) and not os.path.lexists(Path(*parts[: i + 1]))
    )
    root = Path(*parts[:n_plain])
    found: dict[str, Path] = {}
    for path in sorted(root.glob("/".join(parts[n_plain:])), key=lambda path: (path.is_symlink(), path)):
        if path.is_file():
            if found.setdefault(os.path.realpath(path), path) != path:
                dropped[TWICE] += 1
        elif not path.exists():
            dropped[BROKEN] += 1
    return root, list(found.values())


def _below(root: Path, suffixes: tuple[str, ...], dropped: Counter[str]) -> list[Path]:
    """Returns the files with one of the suffixes; hidden ones are none. A link is what it leads to, each file once."""
    taken: set[str] = set()
    seen: Counter[str] = Counter()
    paths = []
    for found in walk(
        root, links="all", dropped=seen, top=None, enter=lambda *_: None,
        named=lambda path: not path.rpartition("/")[2].startswith("."), descend=lambda *_: True,
        served=taken.__contains__,
    ):  # fmt: skip
        if found.entry.name.endswith(suffixes):
            taken.add(found.real)
            paths.append(root / found.path)
    dropped.update({reason: n for reason, n in seen.items() if reason != IRREGULAR})
    return paths


def _counts(dropped: Counter[str]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in sorted(dropped.items()))


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
