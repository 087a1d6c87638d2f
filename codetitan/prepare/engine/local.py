"""This machine, by the standard library's pool of processes.

datatrove's own `LocalPipelineExecutor` (0.10.1) maps over a `multiprocess.Pool`: a worker that the kernel kills is
replaced, its task is lost, and the run waits for it forever. `ProcessPoolExecutor` notices. It also starts its workers
anew for each pipeline, and these import all that they use, of which datatrove itself is 0.4 s; here they go from one
stage to the next, and need nothing of it (benchmarks/prepare_engine.py).
"""

import contextlib
import gc
import itertools
import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import TracebackType

from tqdm import tqdm

from codetitan import stop
from codetitan.errors import ConfigError
from codetitan.prepare.engine.progress import watching
from codetitan.prepare.engine.state import PARTIAL, Place
from codetitan.prepare.engine.tables import Local
from codetitan.prepare.engine.task import ended, perform

WORKERS_LOG = "workers.log"
"""In a stage's folder: what its workers print, and what the libraries in them say when they die."""

_PICKLED = "place.pickle"
"""In a stage's folder while it runs: what its workers do, which each reads once."""

# One task a core: what counts cores by itself would start as many threads in each worker. Only where nobody set them.
_ONE_CORE = {"OMP_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}


class Workers:
    """Processes for the tasks of one stage after another, started when there is something to do for them.

    Leaving the context ends them at once.

    Args:
        how: the table.

    Attributes:
        n: how many there are at most.
    """

    def __init__(self, how: Local) -> None:
        self.n = how.workers or len(os.sched_getaffinity(0))
        self._others = set(multiprocessing.active_children())
        self._children = set[BaseProcess]()
        self._pool = ProcessPoolExecutor(
            self.n,
            multiprocessing.get_context("spawn"),  # fork would copy threads' locks, and what libraries keep open
            _begin,
            (os.getpid(),),
        )

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        # Where all is done they do nothing, and would take a second to end by themselves; after a failed task or a
        # signal nothing goes on behind the message.
        for child in self._alive():
            child.kill()
        self._pool.shutdown(cancel_futures=True)

    def perform(self, place: Place) -> None:
        """Does what is left of a stage; never more in the queue than keep the workers busy.

        Raises:
            ConfigError: a task failed, or its worker was killed; the others are left.
        """
        path = place.folder / _PICKLED
        path.write_bytes(pickle.dumps(place))
        pending: dict[Future[None], int] = {}
        left = iter(place.largest_first())
        try:
            with _one_core():
                while True:
                    with _without_ctrl_c():
                        for task in itertools.islice(left, 2 * self.n - len(pending)):
                            pending[self._pool.submit(_perform, path, task)] = task
                    if not pending:
                        break
                    self._alive()
                    done, _ = wait(pending, return_when=FIRST_COMPLETED)
                    for future in sorted(done, key=pending.__getitem__):
                        del pending[future]
                        future.result()
        except BrokenProcessPool:
            self._pool.shutdown()  # it ends the others, and waits for them
            raise self._killed(place) from None
        path.unlink()

    def _alive(self) -> set[BaseProcess]:
        """Returns the processes that have been started, dead ones that were seen before too."""
        if len(self._children) < self.n:
            self._children |= set(multiprocessing.active_children()) - self._others
        return self._children

    def _killed(self, place: Place) -> ConfigError:
        """Says which task's worker was killed. The pool has ended the others by SIGTERM."""
        killed = [child for child in self._children if child.exitcode not in (0, None, -signal.SIGTERM)]
        pids = {str(child.pid) for child in killed or self._children}
        names = [path.name.partition(f"{PARTIAL}-") for path in place.tasks.iterdir()]
        tasks = sorted(int(task) for task, _, process in names if process.partition("-")[0] in pids)
        which = f"task {', '.join(map(str, tasks))}" if tasks else "between two tasks"
        code = killed[0].exitcode if killed else None
        return ConfigError(
            f'stage "{place.stage.name}", {which}: '
            + ended(-signal.SIGTERM if code is None else code, place.folder / WORKERS_LOG, self.n)
        )


def run(place: Place, workers: Workers, say: Callable[[str], None]) -> None:
    """Does what is left of a stage.

    Raises:
        ConfigError: as `Workers.perform`.
    """
    place.clear()
    with watching(place, say):
        workers.perform(place)


_running: tuple[Path, Place] | None = None
"""In a worker: which file it has read, and what that says."""


def _begin(parent: int) -> None:
    """Prepares a worker: it ends with its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C reaches all; the parent ends this one
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    stop.end_with(parent)
    # Its own lock is a semaphore of the system's, which a worker that is killed leaves behind, and Python then says so.
    tqdm.set_lock(threading.RLock())


def _perform(path: Path, task: int) -> None:
    """Does a task; what it prints goes to its stage's file, not into the progress."""
    global _running
    if _running is None or _running[0] != path:
        _running = None
        gc.collect()  # what the last stage kept in memory
        fd = os.open(path.with_name(WORKERS_LOG), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o664)
        os.dup2(fd, 1)
        os.dup2(fd, 2)
        os.close(fd)
        _running = path, pickle.loads(path.read_bytes())
    perform(_running[1], task)


@contextlib.contextmanager
def _without_ctrl_c() -> Iterator[None]:
    """Processes that are started meanwhile don't hear Ctrl-C until they say so; this one hears it afterwards."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _one_core() -> Iterator[None]:
    added = {name: value for name, value in _ONE_CORE.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)
