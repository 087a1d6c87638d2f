"""The fork server: one process that has imported what programs import, and forks the two processes of each program.

It is started by exec (codetitan/sandbox/worker.py), reads one packet a program, and never has a source or a test in
its own memory, which every program inherits: each child reads its own from the file that the packet carries.
"""

import array
import fcntl
import gc
import importlib
import json
import marshal
import os
import select
import signal
import socket
import sys
import time
from typing import Any

from codetitan.sandbox import program_side, test_side
from codetitan.sandbox.confine import Confinement
from codetitan.sandbox.folder import Folder

# What programs import, so that none of them waits for it.
PRELOADED = (
    "abc", "array", "ast", "base64", "bisect", "cmath", "collections", "collections.abc", "contextlib", "copy", "dataclasses",
    "datetime", "decimal", "enum", "fractions", "functools", "hashlib", "heapq", "inspect", "io", "itertools", "json",
    "math", "numbers", "operator", "os", "queue", "random", "re", "statistics", "string", "struct", "sys", "textwrap",
    "threading", "time", "traceback", "types", "typing", "unicodedata", "zlib", "_strptime", "encodings.idna",
)  # fmt: skip

_FIRST = 3  # a child's first file descriptor after those that print: its socket to the other child
_QUIET_S = 0.05  # how long a program runs before its folder is looked at, and in between
_GRACE_S = 0.5  # for a process that has ended to be seen as ended


class Zygote:
    """One program after the other."""

    def __init__(self, settings: dict[str, Any], control: socket.socket, verdicts: socket.socket) -> None:
        self._limits: dict[str, Any] = settings["limits"]
        self._control, self._verdicts = control, verdicts
        self.folder = Folder(self._limits["folder_mib"], self._limits["files"])
        self.confinement = Confinement(
            self._limits, self.folder.path, settings["packages"], unsafe=settings["unsafe"]
        )  # fmt: skip
        if self.confinement.uids:
            self.folder.give(self.confinement.uids["program"])
        os.chdir(self.folder.path)
        os.environ.update(HOME=self.folder.path, TMPDIR=self.folder.path)

    def check(self) -> None:
        """Tries the confinement in a child.

        Raises:
            OSError: something is missing.
        """
        reading, writing = os.pipe()
        pid = os.fork()
        if not pid:
            try:
                _place(writing)
                self.confinement.check(_FIRST)
                os._exit(0)
            except OSError as error:
                os.write(_FIRST, json.dumps([error.errno, error.strerror, error.filename]).encode())
            finally:
                os._exit(1)
        os.close(writing)
        with open(reading, "rb") as report:
            text = report.read()
        _, status = os.waitpid(pid, 0)
        if status:
            number, why, what = json.loads(text) if text else (0, f"a trial process ended with status {status}", "sandbox")
            raise OSError(number, why, what)
        os.close(os.pidfd_open(os.getpid()))

    def serve(self) -> None:
        """Until the other side closes."""
        while True:
            message, ancillary, _, _ = self._control.recvmsg(4096, socket.CMSG_SPACE(8))
            if not message:
                return
            files = array.array("i")
            for _, _, data in ancillary:
                files.frombytes(data)
            try:
                report = self._run(json.loads(message), *files)
            finally:
                for file in files:
                    os.close(file)
            if report is None:
                return
            self._control.send(json.dumps(report).encode())

    def _run(self, job: dict[str, Any], source: int, test: int) -> dict[str, Any] | None:
        """Returns what happened; None when the other side is gone."""
        ours, theirs = socket.socketpair()
        printed, printing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        started = time.monotonic()
        program = os.fork()
        if not program:
            self._program(source, ours.fileno(), printing)
        tester = os.fork()
        if not tester:
            self._test(job, test, theirs.fileno())
        ours.close()
        theirs.close()
        os.close(printing)
        handles = os.pidfd_open(program), os.pidfd_open(tester)
        try:
            why = self._wait(handles, printed, started + self._limits["wall_s"])
        finally:
            status, usage = _end(program, handles[0])
            tested, _ = _end(tester, handles[1])
            for descriptor in (*handles, printed):
                os.close(descriptor)
        self.folder.clear()
        if why == "gone":
            return None
        return job | {"why": why, "seconds": time.monotonic() - started, "program": status, "test": tested,
                "cpu_s": usage}  # fmt: skip

    def _wait(self, handles: tuple[int, int], printed: int, deadline: float) -> str | None:
        """Waits for the test's end. Returns None, or why it is ended: "time-out", "output", "files", "gone"."""
        program, tester = handles
        poll = select.poll()
        poll.register(tester, select.POLLIN)
        poll.register(printed, select.POLLIN)
        poll.register(self._control, select.POLLRDHUP)
        output, following = 0, time.monotonic() + _QUIET_S
        while True:
            now = time.monotonic()
            if now >= deadline:
                return "time-out"
            if now >= following:
                if not self.folder.bounded and self.folder.over():
                    return "files"
                following = time.monotonic() + _QUIET_S
            for descriptor, _ in poll.poll((min(deadline, following) - now) * 1000 + 1):
                if descriptor == tester:
                    self._let_end(program, tester)
                    return None
                if descriptor == self._control.fileno():
                    return "gone"
                part = os.read(printed, 65_536)
                output += len(part)
                if output > self._limits["output_bytes"]:
                    return "output"
                if not part:
                    poll.unregister(printed)

    @staticmethod
    def _let_end(program: int, tester: int) -> None:
        """Where the program ended first: its end may be seen a moment after its socket's."""
        found = os.waitid(os.P_PIDFD, tester, os.WEXITED | os.WNOWAIT)
        if found is not None and found.si_status == test_side.ENDED:
            poll = select.poll()
            poll.register(program, select.POLLIN)
            poll.poll(_GRACE_S * 1000)

    def _program(self, source: int, channel: int, printing: int) -> None:
        try:
            os.set_blocking(printing, True)
            os.dup2(printing, 1)
            os.dup2(printing, 2)
            text = _read(source).decode("utf-8", "surrogatepass")
            _place(channel)
            self.confinement.apply("program", _FIRST)
            program_side.run(_FIRST, text)
        finally:
            os._exit(1)

    def _test(self, job: dict[str, Any], test: int, channel: int) -> None:
        try:
            payload = marshal.loads(_read(test)) | job
            _place(channel, self._verdicts.fileno())
            self.confinement.apply("test", _FIRST + 1)
            test_side.Test(_FIRST, payload, socket.socket(fileno=_FIRST + 1)).run()
        finally:
            os._exit(1)


