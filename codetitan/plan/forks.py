"""Work in forked processes, which inherit what they need: configurations hold functions that can't be pickled."""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any, TypeVar

from codetitan import stop
from codetitan.errors import ConfigError

T = TypeVar("T")
_MOST = 8  # of 0.5 GB each
_jobs: list[Callable[[], Any]] = []


def _run(i: int) -> Any:
    return _jobs[i]()


def _pool(jobs: Sequence[Callable[[], Any]]) -> ProcessPoolExecutor:
    _jobs[:] = jobs
    workers = min(len(jobs), os.cpu_count() or 1, _MOST)
    context = multiprocessing.get_context("fork")
    return ProcessPoolExecutor(workers, mp_context=context, initializer=stop.end_with, initargs=(os.getpid(),))


def start(job: Callable[[], T]) -> Callable[[], T]:
    """Runs a job in a process of its own, which ends with this one; the returned function waits for its result."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    parent = os.getpid()

    def send() -> None:
        stop.end_with(parent)
        try:
            sender.send((job(), None))
        except Exception as error:
            sender.send((None, error))

    context.Process(target=send, daemon=True).start()
    sender.close()

    def result() -> T:
        try:
            value, error = receiver.recv()
        except EOFError:
            raise ConfigError("the process that builds the trainer was killed: no memory?") from None
        if error is not None:
            raise error
        return value  # type: ignore[no-any-return]

    return result


def run(jobs: Sequence[Callable[[], T]]) -> Iterator[T]:
    """Yields the results of all jobs, in their order, from as many processes as there are cores."""
    with _pool(jobs) as pool:
        yield from pool.map(_run, range(len(jobs)))
