"""Being asked to stop: a scheduler's signals, on their way through the launcher to every rank; and no orphans.

SLURM signals every process of a job step; a person's `kill` the launcher alone; on one node or on all of them. The
launcher passes on what it gets; what the ranks do about it is training/stopping.py. Ctrl-C is not among the requests:
it ends everything at once.
"""

import ctypes
import os
import re
import signal
import threading
from collections.abc import Callable
from pathlib import Path

EXIT_STOPPED = 75
"""A run that was asked to stop, and saved: the same command goes on. sysexits.h calls it EX_TEMPFAIL, try again."""

REQUESTS = frozenset({signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2})
"""SIGTERM: preemption, and the end of an allocation; the others: what `sbatch --signal=USR1@120` may name."""

# How the launcher passes a request on, so that its ranks can name it, and tell it from torchrun's own SIGTERM.
_PASSED_ON = {int(signal.SIGRTMIN) + request: request for request in REQUESTS}

STATUS = "CODETITAN_STATUS"
"""Environment variable: the file in which a node's first rank says that the run has stopped before its end."""

BEGUN = "begun"
"""A file beside `STATUS`: a rank of this node has begun, so what is left when none is there any more is the end."""

STARTED = "CODETITAN_STARTED"
"""Environment variable: when the launcher started, in seconds since 1970."""

LAUNCHER = "CODETITAN_LAUNCHER"
"""Environment variable: the launcher's process, which its ranks end with."""

PARENT = "CODETITAN_PARENT"
"""Environment variable of a command that a run starts: the process that it ends with."""

PASSED_ON = -1
"""In place of the sender of a request that the launcher passed on."""

_PR_SET_PDEATHSIG = 1


def listen(act: Callable[[signal.Signals, int], None]) -> None:
    """Has a thread call `act` with each request and the process that it came from, PASSED_ON where that was `pass_on`.

    The signals are blocked, not handled: Python runs a handler in the main thread, which may wait in a collective for a
    peer that has gone. Processes that are started from now on inherit that, so none is lost before they listen, too.
    Call it before other threads are started: one that does not block a signal would be ended by it, and all with it.
    """
    block()

    def wait() -> None:
        while True:
            info = signal.sigwaitinfo({*REQUESTS, *_PASSED_ON})
            request = _PASSED_ON.get(info.si_signo)
            if request is not None:
                act(request, PASSED_ON)
            else:
                act(signal.Signals(info.si_signo), info.si_pid)

    threading.Thread(target=wait, name="signals", daemon=True).start()


def block() -> None:
    """Has the requests wait until somebody listens; those to processes that are started from now on, too."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {*REQUESTS, *_PASSED_ON})


def pass_on(request: signal.Signals, to: int) -> None:
    """Passes a request on to a process that listens."""
    os.kill(to, int(signal.SIGRTMIN) + request)


def children() -> list[int]:
    """Returns the processes that this one has started and not yet waited for."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text(errors="replace").rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        if int(fields[1]) == os.getpid():
            found.append(int(path.parent.name))
    return found


def end_with(parent: int) -> None:
    """Has the kernel kill this process when `parent`, which started it, is gone, whatever ended that.

    The kernel looks at the thread that started it: that must live as long as the process that it belongs to.
    """
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:  # it was gone before
        os.kill(os.getpid(), signal.SIGKILL)


def seconds(text: str) -> float:
    """Returns the seconds of e.g. "3h50m", "2d", "90m" or "45s".

    Raises:
        ValueError: it is no such duration.
    """
    match = re.fullmatch(r"(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?", text.replace(" ", ""))
    if match is None or not any(match.groups()):
        raise ValueError(f'"{text}" must be a time such as "3h50m", "2d" or "90m"')
    days, hours, minutes, s = (int(group or 0) for group in match.groups())
    return float(((days * 24 + hours) * 60 + minutes) * 60 + s)
