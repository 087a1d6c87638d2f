"""Members of tarballs and zips as a stream, with what `tarfile` and `zipfile` pass over in silence said.

Read in `tarfile.TarFile.next` (Python 3.11): a header behind the first that is cut off or damaged is taken for the end
of the archive, so that of half a tarball half is read and nothing said. And a PAX header is read whole, whatever it
says of its own size: 2 MB of a gzip stream are 2 GB of memory.
"""

import bz2
import errno
import gzip
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Self, cast

_EXECUTABLE = 0o111
_MOST_HEADER_BYTES = 1_000_000  # a path has 4,096, and an extended attribute 65,536
# Reproducible packages have one date for all files: zips 1980, npm 1985-10-26, and what tar-rs packs (crates, maturin's
# sdists) 2006-07-24, when Rust began.
_FIRST_DATE, _LAST_DATE = 631_152_000, 4_102_444_800  # 1990 to 2100
_TAR_RS = 1_153_704_088

_OF_MEMBERS = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError)

DAMAGED_MEMBER, ENCRYPTED = "damaged file", "encrypted file"


class BadMember(Exception):
    """One member can't be read, and the others can; its text is the reason."""


@dataclass(frozen=True, slots=True)
class Member:
    """A member of an archive.

    Attributes:
        name: as the archive has it.
        n_bytes: unpacked.
        is_file: a regular file, no link.
        is_folder: a folder.
        is_program: executable.
        date: when it was changed; None where a packer wrote the same for all.
        read: returns its bytes. Raises BadMember, and what the archive's module raises.
    """

    name: str
    n_bytes: int
    is_file: bool
    is_folder: bool
    is_program: bool
    date: datetime | None
    read: Callable[[], bytes]


class _Header(tarfile.TarInfo):
    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> Self:
        try:
            return super().fromtarfile(archive)
        except (tarfile.TruncatedHeaderError, tarfile.InvalidHeaderError) as error:  # type: ignore[attr-defined]
            raise tarfile.ReadError(str(error)) from None

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        if self.size > _MOST_HEADER_BYTES and self.type in _OF_HEADERS:
            raise tarfile.ReadError("a header of more than 1 MB")
        try:
            found: tarfile.TarInfo = super()._proc_member(archive)  # type: ignore[misc]
        except ValueError:
            raise tarfile.ReadError("a sparse file's map holds no numbers") from None
        # A PAX header may say so; it would make room for a bomb in what an archive may unpack to.
        if found.size < 0:
            raise tarfile.ReadError("a file of less than nothing")
        return found


_OF_HEADERS = (
    tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE,
)  # fmt: skip


def _unpacked(path: Path) -> IO[bytes]:
    """Opens what a file holds, whatever it is packed with, by its first bytes."""
    with path.open("rb") as file:
        head = file.read(6)
    for mark, opened in ((b"\x1f\x8b", gzip.open), (b"\xfd7zXZ\0", lzma.open), (b"BZh", bz2.open)):
        if head.startswith(mark):
            return cast("IO[bytes]", opened(path))
    return path.open("rb")


def of_tar(path: Path) -> Generator[Member]:
    """Yields the members of a tarball, in its order."""
    # tarfile's own "r|*" unpacks 16 kB at once, which may come to 100 MB, and copies what is left of it with each 10 kB
    # that it goes on: a bomb of 10 kB took hours.
    with _unpacked(path) as file, tarfile.open(fileobj=file, mode="r|", tarinfo=_Header) as archive:
        for member in archive:

            def read(member: tarfile.TarInfo = member) -> bytes:
                opened = archive.extractfile(member)
                return opened.read() if opened is not None else b""

            # Of a stream they are of no use, and an archive may have millions.
            archive.members = []  # type: ignore[attr-defined]
            is_program = bool(member.mode & _EXECUTABLE)
            yield Member(
                member.name, member.size, member.isreg(), member.isdir(), is_program, _date(member.mtime), read
            )


def of_zip(path: Path) -> Generator[Member]:
    """Yields the members of a zip, in the order of its directory."""
    try:
        opened_archive = zipfile.ZipFile(path)
    except (ValueError, IndexError, struct.error) as error:  # names that are no UTF-8, fields that end early
        raise zipfile.BadZipFile(f"damaged directory: {error}") from None
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        raise zipfile.BadZipFile("damaged directory: a place before its beginning") from None
    with opened_archive as archive:
        for member in archive.infolist():
            kind = member.external_attr >> 28  # of a Unix mode: 0o12 is a link

            def read(member: zipfile.ZipInfo = member) -> bytes:
                if member.flag_bits & 1:
                    raise BadMember(ENCRYPTED)
                try:
                    with archive.open(member) as opened:
                        return opened.read(member.file_size + 1)
                except (*_OF_MEMBERS, ValueError) as error:
                    raise BadMember(DAMAGED_MEMBER) from error
                except OSError as error:
                    if error.errno not in (None, errno.EINVAL):  # bz2's own have none
                        raise
                    raise BadMember(DAMAGED_MEMBER) from error

            is_program = bool(member.external_attr >> 16 & _EXECUTABLE)
            yield Member(
                member.filename,
                member.file_size,
                kind != 0o12,
                member.filename.endswith("/"),
                is_program,
                _date_of_zip(member),
                read,
            )


def _date(seconds: float) -> datetime | None:
    """Returns when a member was changed, in UTC; None where a packer wrote the same for all, or what is no date."""
    known = _FIRST_DATE <= seconds <= _LAST_DATE and seconds != _TAR_RS
    return datetime.fromtimestamp(int(seconds), UTC) if known else None


def _date_of_zip(member: zipfile.ZipInfo) -> datetime | None:
    try:  # without a time zone, in whole two seconds
        return _date(datetime(*member.date_time, tzinfo=UTC).timestamp())
    except ValueError:  # a month 0
        return None
