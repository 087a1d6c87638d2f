"""The packages of the Python that runs, each a repository by its name: real code with licences on every machine."""

import hashlib
import sysconfig
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import Distribution, distributions
from pathlib import Path, PurePosixPath

from codetitan.data.document import Dropped
from codetitan.data.language import language_of
from codetitan.data.sources.listing import INCLUDE, SCRIPTS, matcher
from codetitan.errors import ConfigError
from codetitan.prepare.file import File
from codetitan.prepare.readers import LARGEST, UNPRINTABLE, decoded

UNIT = 1_000
"""Files that are read together: a package may have a third of all."""


@dataclass(kw_only=True, slots=True)
class PythonPackages:
    """`type = "python-packages"`: what is installed beside the Python that runs, by the packages' own lists of files.

    What no package lists, such as compiled files and a checkout that is installed as a link, is not read.
    """

    include: list[str] = field(default_factory=lambda: list(INCLUDE))
    """Patterns (fnmatch) of file names to read."""

    max_file_bytes: int = LARGEST
    """Larger files are not even read."""


class PackageReader:
    """Installed packages; a unit is UNIT files of one of them.

    Args:
        config: what is read.
        also: patterns of file names that are read beside `include`: what says which licence a package has.

    Raises:
        ConfigError: no package is installed.
    """

    name = "python-packages"

    def __init__(self, config: PythonPackages, also: list[str]) -> None:
        self._config = config
        self._code = matcher([pattern for pattern in config.include if pattern != SCRIPTS])
        self._also = matcher(also)
        found: dict[str, Distribution] = {}
        for folder in dict.fromkeys(sysconfig.get_path(kind) for kind in ("purelib", "platlib")):
            for package in distributions(path=[folder]):
                found.setdefault(f"{package.metadata['Name']}-{package.version}", package)
        if not found:
            raise ConfigError(f"prepare.sources: python-packages: none is installed in {folder}")
        self._packages = [found[name] for name in sorted(found)]
        lists = "".join(f"{name}\n{found[name].read_text('RECORD')}" for name in sorted(found))
        self.dropped: Mapping[str, int] = {}
        self.fingerprint = hashlib.sha256(lists.encode()).hexdigest()
        self._files = lru_cache(1)(self._files_of)
        self._units = [(n, at) for n in range(len(self._packages)) for at in range(0, len(self._files(n)) or 1, UNIT)]
        self.sizes = [self._size(n, at) for n, at in self._units]

    def __len__(self) -> int:
        return len(self._units)

    def _files_of(self, number: int) -> list[tuple[str, int]]:
        """Returns path and size of what is read of a package, by the paths."""
        listed = {str(file): file.size or 0 for file in self._packages[number].files or ()}
        return [(path, listed[path]) for path in sorted(listed) if self._is_read(path)]

    def _is_code(self, path: str) -> bool:
        return self._code.match(PurePosixPath(path).name) is not None

    def _is_read(self, path: str) -> bool:
        if path.startswith("/") or ".." in PurePosixPath(path).parts:  # of a folder for programs
            return False
        return self._is_code(path) or self._also.match(PurePosixPath(path).name) is not None

    def _size(self, number: int, at: int) -> int:
        return sum(size for _, size in self._files(number)[at : at + UNIT])

    def read(self, unit: int) -> Iterator[File | Dropped]:
        """Yields some files of a package, by their paths in the folder of packages; see `Reader`."""
        number, at = self._units[unit]
        package = self._packages[number]
        repo = package.metadata["Name"]
        for path, _ in self._files(number)[at : at + UNIT]:
            if not path.isprintable():
                yield Dropped(self.name, ascii(f"{repo}/{path}"), UNPRINTABLE)
                continue
            place = Path(str(package.locate_file(path)))
            try:
                if place.stat().st_size > self._config.max_file_bytes:
                    yield Dropped(self.name, f"{repo}/{path}", "too large")
                    continue
                text, reason = decoded(place.read_bytes())
            except FileNotFoundError:
                text, reason = "", "listed, but not installed"
            except OSError as error:
                raise ConfigError(f"{place} can't be read: {error.strerror}") from None
            if reason:
                yield Dropped(self.name, f"{repo}/{path}", reason)
                continue
            root = f"{self.name}:{repo}"
            yield File(self.name, repo, path, text, language_of(path, text), in_corpus=self._is_code(path), root=root)
