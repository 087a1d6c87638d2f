"""datatrove's executor for this machine, on the standard library's pool of processes.

datatrove's own `LocalPipelineExecutor` (0.10.1) maps over a `multiprocess.Pool`: a worker that the kernel kills is
replaced, its task is lost, and the run waits for it forever. `ProcessPoolExecutor` notices.
"""

import contextlib
import itertools
import multiprocessing
import os
import signal
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.process import BaseProcess
from pathlib import Path

from datatrove.executor.base import DistributedEnvVars, PipelineExecutor

from codetitan import stop
from codetitan.errors import ConfigError
from codetitan.prepare.engine.pipeline import Task, Whole, logs
from codetitan.prepare.engine.state import PARTIAL, Place
from codetitan.prepare.engine.tables import Local
from codetitan.prepare.engine.task import ended, failure

WORKERS_LOG = "workers.log"
"""In a stage's folder: what its workers print, and what the libraries in them say when they die."""

# One task a core: what counts cores by itself would start as many threads in each worker. Only where nobody set them.
_ONE_CORE = {"OMP_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}


class LocalExecutor(Whole):
    """Runs the tasks of a stage that are left in processes of their own, one at a time in each.

    Args:
        place: of the stage; its folder is made.
        how: the table.
    """

    def __init__(self, place: Place, how: Local) -> None:
        super().__init__([Task(place)], str(logs(place)))
        self.place = place
        self.workers = how.workers or len(os.sched_getaffinity(0))

    @property
    def world_size(self) -> int:
        return self.place.stage.tasks

    def get_distributed_env(self, node_rank: int = -1) -> DistributedEnvVars:
        return DistributedEnvVars(
            datatrove_node_ips="localhost",
            datatrove_cpus_per_task="1",
            datatrove_mem_per_cpu="-1",
            datatrove_gpus_on_node="0",
            datatrove_executor="LOCAL",
        )

    def run(self) -> None:
        """Returns when all tasks are done.

        Raises:
            ConfigError: a task failed, or its worker was killed; the others' tasks in hand are left, and none goes on.
        """
        tasks = self.place.left()
        if not tasks:
            return
        workers = min(self.workers, len(tasks))
        pool = ProcessPoolExecutor(
            workers,
            multiprocessing.get_context("spawn"),  # fork would copy threads' locks, and what libraries keep open
            _begin,
            (self, os.getpid(), self.place.folder / WORKERS_LOG),
        )
        others, children = set(multiprocessing.active_children()), set[BaseProcess]()
        try:
            with _one_core():
                self._drain(pool, iter(tasks), 2 * workers, others, children)
        except BrokenProcessPool:
            pool.shutdown()  # it ends the others, and waits for them
            raise self._killed(children) from None
        except BaseException:  # a failed task, a signal: nothing goes on behind the message
            for child in children | set(multiprocessing.active_children()) - others:
                child.kill()
            raise
        finally:
            pool.shutdown(cancel_futures=True)

    def _drain(
        self,
        pool: ProcessPoolExecutor,
        tasks: Iterator[int],
        at_once: int,
        others: set[BaseProcess],
        children: set[BaseProcess],
    ) -> None:
        """Has the pool do the tasks; never more in its queue than keep it busy. Adds its processes to `children`."""
        pending: dict[Future[None], int] = {}
        while True:
            with _without_ctrl_c():
                for task in itertools.islice(tasks, at_once - len(pending)):
                    pending[pool.submit(_perform, task)] = task
            if len(children) < at_once // 2:
                children |= set(multiprocessing.active_children()) - others
            if not pending:
                return
            done, _ = wait(pending, return_when=FIRST_COMPLETED)
            for future in sorted(done, key=pending.__getitem__):
                del pending[future]
                future.result()

    def _killed(self, children: set[BaseProcess]) -> ConfigError:
        """Says which task's worker was killed. The pool has ended the others by SIGTERM."""
        killed = [child for child in children if child.exitcode not in (0, None, -signal.SIGTERM)]
        pids = {str(child.pid) for child in killed or children}
        names = [path.name.partition(f"{PARTIAL}-") for path in self.place.tasks.iterdir()]
        tasks = sorted(int(task) for task, _, process in names if process.partition("-")[0] in pids)
        which = f"task {', '.join(map(str, tasks))}" if tasks else "between two tasks"
        code = killed[0].exitcode if killed else None
        return ConfigError(
            f'stage "{self.place.stage.name}", {which}: '
            + ended(-signal.SIGTERM if code is None else code, self.place.folder / WORKERS_LOG, self.workers)
        )


_executor: LocalExecutor | None = None
"""In a worker: what it runs."""


def _begin(executor: LocalExecutor, parent: int, log: Path) -> None:
    """Prepares a worker: it ends with its parent, and what it prints goes to a file, not into the progress."""
    global _executor
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C reaches all; the parent ends this one
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    stop.end_with(parent)
    fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o664)
    os.dup2(fd, 1)
    os.dup2(fd, 2)
    os.close(fd)
    _executor = executor


def _perform(task: int) -> None:
    assert _executor is not None
    try:
        PipelineExecutor._run_for_rank(_executor, task, local_rank=1)  # 0 would print each task's log
    except ConfigError:
        raise
    except Exception as error:  # datatrove's own files, such as its log on a full disk
        raise failure(_executor.place, task, error) from None


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