def _place(*descriptors: int) -> None:
    """Gives them the numbers from `_FIRST` on."""
    high = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, 100) for descriptor in descriptors]
    for number, descriptor in enumerate(high, _FIRST):
        os.dup2(descriptor, number)


def _read(file: int) -> bytes:
    return os.pread(file, os.fstat(file).st_size, 0)


def _end(pid: int, handle: int) -> tuple[int, float]:
    """Kills a process with all its threads. Returns its exit code, or minus the signal, and its processor time."""
    signal.pidfd_send_signal(handle, signal.SIGKILL)
    _, status, usage = os.wait4(pid, 0)
    return os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime


def main() -> None:
    """The zygote's process, from its start to the other side's end."""
    settings = json.loads(sys.argv[1])
    control, verdicts = (socket.socket(fileno=number) for number in settings["sockets"])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.path += settings["path"]
    zygote = None
    try:
        for name in (*PRELOADED, *settings["modules"]):
            importlib.import_module(name)
        try:
            # Where memory runs out, what a model wrote goes first.
            with open("/proc/self/oom_score_adj", "w") as score:
                score.write("1000")
        except OSError:
            pass
        zygote = Zygote(settings, control, verdicts)
        zygote.confinement.enter()
        gc.collect()
        gc.freeze()
        gc.disable()
        zygote.check()
        ready = {"missing": zygote.confinement.missing, "folder": zygote.folder.path, "landlock": zygote.confinement.abi}
        control.send(json.dumps(ready | {"bounded": zygote.folder.bounded, "uids": zygote.confinement.uids}).encode())
        zygote.serve()
    except OSError as error:
        control.send(json.dumps({"refused": [error.strerror or str(error), error.filename or "sandbox"]}).encode())
    finally:
        if zygote is not None:
            zygote.folder.remove()
