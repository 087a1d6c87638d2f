"""Where the lines of a file begin: found once, kept in the user's cache, and shared by all ranks.

The index of a file is `KEY-SIZE-MTIME.npy` in the cache's folder `lines` (codetitan/places.py), KEY a hash of its
absolute path, or of the file's that it was decompressed from. It is opened memory mapped. A file has one index: writing
it removes the older ones.
"""

import hashlib
import os
from collections.abc import Callable
from typing import TypeVar
from uuid import uuid4

import numpy as np
import numpy.typing as npt

from codetitan.data.sources.disk import changed, patiently
from codetitan.data.sources.shards import Shard
from codetitan.places import cache_folder

_CHUNK_BYTES = 1 << 20  # stays in the second-level cache between the two passes over it
_NEWLINE = 10

T = TypeVar("T", bound=np.generic)
Bounds = npt.NDArray[np.int64]


def line_bounds(shard: Shard) -> Bounds:
    """Returns int64 (n + 1,): line i is the bytes [bounds[i], bounds[i + 1]), its line end included.

    Blank lines are lines; the last needs no line end.

    Raises:
        ConfigError: the file's size has changed since it was listed, or it can't be read any more.
    """
    return cached(shard, "", lambda: _scan(shard), np.int64, lambda bounds: bool(bounds[-1] == shard.n_bytes))


def cached(
    shard: Shard,
    purpose: str,
    make: Callable[[], npt.NDArray[T]],
    dtype: type[T],
    fits: Callable[[npt.NDArray[T]], bool],
) -> npt.NDArray[T]:
    """Returns a one-dimensional array that belongs to a shard: from the cache where it fits, else made and kept there.

    A cache that can't be written is no error: the array stays in memory.
    """
    key = hashlib.sha256(os.fsencode(shard.origin or shard.path)).hexdigest()[:32]
    state = f"{key}-{shard.n_bytes}-{shard.mtime_ns}"
    try:
        folder = cache_folder("lines")
    except OSError:
        return make()
    path = folder / f"{state}{purpose}.npy"
    try:
        array = np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
        if array.dtype == dtype and array.ndim == 1 and len(array) and fits(array):
            return array
    except (OSError, ValueError, EOFError):  # none yet, or something else under its name
        pass
    array = make()
    try:
        # Ranks may write at the same time: each its own file, and the rename is atomic.
        temporary = folder / f"{path.name}.{uuid4().hex[:8]}.tmp"
        try:
            with temporary.open("wb") as file:
                np.save(file, array)
            temporary.rename(path)
        finally:
            temporary.unlink(missing_ok=True)
        for old in folder.glob(f"{key}-*.npy"):
            if not old.name.startswith(state):
                old.unlink(missing_ok=True)
        return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    except (OSError, ValueError):
        return array


def _scan(shard: Shard) -> Bounds:
    buffer = bytearray(_CHUNK_BYTES)
    view = np.frombuffer(buffer, np.uint8)
    found: list[Bounds] = [np.zeros(1, np.int64)]
    with patiently(lambda: shard.path.open("rb", buffering=0), shard.path) as file:
        if os.fstat(file.fileno()).st_size != shard.n_bytes:
            raise changed(shard.path)
        place = 0
        while place < shard.n_bytes:
            n = patiently(lambda at=place: os.preadv(file.fileno(), [buffer], at), shard.path)  # type: ignore[misc]
            if n == 0:
                raise changed(shard.path)
            ends = np.flatnonzero(view[:n] == _NEWLINE)
            if len(ends):
                found.append(ends + (place + 1))
            place += n
    if place != shard.n_bytes:
        raise changed(shard.path)
    if shard.n_bytes and not (len(found) > 1 and found[-1][-1] == shard.n_bytes):
        found.append(np.array([shard.n_bytes], np.int64))
    return np.concatenate(found)
