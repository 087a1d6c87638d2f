"""Files under a folder as documents: listed once, in a fixed order (by path), read and decoded on demand."""

import contextlib
import hashlib
import sysconfig
from collections import Counter
from pathlib import Path

import numpy as np
import numpy.typing as npt

from codetitan.data.document import Document, Dropped
from codetitan.data.language import HEAD_BYTES, INDEX, language_by_name, language_of
from codetitan.data.sources.disk import kind_of, read_file
from codetitan.data.sources.listing import Listed, Origin, list_files
from codetitan.data.sources.walk import Links, Tell
from codetitan.errors import ConfigError
from codetitan.places import expand

_BOM_BYTES = 3
_SAMPLED, _SAMPLE_BYTES = 64, 4096  # files whose beginning is part of the fingerprint, and how much of each


class FileSource:
    """An opened folder.

    The fingerprint changes when a file is added, removed, renamed or resized, when its repository or licence is
    another, or when one of 64 files begins otherwise; not when the folder is copied or renamed, and not when bytes
    change within the same size elsewhere.

    Attributes:
        name: for people and for counts.
        n_bytes: bytes on disk.
        dropped: reason → number of files left out when the source was listed.
        fingerprint: what of the files the tokens depend on, hashed.
        streamed: False: every document can be read at any time.
    """

    streamed = False
    structure: frozenset[str] = frozenset()

    def __init__(self, name: str, root: Path, files: list[Listed], dropped: Counter[str]) -> None:
        if not files:
            seen = ", ".join(f"{count} {reason}" for reason, count in sorted(dropped.items())) or "no file at all"
            raise ConfigError(
                f'dataloader.sources: "{name}" has no document ({seen}); see the keys "include", "exclude", '
                '"links" and "max_file_bytes" of the source'
            )
        self.name = name
        self.dropped = dropped
        self._root = root
        self._files = sorted(files, key=lambda file: file.path)
        self.n_bytes = sum(file.n_bytes for file in files)
        digest = hashlib.sha256()
        for file in self._files:
            digest.update(f"{file.path}\0{file.n_bytes}\0{file.origin.repo}\0{file.origin.licence}\n".encode())
        for file in self._files[:: -(-len(files) // _SAMPLED)]:
            with contextlib.suppress(OSError):  # said when it is read in earnest
                digest.update((root / file.path).open("rb").read(_SAMPLE_BYTES))
        self.fingerprint = digest.hexdigest()

    def __len__(self) -> int:
        return len(self._files)

    def read(self, index: int) -> Document | Dropped:
        """Reads document `index`: UTF-8 with any line ends, as it lies on disk but for a byte order mark.

        Raises:
            ConfigError: the file can't be read any more, or its size has changed since it was listed.
        """
        file = self._files[index]
        try:
            text = read_file(self._root / file.path, file.n_bytes).decode("utf-8-sig")
        except UnicodeDecodeError:
            return Dropped(self.name, file.path, "not UTF-8")
        if not text:
            return Dropped(self.name, file.path, "empty")
        path = file.path[file.origin.top :]
        return Document(
            self.name, path, text, file.origin.repo, language_of(path, text), licence=file.origin.licence, stars=None
        )

    def languages(self) -> npt.NDArray[np.uint8]:
        """Returns uint8 (n,): each document's index into LANGUAGES; reads a file only where its name is not enough."""
        found = np.zeros(len(self._files), np.uint8)
        for i, file in enumerate(self._files):
            language = language_by_name(file.path)
            if language is None:
                path = self._root / file.path
                language = language_of(file.path, read_file(path, file.n_bytes, limit=HEAD_BYTES + _BOM_BYTES))
            found[i] = INDEX[language]
        return found

    def parts(self) -> list[tuple[str, int]]:
        """Returns (path, 1) of each file."""
        return [(file.path, 1) for file in self._files]

    def mark(self, which: int, first: int, n: int, *, thorough: bool) -> str:
        """Returns size, repository and licence of a file; thorough, a hash of its beginning too."""
        file = self._files[which]
        origin = file.origin
        known = f"{file.n_bytes} {origin.repo} {origin.licence}"
        return f"{known} {self._beginning(file).hex()}" if thorough else known

    def _beginning(self, file: Listed) -> bytes:
        with contextlib.suppress(OSError):  # said when it is read in earnest
            return hashlib.sha256((self._root / file.path).open("rb").read(_SAMPLE_BYTES)).digest()[:8]
        return b""


def open_stdlib(max_file_bytes: int) -> FileSource:
    """Opens the standard library of the Python that runs."""
    root, dropped = Path(sysconfig.get_path("stdlib")), Counter[str]()
    files = list_files(
        root,
        include=["*.py"],
        exclude=["site-packages", "dist-packages", "__pycache__", "test", "tests", "idle_test"],
        max_file_bytes=max_file_bytes,
        dropped=dropped,
        origin=Origin("python/cpython", "PSF-2.0"),
        gitignore=False,
    )
    return FileSource("python-stdlib", root, files, dropped)


def open_directory(
    path: str,
    *,
    include: list[str],
    exclude: list[str],
    max_file_bytes: int,
    repo_depth: int,
    gitignore: bool,
    links: Links,
    tell: Tell | None = None,
) -> FileSource:
    """Opens a folder; the arguments are those of `list_files`.

    Raises:
        ConfigError: it does not exist, or holds no file to serve.
    """
    root, dropped = expand(path, "dataloader.sources: directory"), Counter[str]()
    kind = kind_of(root, f'dataloader.sources: directory "{path}"')
    if kind != "folder":
        what = {"nothing": "does not exist", "broken link": "is a broken link"}.get(kind, "is a file, not a folder")
        raise ConfigError(
            f'dataloader.sources: directory "{path}" {what}; create it, or train on the Python standard library with '
            "--dataloader.sources python-stdlib"
        )
    files = list_files(
        root,
        include=include,
        exclude=exclude,
        max_file_bytes=max_file_bytes,
        dropped=dropped,
        repo_depth=repo_depth,
        gitignore=gitignore,
        links=links,
        tell=tell,
    )
    return FileSource(f"directory:{path}", root, files, dropped)
