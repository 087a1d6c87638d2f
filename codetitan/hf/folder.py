"""A folder that is there whole or not at all."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from safetensors import SafetensorError

from codetitan.errors import ConfigError


def check_new(folder: Path) -> None:
    """Nothing would be overwritten.

    Raises:
        ConfigError: there is something.
    """
    if folder.is_symlink() or folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise ConfigError(f"--output {folder} exists; remove it or choose another")


@contextlib.contextmanager
def appearing(folder: Path, *, n_bytes: int) -> Iterator[Path]:
    """Gives a folder to write into, which gets its name when all is written, and is removed when something fails.

    Args:
        folder: what it is to be called; must be new.
        n_bytes: what will be written, about.

    Raises:
        ConfigError: it exists, or the disk has no room or does not let us.
    """
    check_new(folder)
    partial = folder.absolute().parent / f".{folder.name}.partial"
    try:
        shutil.rmtree(partial, ignore_errors=True)  # of one that was killed
        partial.mkdir(parents=True)
        free = shutil.disk_usage(partial).free
        if n_bytes > free:
            raise ConfigError(
                f"--output {folder} needs {n_bytes / 1e9:.2f} GB, and its disk has {free / 1e9:.2f} GB free; make "
                "room or choose another"
            )
        yield partial
        if folder.is_dir():
            folder.rmdir()  # empty
        partial.rename(folder)
    except OSError as error:
        raise ConfigError(f"--output {folder} can't be written: {error.strerror or error}") from error
    except SafetensorError as error:  # safetensors wraps the system's errors
        raise ConfigError(f"--output {folder} can't be written: {error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
