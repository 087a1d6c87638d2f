"""A folder that the library datasets would take for a pattern or a URL, under a name that it takes for a folder.

datasets has no way to name a file literally: it globs below the folder's whole path, follows `::` and expands `$NAME`.
So where such characters occur, it gets a folder of links in the cache, whose names have none.
"""

import hashlib
import os
import shutil
from collections import Counter
from pathlib import Path
from uuid import uuid4

from codetitan.data.sources.walk import walk
from codetitan.places import cache_folder

_MAGIC = "*?[]{}$:="  # the last is what the others are written with
_PLAIN = str.maketrans({char: f"={ord(char):02x}" for char in _MAGIC})


def plain(name: str) -> str:
    """Returns a name without characters that mean something in a pattern or a URL; two names stay two."""
    return name.translate(_PLAIN)


def plain_folder(folder: Path) -> Path:
    """Returns the folder, or one of links to its files where a name in it or above it may be misread.

    Raises:
        OSError: the cache can't be written.
    """
    real = os.path.realpath(folder)
    found = {
        file.path: file.entry.stat()
        for file in walk(
            folder, links="all", dropped=Counter(), top=None, enter=lambda *_: None,
            named=lambda path: not path.rpartition("/")[2].startswith("."), descend=lambda *_: True,
            served=lambda _: False,
        )
    }  # fmt: skip
    if not any(char in name for name in (real, *found) for char in _MAGIC[:-1]):
        return folder
    state = repr((real, sorted((path, stat.st_size, stat.st_mtime_ns) for path, stat in found.items())))
    home = cache_folder("named") / hashlib.sha256(state.encode("utf-8", "backslashreplace")).hexdigest()[:32]
    if not home.is_dir():
        temporary = home.with_name(f"{home.name}.{uuid4().hex[:8]}.tmp")
        try:
            for path in found:
                link = temporary / plain(path)
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(Path(real) / path)
            temporary.rename(home)
        except OSError:
            if not home.is_dir():  # else another process was faster
                raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return home
