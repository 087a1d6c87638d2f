"""Runs an iterator in a thread, a few items ahead of its consumer."""

import queue
import threading
from collections.abc import Iterator
from typing import TypeVar

T = TypeVar("T")


def in_background(items: Iterator[T], ahead: int) -> Iterator[T]:
    """Yields the items of an iterator that runs in a thread of its own, up to `ahead` items before they are asked for.

    An exception in it is raised here, in its place among the items. Closing this generator stops the thread before it
    starts another item, and waits for it.
    """
    slots: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue(maxsize=ahead)
    stop = threading.Event()

    def put(item: T | None, error: BaseException | None) -> None:
        while not stop.is_set():
            try:
                slots.put((item, error), timeout=0.1)
                return
            except queue.Full:
                continue

    def run() -> None:
        try:
            for item in items:
                put(item, None)
                if stop.is_set():
                    return
            put(None, StopIteration())
        except BaseException as error:  # raised where the item is asked for
            put(None, error)

    thread = threading.Thread(target=run, name="data", daemon=True)
    thread.start()
    try:
        while True:
            item, error = slots.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            assert item is not None
            yield item
    finally:
        stop.set()
        thread.join()
