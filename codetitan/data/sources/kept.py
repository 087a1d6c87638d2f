"""Files that are made from others once and kept in the user's cache: by one process, for all ranks and runs.

A file is `KEY-SIZE-MTIME…` of the file that it is made from, KEY a hash of its absolute path. Making it again, because
that file has changed, removes the older ones.
"""

import contextlib
import errno
import fcntl
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

from codetitan.errors import ConfigError
from codetitan.places import cache_folder


def kept(kind: str, key: str, state: str, suffix: str, make: Callable[[Path], None], *, label: str) -> Path:
    """Returns the file `state` + `suffix` in the cache's folder `kind`; made where it is missing.

    Args:
        kind: a folder in the cache.
        key: names the file that it is made from; `state` begins with it.
        state: changes with that file.
        suffix: says what was made of it.
        make: writes the path that it is given; what it raises goes through.
        label: the source in an error.

    Raises:
        ConfigError: the cache can't be written, or its disk is full.
    """
    try:
        folder = cache_folder(kind)
        path = folder / f"{state}{suffix}"
        if not path.is_file():
            with _lock(folder / f"{key}.lock") as alone:
                if not path.is_file():  # another process may have been faster
                    _make(path, key, state, make, alone)
        return path
    except OSError as error:
        what = "is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else f"can't be written ({error.strerror})"
        raise ConfigError(
            f"{label}: the cache {what}; set CODETITAN_CACHE to a folder with room for the data, uncompressed"
        ) from error


def _make(path: Path, key: str, state: str, make: Callable[[Path], None], alone: bool) -> None:
    if alone:  # what a killed process left
        for stale in path.parent.glob(f"{path.name}.*.tmp"):
            stale.unlink(missing_ok=True)
    temporary = path.with_name(f"{path.name}.{uuid4().hex[:8]}.tmp")
    try:
        make(temporary)
        temporary.rename(path)
    finally:
        temporary.unlink(missing_ok=True)
    for old in path.parent.glob(f"{key}-*"):
        if not old.name.startswith(state):
            old.unlink(missing_ok=True)


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[bool]:
    """Waits until no other process holds the lock; yields False on a file system that has none.

    The kernel gives it back when its holder ends, however that happens. Without one, several processes may make the
    same file: each its own, and the last to rename it wins.
    """
    with path.open("w") as file:
        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX)
        except OSError:
            yield False
            return
        yield True
