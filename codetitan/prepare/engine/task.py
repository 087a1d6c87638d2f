"""One task: its folder appears whole or not at all, and what went wrong is one line that names it."""

import contextlib
import errno
import os
import shutil
import signal
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

from codetitan.errors import ConfigError, one_line
from codetitan.prepare.engine.stage import folder_name
from codetitan.prepare.engine.state import FAILURES, PARTIAL, STATISTICS, Place, as_json, sync

_FULL = {errno.ENOSPC: "is full", errno.EDQUOT: "has a quota, which is used up"}


@contextlib.contextmanager
def reading(document: str) -> Iterator[None]:
    """Names a document in the line of what goes wrong with it."""
    try:
        yield
    except Exception as error:
        error.add_note(document)
        raise


def perform(place: Place, task: int) -> None:
    """Does a task of a stage, if it is not done, and gives its folder its name.

    Raises:
        ConfigError: it failed; the text names stage, task, document where known, and the file with the traceback.
    """
    if place.task(task).is_dir():
        return
    # Its own, by the process: two may do the same task where SLURM requeues one that is alive after all.
    partial = place.tasks / f"{folder_name(task)}{PARTIAL}-{os.getpid()}-{time.time_ns()}"
    try:
        partial.mkdir()
        found = place.stage.run(task, partial)
        if (partial / STATISTICS).exists():
            raise ValueError(f"{STATISTICS} is what the engine writes beside the output")
        (partial / STATISTICS).write_text(as_json(found), encoding="utf-8")
        _keep(partial)
        _rename(partial, place.task(task))
    except Exception as error:
        shutil.rmtree(partial, ignore_errors=True)  # its room is wanted for the traceback, where the disk is full
        raise failure(place, task, error) from None


def _keep(folder: Path) -> None:
    """Has the disk keep all files below a folder, and their names."""
    for root, _, names in os.walk(folder):
        for name in names:
            sync(Path(root, name))
        sync(Path(root))


def _rename(partial: Path, whole: Path) -> None:
    try:
        partial.rename(whole)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        shutil.rmtree(partial)  # another did the same task, to the same bytes, and was sooner
    sync(whole.parent)


def ended(code: int, log: Path, workers: int) -> str:
    """Says how a task's process ended that did not do it.

    Args:
        code: its exit code, or a signal's number below 0.
        log: where it may have said more.
        workers: how many run at a time.
    """
    if code == -signal.SIGKILL:
        return (
            "its worker was killed (SIGKILL), as the kernel does when memory ends; the same command goes on, with more "
            f"memory a task where prepare.executor.workers is below {workers}"
        )
    how = f"died of {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    return f"its worker {how} (see {log}); the same command goes on"


def failure(place: Place, task: int, error: Exception) -> ConfigError:
    """Returns what a person is told of a task that failed, and leaves that and the traceback in a file."""
    document = "".join(f", {note}" for note in getattr(error, "__notes__", [])[:1])
    where = f'stage "{place.stage.name}", task {task}{document}'
    if isinstance(error, ConfigError):
        said = str(error)
    elif isinstance(error, OSError) and error.errno in _FULL:
        said = f"the disk of {place.folder} {_FULL[error.errno]}; make room, and the same command goes on"
    else:
        said = f"{type(error).__name__}: {one_line(error)}; mend that, and the same command goes on"
    path = place.folder / FAILURES / f"{folder_name(task)}.txt"
    if not isinstance(error, ConfigError):
        said += f" (traceback in {path})"
    text = str(ConfigError(f"{where}: {said}"))
    try:
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join([text, "", *traceback.format_exception(error)]), encoding="utf-8")
    except OSError as unwritten:  # the line is what counts, and says it
        text = text.replace(f" (traceback in {path})", f" ({path} can't be written: {unwritten.strerror})")
    return ConfigError(text)
