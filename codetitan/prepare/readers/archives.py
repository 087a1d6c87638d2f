"""Archives in a folder: sdists, wheels, npm's and Debian's tarballs, crates, zips of repositories.

Each is read as a stream, a member at a time, and nothing is unpacked onto the disk. An archive is input from anybody:
what points out of it, links, devices and what unpacks to more than it may are left out, with a reason.
"""

import contextlib
import lzma
import posixpath
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from codetitan.data.document import Dropped
from codetitan.data.language import language_of
from codetitan.data.sources.listing import INCLUDE, SCRIPTS, matcher
from codetitan.data.sources.walk import BROKEN
from codetitan.errors import ConfigError, one_line
from codetitan.places import expand
from codetitan.prepare.file import File
from codetitan.prepare.readers import LARGEST, PACKED, UNPRINTABLE, decoded, in_utf8, stamp
from codetitan.prepare.readers.members import BadMember, Member, of_tar, of_zip

_TARS = (".tar", ".tgz", ".txz", ".tbz2", ".crate", ".tar.gz", ".tar.xz", ".tar.bz2")
_ZIPS = (".zip", ".whl", ".jar")  # Maven has sources as NAME-VERSION-sources.jar
# What a name and a version are joined by: NAME-1.2.3 (PyPI, npm, crates).
_VERSION = re.compile(r"[-_]v?\d")
# bash_5.2.15.orig.tar.gz, sqlite3_3.40.1.orig-www.tar.xz, bash_5.2.15-2.debian.tar.xz; dpkg-source(1), "3.0 (quilt)"
_DEBIAN = re.compile(
    r"(?P<name>[a-z0-9][a-z0-9+.-]+)_(?P<version>[^_]+?)(?:\.orig(?:-(?P<component>[a-z0-9-]+))?|-[^-_]+\.debian)\.tar\.\w+"
)
OTHER_TYPE, NO_ARCHIVE, AGAIN = "other file type", "no archive", "path that was in the archive before"
_TOO_MANY = 1_000_000  # members: headers alone would fill the memory of what lists them
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
    """Patterns (fnmatch) of file names to read; "#!" for executable scripts without an extension."""

    max_file_bytes: int = LARGEST
    """Larger files are not even read."""

    max_unpacked_bytes: int = 2_000_000_000
    """Of an archive that unpacks to more, what comes behind is left out."""


@dataclass(frozen=True, slots=True)
class _Named:
    """What an archive's name says.

    Attributes:
        repo: what it is of: "requests" of requests-2.32.3.tar.gz, "bash" of bash_5.2.15.orig.tar.xz.
        tree: which other archives are of the same tree: Debian's licences of a package lie beside its source.
        below: the folder of the tree that it is, with a slash.
        has_top: whether a folder that all of it lies in is the archive's rather than the project's.
    """

    repo: str
    tree: str
    below: str = ""
    has_top: bool = True


def named(file: str) -> _Named:
    """Returns what the path of an archive says."""
    folder, slash, name = file.rpartition("/")
    if debian := _DEBIAN.fullmatch(name):
        below = f"{debian['component']}/" if debian["component"] else ""
        tree = f"{folder}{slash}{debian['name']}_{debian['version']}"
        return _Named(debian["name"], tree, below, has_top=".orig" in name)  # the other is debian/ alone
    ends = sorted((*_TARS, *_ZIPS), key=len, reverse=True)
    stem = next((name[: -len(end)] for end in ends if name.lower().endswith(end)), name)
    if name.lower().endswith(".whl"):
        return _Named(stem.partition("-")[0], file, has_top=False)
    version = _VERSION.search(stem, 1)
    return _Named(stem[: version.start()] if version else stem, file)


def _place(name: str) -> str | None:
    """Returns a member's path inside its archive; None where it points out of it."""
    path = posixpath.normpath(name.replace("\\", "/"))
    is_out = path.startswith(("/", "../")) or path in (".", "..") or re.match(r"[A-Za-z]:", path)
    return None if is_out or "\0" in path else path


