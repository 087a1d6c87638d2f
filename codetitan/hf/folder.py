"""A folder that is there whole or not at all."""

import contextlib
import glob
import os
import re
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

from safetensors import SafetensorError

from codetitan.errors import ConfigError


def check_local(called: str, path: Path) -> None:
    """It is a place on this machine.

    Raises:
        ConfigError: it is a URL, of which `Path` has made one slash of two.
    """
    if re.match(r"[a-z][a-z0-9+.-]+:/", str(path)):
        raise ConfigError(f"{called} {path}".lstrip() + " is not on this machine; copy it from there, or to there")


def check_new(folder: Path, called: str = "--output") -> None:
    """Nothing would be overwritten.

    Raises:
        ConfigError: there is something, or it can't be looked at.
    """
    check_local(called, folder)
    try:
        there = folder.is_symlink() or folder.is_file() or (folder.is_dir() and any(folder.iterdir()))
    except OSError as error:
        raise ConfigError(f"{called} {folder} can't be written: {error.strerror}") from None
    if there:
        raise ConfigError(f"{called} {folder} exists; remove it or choose another")
    if os.path.ismount(folder):
        raise ConfigError(f"{called} {folder} is a mount point; choose a folder in it")


def _remove_dead(parent: Path, start: str) -> None:
    """Removes what processes of this machine left that were killed."""
    for path in parent.glob(f"{glob.escape(start)}*.partial"):
        pid = path.name.removeprefix(start).removesuffix(".partial")
        if pid.isdecimal() and not Path(f"/proc/{pid}").exists():
            shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def appearing(folder: Path, *, n_bytes: int, called: str = "--output") -> Iterator[Path]:
    """Gives a folder to write into, which gets its name when all is written, and is removed when something fails.

    Args:
        folder: what it is to be called; must be new.
        n_bytes: what will be written, about.
        called: how errors call it.

    Raises:
        ConfigError: it exists, or the disk has no room or does not let us.
    """
    check_new(folder, called)
    parent = folder.absolute().parent
    start = f".{folder.name}.{socket.gethostname()}-"
    partial = parent / f"{start}{os.getpid()}.partial"
    made = [path for path in partial.parents if not path.exists()]
    try:
        _remove_dead(parent, start)
        partial.mkdir(parents=True)
        free = shutil.disk_usage(partial).free
        if n_bytes > free:
            raise ConfigError(
                f"{called} {folder} needs {n_bytes / 1e9:.2f} GB, and its disk has {free / 1e9:.2f} GB free; make "
                "room or choose another"
            )
        yield partial
        partial.rename(folder)
    except OSError as error:
        raise ConfigError(f"{called} {folder} can't be written: {error.strerror or error}") from error
    except SafetensorError as error:  # safetensors wraps the system's errors
        raise ConfigError(f"{called} {folder} can't be written: {error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        for path in made:
            with contextlib.suppress(OSError):  # not empty: all went well
                path.rmdir()
