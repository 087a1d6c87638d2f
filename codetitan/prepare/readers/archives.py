"""Archives in a folder: sdists, wheels, npm's and Debian's tarballs, crates, zips of repositories.

Each is read as a stream, a member at a time, and nothing is unpacked onto the disk. An archive is input from anybody:
what points out of it, links, devices and what unpacks to more than it may are left out, with a reason.
"""

import contextlib
import hashlib
import lzma
import posixpath
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from codetitan.data.document import Dropped
from codetitan.data.language import language_of
from codetitan.data.sources.listing import INCLUDE, SCRIPTS, matcher
from codetitan.errors import ConfigError, one_line
from codetitan.places import expand
from codetitan.prepare.file import File
from codetitan.prepare.readers import LARGEST, decoded

_TARS = (".tar", ".tgz", ".txz", ".tbz2", ".crate", ".tar.gz", ".tar.xz", ".tar.bz2")
_ZIPS = (".zip", ".whl")
# What a name and a version are joined by: NAME-1.2.3 (PyPI, npm, crates), NAME_1.2.3 (Debian).
_VERSION = re.compile(r"[-_]v?\d")
_TOO_MANY = 1_000_000  # members: headers alone would fill the memory of what lists them
# Reproducible packages have one date for all files: zips 1980, npm 1985-10-26, and what tar-rs packs (crates, maturin's
# sdists) 2006-07-24, when Rust began.
_FIRST_DATE, _LAST_DATE = 631_152_000, 4_102_444_800  # 1990 to 2100
_TAR_RS = 1_153_704_088
_DAMAGED = (
    tarfile.TarError,
    zipfile.BadZipFile,
    lzma.LZMAError,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
)


@dataclass(kw_only=True, slots=True)
class Archives:
    """`type = "archives"`: every archive below a folder, each a repository by the name before its version."""

    path: str
    """The folder, absolute or relative to the working directory."""

    include: list[str] = field(default_factory=lambda: list(INCLUDE))
    """Patterns (fnmatch) of file names to read."""

    max_file_bytes: int = LARGEST
    """Larger files are not even read."""

    max_unpacked_bytes: int = 2_000_000_000
    """Of an archive that unpacks to more, what comes behind is left out."""


def name_of(file: str) -> str:
    """Returns what an archive's name says that it is of: "requests" of requests-2.32.3.tar.gz, "bash" of
    bash_5.2.15.orig.tar.xz."""
    ends = sorted((*_TARS, *_ZIPS), key=len, reverse=True)
    stem = next((file[: -len(end)] for end in ends if file.lower().endswith(end)), file)
    version = _VERSION.search(stem, 1)
    return stem[: version.start()] if version else stem


def _without_top(archive: str, repo: str, path: str) -> str:
    """Returns a path without the folder NAME-VERSION that sdists and tarballs have at their top, npm's "package"."""
    top, slash, inside = path.partition("/")
    plain, name = top.lower().replace("_", "-"), repo.lower().replace("_", "-")
    is_top = plain == name or plain.startswith(f"{name}-") or (top == "package" and archive.endswith(".tgz"))
    return inside if slash and is_top and not archive.endswith(".whl") else path


def _place(name: str) -> str | None:
    """Returns a member's path inside its archive; None where it points out of it."""
    path = posixpath.normpath(name.replace("\\", "/"))
    is_out = path.startswith(("/", "../")) or path in (".", "..") or re.match(r"[A-Za-z]:", path)
    return None if is_out or "\0" in path else path


@dataclass(frozen=True, slots=True)
class _Member:
    name: str
    n_bytes: int
    is_file: bool
    is_folder: bool
    date: datetime | None
    read: Callable[[], bytes]


def _of_tar(path: Path) -> Generator[_Member]:
    with tarfile.open(path, "r|*") as archive:
        for member in archive:

            def read(member: tarfile.TarInfo = member) -> bytes:
                opened = archive.extractfile(member)
                return opened.read() if opened is not None else b""

            # Of a stream they are of no use, and an archive may have millions.
            archive.members = []  # type: ignore[attr-defined]
            yield _Member(member.name, member.size, member.isreg(), member.isdir(), _date(member.mtime), read)