def _top(members: Iterator[Member], most_bytes: int) -> str:
    """Returns the folder that all of an archive lies in, with a slash; "" where there is none.

    As dpkg-source(1) does: sdists have NAME-VERSION, npm "package", and many tarballs a name of their own.
    """
    tops, unpacked = set[str](), 0
    with contextlib.suppress(*_DAMAGED, OSError):  # which is said when it is read in earnest
        for number, member in enumerate(members):
            unpacked += member.n_bytes
            if unpacked > most_bytes or number >= _TOO_MANY:
                break
            place = _place(member.name)
            if place is not None and not (member.is_folder and "/" not in place):
                tops.add(place[: place.find("/") + 1])
                if len(tops) > 1 or "" in tops:
                    return ""
    return min(tops, default="")


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
        self._also, self._scripts = matcher(also), SCRIPTS in config.include
        if not self._root.is_dir():
            raise ConfigError(f'{key} "{config.path}" is no folder')
        found = sorted(
            path.relative_to(self._root).as_posix()
            for path in self._root.rglob("*")
            if path.name.lower().endswith((*_TARS, *_ZIPS)) and path.is_file()
        )
        if not found:
            raise ConfigError(f'{key} "{config.path}" has no archive: {", ".join((*_TARS, *_ZIPS))}')
        self._files = [file for file in found if file.isprintable()]
        self.dropped: Mapping[str, int] = {}  # `left_out` says it
        self.fingerprint = stamp(self._root, self._files)
        self.sizes = [PACKED * (self._root / file).stat().st_size for file in self._files]

    def __len__(self) -> int:
        return len(self._files)

    def left_out(self, tell: Callable[[Dropped], None]) -> None:
        """Tells what of the folder is no archive: a format that is not known here may hold all that somebody has."""
        for path in self._root.rglob("*"):
            if path.is_symlink() and not path.exists():
                reason = BROKEN
            elif path.is_file() and not path.name.lower().endswith((*_TARS, *_ZIPS)):
                reason = NO_ARCHIVE
            elif path.is_file() and not path.relative_to(self._root).as_posix().isprintable():
                reason = UNPRINTABLE
            else:
                continue
            tell(Dropped(self.name, in_utf8(path.relative_to(self._root).as_posix()), reason))

    def read(self, unit: int) -> Iterator[File | Dropped]:
        """Yields the files of an archive, in its order; see `Reader`."""
        file = self._files[unit]
        path = self._root / file
        of = of_zip if file.lower().endswith(_ZIPS) else of_tar
        try:
            said = named(file)
            with contextlib.closing(of(path)) as members:
                top = _top(members, self._config.max_unpacked_bytes) if said.has_top else ""
            with contextlib.closing(of(path)) as members:
                yield from self._files_of(file, said, top, members)
        except FileNotFoundError:
            raise ConfigError(f"{path} has vanished since it was listed; run the same command again") from None
        except OSError as error:
            if error.errno is not None:  # gzip's own, of a damaged stream, have none
                raise ConfigError(f"{path} can't be read: {error.strerror}") from None
            yield Dropped(self.name, file, f"damaged archive ({one_line(error)})")
        except _DAMAGED as error:
            yield Dropped(self.name, file, f"damaged archive ({one_line(error)})")

    def _files_of(self, archive: str, said: "_Named", top: str, members: Iterator[Member]) -> Iterator[File | Dropped]:
        repo, root = said.repo, f"{self.name}:{said.tree}"  # two versions of a project are two trees
        unpacked = 0
        seen: set[str] = set()
        number = -1
        for number, member in enumerate(members):
            unpacked += member.n_bytes
            if unpacked > self._config.max_unpacked_bytes or number >= _TOO_MANY:
                yield Dropped(self.name, archive, "unpacks to too much")
                return
            place = _place(member.name)
            if member.is_folder:
                continue
            if place is None:
                yield Dropped(self.name, f"{archive}:{member.name!a}", "path out of the archive")
                continue
            if not place.isprintable():
                yield Dropped(self.name, f"{archive}:{place!a}", UNPRINTABLE)
                continue
            if not member.is_file:
                yield Dropped(self.name, f"{archive}:{place}", "link or device")
                continue
            inside = said.below + place.removeprefix(top)
            name = inside.rsplit("/", 1)[-1]
            is_code, speaks = self._code.match(name) is not None, self._also.match(name) is not None
            may_be_script = self._scripts and member.is_program and "." not in name
            if not is_code and not speaks and not may_be_script:
                yield Dropped(self.name, f"{repo}/{inside}", OTHER_TYPE)
                continue
            if member.n_bytes > self._config.max_file_bytes:
                yield Dropped(self.name, f"{repo}/{inside}", "too large")
                continue
            try:
                text, reason = decoded(member.read())
            except BadMember as error:
                text, reason = "", str(error)
            if not is_code and not speaks:
                is_code = not reason and language_of("", text) != "other"
                reason = "" if is_code else OTHER_TYPE
            if reason:
                yield Dropped(self.name, f"{repo}/{inside}", reason)
                continue
            # Unpacking leaves the last of one path, which in a stream nobody knows: the first that can be read stays.
            if inside in seen:
                yield Dropped(self.name, f"{repo}/{inside}", AGAIN)
                continue
            seen.add(inside)
            yield File(
                self.name, repo, inside, text, language_of(inside, text), in_corpus=is_code, root=root, date=member.date
            )
        if number < 0:
            yield Dropped(self.name, archive, "empty archive")
