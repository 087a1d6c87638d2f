"""Work in forked processes, which inherit what they need: configurations hold functions that can't be pickled."""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")
_MOST = 8  # of 0.5 GB each
_jobs: list[Callable[[], Any]] = []


def _run(i: int) -> Any:
    return _jobs[i]()


def _pool(jobs: Sequence[Callable[[], Any]]) -> ProcessPoolExecutor:
    _jobs[:] = jobs
    workers = min(len(jobs), os.cpu_count() or 1, _MOST)
    return ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("fork"))


def start(job: Callable[[], T]) -> "Future[T]":
    """Runs a job in a process of its own; its result can be pickled."""
    pool = _pool([job])
    future: Future[T] = pool.submit(_run, 0)
    pool.shutdown(wait=False)
    return future


def run(jobs: Sequence[Callable[[], T]]) -> Iterator[T]:
    """Yields the results of all jobs, in their order, from as many processes as there are cores."""
    with _pool(jobs) as pool:
        yield from pool.map(_run, range(len(jobs)))