def _of_zip(path: Path) -> Generator[_Member]:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            kind = member.external_attr >> 28  # of a Unix mode: 0o12 is a link

            def read(member: zipfile.ZipInfo = member) -> bytes:
                with archive.open(member) as opened:
                    return opened.read(member.file_size + 1)

            yield _Member(member.filename, member.file_size, kind != 0o12, member.is_dir(), _date_of_zip(member), read)


def _date(seconds: float) -> datetime | None:
    """Returns when a member was changed, in UTC; None where a packer wrote the same for all, or what is no date."""
    known = _FIRST_DATE <= seconds <= _LAST_DATE and seconds != _TAR_RS
    return datetime.fromtimestamp(int(seconds), UTC) if known else None


def _date_of_zip(member: zipfile.ZipInfo) -> datetime | None:
    try:  # without a time zone, in whole two seconds
        return _date(datetime(*member.date_time, tzinfo=UTC).timestamp())
    except ValueError:  # a month 0
        return None


class ArchiveReader:
    """The archives of a folder; a unit is one of them.

    Args:
        config: what is read.
        also: patterns of file names that are read beside `include`: what says which licence a repository has.

    Raises:
        ConfigError: there is no such folder, or no archive in it.
    """

    def __init__(self, config: Archives, also: list[str]) -> None:
        key = "prepare.sources: archives"
        self.name = f"archives:{config.path}"
        self._config, self._root = config, expand(config.path, key)
        self._code = matcher([pattern for pattern in config.include if pattern != SCRIPTS])
        self._also = matcher(also)
        if not self._root.is_dir():
            raise ConfigError(f'{key} "{config.path}" is no folder')
        found = sorted(
            path.relative_to(self._root).as_posix()
            for path in self._root.rglob("*")
            if path.name.lower().endswith((*_TARS, *_ZIPS)) and path.is_file()
        )
        if not found:
            raise ConfigError(f'{key} "{config.path}" has no archive: {", ".join((*_TARS, *_ZIPS))}')
        self._files = found
        sizes = "".join(f"{file} {(self._root / file).stat().st_size}\n" for file in found)
        self.dropped: Mapping[str, int] = {}
        self.fingerprint = hashlib.sha256(sizes.encode()).hexdigest()

    def __len__(self) -> int:
        return len(self._files)

    def read(self, unit: int) -> Iterator[File | Dropped]:
        """Yields the files of an archive, in its order; see `Reader`."""
        file = self._files[unit]
        path = self._root / file
        members = _of_zip(path) if file.lower().endswith(_ZIPS) else _of_tar(path)
        try:
            with contextlib.closing(members):
                yield from self._files_of(file, members)
        except FileNotFoundError:
            raise ConfigError(f"{path} has vanished since it was listed; run the same command again") from None
        except OSError as error:
            if error.errno is not None:  # gzip's own, of a damaged stream, have none
                raise ConfigError(f"{path} can't be read: {error.strerror}") from None
            yield Dropped(self.name, file, f"damaged archive ({one_line(error)})")
        except _DAMAGED as error:
            yield Dropped(self.name, file, f"damaged archive ({one_line(error)})")

    def _files_of(self, archive: str, members: Iterator[_Member]) -> Iterator[File | Dropped]:
        repo, unpacked = name_of(archive.rsplit("/", 1)[-1]), 0
        root = f"{self.name}:{archive}"  # two versions of a project are two trees
        for number, member in enumerate(members):
            unpacked += member.n_bytes
            if unpacked > self._config.max_unpacked_bytes or number >= _TOO_MANY:
                yield Dropped(self.name, archive, "unpacks to too much")
                return
            place = _place(member.name)
            if member.is_folder:
                continue
            if place is None:
                yield Dropped(self.name, f"{archive}:{member.name!r}", "path out of the archive")
                continue
            if not member.is_file:
                yield Dropped(self.name, f"{archive}:{place}", "link or device")
                continue
            inside = _without_top(archive, repo, place)
            name = inside.rsplit("/", 1)[-1]
            is_code = self._code.match(name) is not None
            if not is_code and not self._also.match(name):
                continue
            if member.n_bytes > self._config.max_file_bytes:
                yield Dropped(self.name, f"{repo}/{inside}", "too large")
                continue
            text, reason = decoded(member.read())
            if reason:
                yield Dropped(self.name, f"{repo}/{inside}", reason)
                continue
            yield File(
                self.name, repo, inside, text, language_of(inside, text), in_corpus=is_code, root=root, date=member.date
            )
