"""Where documents come from. A source is a fixed list of files, read by index.

To add a source: a dataclass of its options here, an entry in `SOURCE_TYPES`, and a branch in `open_source`.
"""

import fnmatch
import hashlib
import os
import sysconfig
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from codetitan.data.document import Document, Dropped
from codetitan.errors import ConfigError

# The languages that code models are usually trained on, and the prose and data files that live beside code.
INCLUDE = [
    "*.c", "*.cc", "*.cpp", "*.cs", "*.css", "*.cu", "*.go", "*.h", "*.hpp", "*.html", "*.java", "*.jl", "*.js",
    "*.json", "*.jsx", "*.kt", "*.lua", "*.md", "*.php", "*.pl", "*.proto", "*.ps1", "*.py", "*.r", "*.rb", "*.rs",
    "*.rst", "*.scala", "*.sh", "*.sql", "*.swift", "*.tex", "*.toml", "*.ts", "*.tsx", "*.yaml", "*.yml", "*.zig",
]  # fmt: skip


@dataclass(kw_only=True, slots=True)
class PythonStdlib:
    """`type = "python-stdlib"`: the standard library of the Python that runs: real code on every machine."""

    max_file_bytes: int = 1_000_000
    """Larger files are left out, counted as "too large"."""


@dataclass(kw_only=True, slots=True)
class Directory:
    """`type = "directory"`: the source files under a folder."""

    path: str
    """The folder, absolute or relative to the working directory."""

    include: list[str] = field(default_factory=lambda: list(INCLUDE))
    """Patterns (fnmatch) of file names to serve."""

    exclude: list[str] = field(default_factory=lambda: ["node_modules", "third_party", "vendor", "test", "tests"])
    """Patterns (fnmatch) of file and folder names to leave out, below `path`. Hidden ones always are."""

    max_file_bytes: int = 1_000_000
    """Larger files are left out, counted as "too large"."""


SourceConfig = PythonStdlib | Directory
SOURCE_TYPES: dict[str, type[SourceConfig]] = {"python-stdlib": PythonStdlib, "directory": Directory}


def source_from_text(text: str) -> dict[str, str]:
    """Expands a source written as one word: `python-stdlib`, or `directory:PATH`."""
    kind, _, path = text.partition(":")
    return {"type": kind, "path": path} if path else {"type": kind}


class Source:
    """An opened source: files in a fixed order (by path), read and decoded on demand.

    Attributes:
        name: for people and for counts.
        dropped: reason → number of files left out when the source was listed (empty, too large).
        fingerprint: changes when a file is added, removed, renamed or resized.
    """

    def __init__(self, name: str, root: Path, files: list[tuple[str, int]], dropped: Counter[str]) -> None:
        self.name = name
        self.dropped = dropped
        self._root = root
        self._paths = [path for path, _ in files]
        self.n_bytes = sum(size for _, size in files)
        self.fingerprint = hashlib.sha256("\n".join(f"{path}\0{size}" for path, size in files).encode()).hexdigest()

    def __len__(self) -> int:
        return len(self._paths)

    def read(self, index: int) -> Document | Dropped:
        """Reads document `index`: UTF-8 with any line ends, as it lies on disk but for a byte order mark.

        Raises:
            ConfigError: the file can't be read any more. It is not skipped: that would change the tokens of a run.
        """
        path = self._paths[index]
        try:
            text = _read_patiently(self._root / path).decode("utf-8-sig")
        except UnicodeDecodeError:
            return Dropped(self.name, path, "not UTF-8")
        except OSError as error:
            raise ConfigError(
                f'dataloader.sources: "{self._root / path}" can\'t be read any more: {error.strerror}; restore it and '
                "start the same command again"
            ) from error
        return Document(self.name, path, text) if text else Dropped(self.name, path, "empty")


def _read_patiently(path: Path) -> bytes:
    """Reads a file; a failure, as a network disk has at night, is tried again for half a minute."""
    for wait_s in (1, 5, 25):
        try:
            return path.read_bytes()
        except OSError:
            time.sleep(wait_s if path.parent.exists() else 0)
    return path.read_bytes()


def _walk(root: Path, exclude: list[str], dropped: Counter[str]) -> Iterator[tuple[str, str, int]]:
    """Yields (path below root with forward slashes, file name, bytes) of regular files; links are not followed."""
    folders = [""]
    while folders:
        folder = folders.pop()
        try:
            entries = list(os.scandir(root / folder))
        except OSError:
            dropped["unreadable folder"] += 1
            continue
        for entry in entries:
            name = entry.name
            if name.startswith(".") or any(fnmatch.fnmatch(name, pattern) for pattern in exclude):
                continue
            path = f"{folder}/{name}" if folder else name
            if entry.is_dir(follow_symlinks=False):
                folders.append(path)
            elif entry.is_file(follow_symlinks=False):
                yield path, name, entry.stat(follow_symlinks=False).st_size


def open_source(config: SourceConfig) -> Source:
    """Lists a source's files.

    Raises:
        ConfigError: the folder does not exist, or holds no file to serve.
    """
    if isinstance(config, PythonStdlib):
        name, root = "python-stdlib", Path(sysconfig.get_path("stdlib"))
        include, exclude = ["*.py"], ["site-packages", "dist-packages", "__pycache__", "test", "tests", "idle_test"]
    else:
        name, root = f"directory:{config.path}", Path(config.path).expanduser()
        include, exclude = config.include, config.exclude
        if not root.is_dir():
            raise ConfigError(
                f'dataloader.sources: directory "{config.path}" does not exist; create it, or train on the Python '
                "standard library with --dataloader.sources python-stdlib"
            )
    files: list[tuple[str, int]] = []
    dropped: Counter[str] = Counter()
    for path, file_name, size in _walk(root, exclude, dropped):
        if not any(fnmatch.fnmatch(file_name, pattern) for pattern in include):
            dropped["other file type"] += 1
        elif size == 0:
            dropped["empty"] += 1
        elif size > config.max_file_bytes:
            dropped["too large"] += 1
        elif not path.isprintable():  # bytes that are no UTF-8, or control characters that a terminal would obey
            dropped["unprintable name"] += 1
        elif not os.access(root / path, os.R_OK):
            dropped["unreadable"] += 1
        else:
            files.append((path, size))
    if not files:
        seen = ", ".join(f"{count} {reason}" for reason, count in sorted(dropped.items())) or "no file at all"
        raise ConfigError(
            f'dataloader.sources: "{name}" has no document ({seen}); see the keys "include", "exclude" and '
            '"max_file_bytes" of the source'
        )
    return Source(name, root, sorted(files), dropped)


def check_usable(sources: list[Source]) -> None:
    """Reads until a document can be used; in an ordinary corpus that is the first.

    Raises:
        ConfigError: none can.
    """
    reasons: Counter[str] = Counter()
    for source in sources:
        for index in range(len(source)):
            document = source.read(index)
            if isinstance(document, Document):
                return
            reasons[document.reason] += 1
    counts = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
    names = ", ".join(source.name for source in sources)
    raise ConfigError(f"dataloader.sources: no document of {names} can be used: {counts}")
