"""The step after which every rank stops, when one of them has been asked to or its time is up."""

import os
import signal
import time

import torch.distributed as dist
from torch.distributed.distributed_c10d import _get_default_store

from codetitan import stop

_KEY = "codetitan/stop_after"

_asked: list[str] = []  # names of the signals that this process got


def obey(request: signal.Signals, sender: int) -> None:
    """What a rank does about a signal: it remembers it, for the next step.

    torchrun's own SIGTERM, which it sends when another rank has failed, is obeyed at once: there is no next step.
    """
    if request == signal.SIGTERM and sender == os.getppid():
        os._exit(128 + request)
    _asked.append(request.name)


def asked() -> bool:
    """Whether this process has got such a signal."""
    return bool(_asked)


class Stopping:
    """Asked before every step, by every rank, with the same answers at the same steps; no collective.

    The first rank that knows a reason writes a step into torchrun's store, which no other rank can have asked for yet.
    Not the present one. On a CPU the next: whoever asks for that has finished it, and so has its gradients, which come
    from this rank too, after it wrote. On a GPU a rank's host runs ahead of its device by up to a step: it may ask
    for the next one before this rank has begun it, but for the one after that only when the device has done the next
    (torchtitan waits for it when it copies the count of tokens), so there one step more is made.

    Args:
        runs_ahead: whether the host may be a step ahead of what it computes.
        max_time: seconds since the launcher started, as `stop.STARTED` says; None: no limit.
        name: of the limit's key.
    """

    def __init__(self, max_time: float | None, *, runs_ahead: bool, name: str = "training.max_time") -> None:
        started = float(os.environ.get(stop.STARTED, time.time()))
        self._deadline = None if max_time is None else started + max_time
        self._name, self._margin = name, 2 if runs_ahead else 1
        self._store = _get_default_store() if dist.get_world_size() > 1 else None
        self._after: int | None = None
        self.why = ""
        """The signal or the key that stops the run; "" as long as none does."""

    def due(self, done: int) -> bool:
        """Returns whether the run stops now, after `done` steps."""
        if self._after is None:
            self._decide(done)
        return self._after is not None and done >= self._after

    def _decide(self, done: int) -> None:
        reason = _asked[0] if _asked else ""
        if not reason and self._deadline is not None and time.time() >= self._deadline:
            reason = self._name
        if self._store is None:
            if reason:
                self._after, self.why = done, reason
            return
        if self._store.check([_KEY]):
            said = self._store.get(_KEY)
        elif reason:
            said = self._store.compare_set(
                _KEY, "", f"{done + self._margin} {reason}"
            )  # what is there, if another was faster
        else:
            return
        after, _, self.why = said.decode().partition(" ")
        self._after = int(after)
