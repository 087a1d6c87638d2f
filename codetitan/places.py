"""Where a person's files and this user's caches lie, also where there is no home folder, or none that can be written.

Environment variables that name such places are read and set here alone: CODETITAN_CACHE, HOME, XDG_CACHE_HOME.
"""

import os
import pwd
import stat
import sys
from pathlib import Path

from codetitan.errors import ConfigError

# What other libraries write below the home folder: the variable that moves it, and where it is without. datasets,
# huggingface_hub and wandb's cache follow XDG_CACHE_HOME; tiktoken and torch write to the temporary folder anyway.
# What is only read there, such as wandb's settings, stays.
_BELOW_HOME = {
    "XDG_CACHE_HOME": ".cache",
    "TRITON_HOME": ".triton",
    "MPLCONFIGDIR": ".config/matplotlib",
    "WANDB_DATA_DIR": ".local/share/wandb",
}


def expand(path: str | Path, key: str) -> Path:
    """Returns a path with `~` or `~NAME` at its beginning written out, but for one that exists and is called ~NAME.

    Args:
        path: as a person wrote it.
        key: what an error begins with, such as `dump_folder`.

    Raises:
        ConfigError: this user has no home folder, or there is no user NAME.
    """
    text = str(path)
    first = text.partition("/")[0]
    if not first.startswith("~") or (first != "~" and os.path.lexists(first)):
        return Path(path)
    home = _home(first[1:])
    if home is None:
        who = f'there is no user "{first[1:]}"' if first[1:] else "this user has no home folder"
        fix = "write the whole path" + ("" if first[1:] else ", or set HOME")
        raise ConfigError(f'{key}: "{text}": {who}; {fix}')
    return home / text[len(first) :].lstrip("/")


def cache_folder(name: str) -> Path:
    """Returns the folder `name` in codetitan's cache, made where it is missing.

    It lies in $CODETITAN_CACHE, else in $XDG_CACHE_HOME/codetitan, else in ~/.cache/codetitan; where that can't be
    written, in a temporary folder, which is said once.

    Raises:
        OSError: not even the temporary folder can be written.
    """
    given = os.environ.get("CODETITAN_CACHE")
    caches = os.environ.get("XDG_CACHE_HOME") or _below_home(_BELOW_HOME["XDG_CACHE_HOME"])
    root = Path(given) if given else Path(caches) / "codetitan" if caches else None
    if root is not None:
        folder = (root / name).absolute()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if os.access(folder, os.W_OK | os.X_OK):
                return folder
        except OSError:
            pass
    temporary = _temporary()
    _say(str(root or "this user has no home folder"), temporary, "CODETITAN_CACHE")
    os.environ["CODETITAN_CACHE"] = str(temporary / "codetitan")  # of this process and those that it starts
    folder = temporary / "codetitan" / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def settle() -> None:
    """Names a temporary folder to the libraries that keep caches below a home folder, where there is none to write to.

    Called before they are imported. A variable that is set to a folder that can be written stays as it is.
    """
    if "LOGNAME" not in os.environ and "USER" not in os.environ and _home_of_uid() is None:
        os.environ["LOGNAME"] = f"uid{os.getuid()}"  # getpass.getuser(), which torch calls, fails without
    moved = []
    for variable, place in _BELOW_HOME.items():
        given = os.environ.get(variable) or _below_home(place)
        if given is None or not _can_be_written(Path(given)):
            moved.append((variable, given))
    if not moved:
        return
    try:
        temporary = _temporary()
    except OSError:  # what needs a cache will say so
        return
    for variable, _ in moved:
        os.environ[variable] = str(temporary / variable.lower())
    variable, given = moved[0]
    _say(given or "this user has no home folder", temporary, variable if len(moved) == 1 else "HOME")


def _say(what: str, temporary: Path, variable: str) -> None:
    reason = f"{what} can't be written" if what.startswith("/") else what
    print(
        f"codetitan: note: {reason}: caches are kept in {temporary}; set {variable} to a folder that lasts",
        file=sys.stderr,
        flush=True,
    )


def _home(name: str = "") -> Path | None:
    """Returns the home folder of a user; without a name, of the one who runs this; None where there is none."""
    if name:
        try:
            return Path(pwd.getpwnam(name).pw_dir)
        except (KeyError, ValueError):
            return None
    given = os.environ.get("HOME")
    return Path(given) if given else _home_of_uid()


def _home_of_uid() -> Path | None:
    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        return None


def _below_home(place: str) -> str | None:
    home = _home()
    return None if home is None else str(home / place)


def _can_be_written(folder: Path) -> bool:
    """Whether a folder can be made and written: the deepest part of it that exists tells."""
    folder = folder.absolute()
    while not os.path.lexists(folder) and folder != folder.parent:
        folder = folder.parent
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)


def _temporary() -> Path:
    """Returns this user's folder among the temporary ones: the same for all of a run's processes, and no one else's."""
    import tempfile  # half of the time of `import codetitan`, and seldom needed

    folder = Path(tempfile.gettempdir()) / f"codetitan-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or not _can_be_written(folder):
        return Path(tempfile.mkdtemp(prefix="codetitan-"))
    return folder
