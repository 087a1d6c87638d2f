"""Runs stages below an output folder, what is left of each, and gives the statistics of the whole."""

import contextlib
import importlib.util
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from codetitan.errors import ConfigError
from codetitan.lock import Lock
from codetitan.prepare.engine.progress import size
from codetitan.prepare.engine.stage import Stage
from codetitan.prepare.engine.state import Place, claim, old, places, statistics
from codetitan.prepare.engine.tables import How, Local, Ray, Slurm
from codetitan.prepare.engine.totals import total
from codetitan.stop import EXIT_STOPPED

TOLD = "what is done has been said"
"""Note of a KeyboardInterrupt or SystemExit of `execute`, where that is so."""

# loguru writes the values of variables beside a traceback by default: documents, with their secrets, in a log.
_VALUES_IN_LOGS = "LOGURU_DIAGNOSE"


def execute(
    stages: Sequence[Stage],
    folder: Path,
    how: How,
    say: Callable[[str], None] = print,
    *,
    remove_old: bool = False,
) -> list[Mapping[str, Any]]:
    """Does what is left of the stages, in order; nothing where all is done.

    A signal, a killed process or a failed task leaves what is done, and the same call goes on. Ctrl-C raises
    KeyboardInterrupt, SIGTERM SystemExit with EXIT_STOPPED.

    Args:
        stages: in an order in which each comes after those that it reads.
        folder: the output folder: new, empty, or of an earlier call.
        how: where tasks run.
        say: called with a line now and then.
        remove_old: removes the folders of stages that are no longer these; without it they are named.

    Returns:
        Of each stage, the statistics of all its tasks, added up (`totals.total`), whichever call did them.

    Raises:
        ConfigError: the folder is another's or another process has it, datatrove is missing, or a task failed.
    """
    check(how)
    all_places = places(stages, folder)  # first: what is wrong with their inputs leaves no folder behind
    _make(folder)
    lock = Lock(folder, say, key="output")
    lock.take()
    try:
        claim(folder)
        _old(old(all_places, folder), say, remove_old)
        for place in all_places:
            place.make()
        if left := [place for place in all_places if place.left()]:
            with sigterm(), _quiet_logs() if isinstance(how, Slurm | Ray) else contextlib.nullcontext():
                _run(all_places, left, how, say)
        else:
            say(f"nothing is left to do: all {len(all_places)} stages are done")
        return [total(statistics(place)) for place in all_places]
    except BrokenPipeError:  # of `say`
        raise
    except OSError as error:
        where = error.filename if isinstance(error.filename, str | Path) else folder
        raise ConfigError(f"{where}: {error.strerror or error}; mend that, and the same command goes on") from None
    finally:
        lock.release()


def _run(all_places: Sequence[Place], left: Sequence[Place], how: How, say: Callable[[str], None]) -> None:
    try:
        if isinstance(how, Slurm):
            from codetitan.prepare.engine import slurm

            slurm.run(left, how, say)
            return
        numbers = {place.stage.name: f"{i}/{len(all_places)}" for i, place in enumerate(all_places, 1)}
        with _executor(how) as run_one:
            for place in left:

                def told(line: str, number: str = numbers[place.stage.name]) -> None:
                    say(f"{number} {line}")

                if (done := place.stage.tasks - len(place.left())) > 0:
                    told(f"{place.stage.name}: goes on after {done} of {place.stage.tasks} tasks")
                run_one(place, told)
    except (KeyboardInterrupt, SystemExit) as error:
        say(f"stopped; {_done(all_places)}")
        error.add_note(TOLD)
        raise


def _done(all_places: Sequence[Place]) -> str:
    """Says e.g. `2 of 16 stages are done, and of judge 120 of 400 tasks; that stays, and the same command goes on`."""
    left = {place.stage.name: (len(place.left()), place.stage.tasks) for place in all_places}
    begun = [f"of {name} {tasks - n} of {tasks} tasks" for name, (n, tasks) in left.items() if 0 < n < tasks]
    whole = sum(n == 0 for n, _ in left.values())
    if not whole and not begun:
        return "no task is done yet; the same command starts it again"
    done = ", and ".join([f"{whole} of {len(left)} stages are done", *begun])
    return f"{done}; that stays, and the same command goes on"


@contextlib.contextmanager
def _executor(how: Local | Ray) -> Iterator[Callable[[Place, Callable[[str], None]], None]]:
    """Gives what runs one stage, and says how far it is."""
    if isinstance(how, Ray):
        from codetitan.prepare.engine import ray

        yield lambda place, say: ray.run(place, how, say)
    else:
        from codetitan.prepare.engine import local

        with local.Workers(how) as workers:
            yield lambda place, say: local.run(place, workers, say)


def check(how: How) -> None:
    """Asks for the programs that an executor needs.

    Raises:
        ConfigError: one is missing.
    """
    if isinstance(how, Slurm | Ray) and importlib.util.find_spec("datatrove") is None:
        raise ConfigError("prepare.executor beyond this machine needs datatrove: pip install 'codetitan[prepare]'")
    if isinstance(how, Ray) and importlib.util.find_spec("ray") is None:
        raise ConfigError('prepare.executor.name = "ray" needs Ray: pip install ray')
    if isinstance(how, Slurm) and shutil.which("sbatch") is None:
        raise ConfigError('prepare.executor.name = "slurm": there is no sbatch here; start it where jobs are submitted')


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f'output = "{folder}" can\'t be made: {error.strerror}; choose another with --output DIR'
        ) from None


def _old(folders: Sequence[Path], say: Callable[[str], None], remove: bool) -> None:
    if not folders:
        return
    n_bytes = sum(file.lstat().st_size for path in folders for file in path.rglob("*") if file.is_file())
    what = f"{size(n_bytes)} of {len(folders)} stage{'s' if len(folders) > 1 else ''} with other thresholds or input"
    if not remove:
        say(f"not used: {what}; --remove-old removes them")
        return
    for path in folders:
        shutil.rmtree(path)
    say(f"removed {what}")


@contextlib.contextmanager
def sigterm() -> Iterator[None]:
    """Ends by SystemExit at SIGTERM, as Python does by KeyboardInterrupt at Ctrl-C."""
    if threading.current_thread() is not threading.main_thread():  # which alone may say what a signal does
        yield
        return

    def end(_number: int, _frame: FrameType | None) -> None:
        raise SystemExit(EXIT_STOPPED)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _quiet_logs() -> Iterator[None]:
    """Keeps datatrove's lines out of the progress, and values out of its logs in processes that are started."""
    before = os.environ.get(_VALUES_IN_LOGS)
    os.environ[_VALUES_IN_LOGS] = "NO"
    from loguru import logger

    logger.disable("datatrove")
    try:
        yield
    finally:
        logger.enable("datatrove")
        del os.environ[_VALUES_IN_LOGS]
        if before is not None:
            os.environ[_VALUES_IN_LOGS] = before
