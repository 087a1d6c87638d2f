"""Reading files that must not change under a run: patiently, and never something else than was listed."""

import errno
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeVar

from codetitan.errors import ConfigError

T = TypeVar("T")


def kind_of(path: Path, label: str) -> Literal["file", "folder", "other", "broken link", "nothing"]:
    """Returns what a path leads to; "other" is a pipe, a device or a socket.

    Raises:
        ConfigError: a folder above it may not be searched, it goes in a circle, or its name is too long.
    """
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError, ValueError):  # the last: a NUL
        return "broken link" if path.is_symlink() else "nothing"
    except OSError as error:
        fix = "see the permissions of the folders above it" if error.errno == errno.EACCES else "name another"
        raise ConfigError(f"{label} can't be read: {error.strerror}; {fix}") from error
    return "file" if stat.S_ISREG(mode) else "folder" if stat.S_ISDIR(mode) else "other"


def changed(path: Path) -> ConfigError:
    """The error for a file that is not what it was when it was listed."""
    return ConfigError(
        f'dataloader.sources: "{path}" has changed since the run started: restore it and start the same command again'
    )


def patiently(read: Callable[[], T], path: Path) -> T:
    """Calls `read`; a failure, as a network disk has at night, is tried again for half a minute.

    Raises:
        ConfigError: `path` can't be read any more. It is not skipped: that would change the tokens of a run.
    """
    for wait_s in (1, 5, 25):
        try:
            return read()
        except OSError:
            time.sleep(wait_s if path.parent.exists() else 0)
    try:
        return read()
    except OSError as error:
        raise ConfigError(
            f'dataloader.sources: "{path}" can\'t be read any more: {error.strerror}; restore it and start the same '
            "command again"
        ) from error


def read_file(path: Path, size: int, *, limit: int | None = None) -> bytes:
    """Reads a file of `size` bytes, or its first `limit` bytes.

    Raises:
        ConfigError: it can't be read any more, or its size is another.
    """

    def read() -> tuple[int, bytes]:
        with path.open("rb") as file:
            return os.fstat(file.fileno()).st_size, file.read(-1 if limit is None else limit)

    now, data = patiently(read, path)
    if now != size or len(data) != (size if limit is None else min(size, limit)):
        raise changed(path)
    return data


def read_at(fd: int, start: int, n: int) -> bytes:
    """Reads up to n bytes from `start`: one system call but for very long ranges; fewer only at the file's end."""
    data = os.pread(fd, n, start)
    while 0 < len(data) < n:
        more = os.pread(fd, n - len(data), start + len(data))
        if not more:
            break
        data += more
    return data
