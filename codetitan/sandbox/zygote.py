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
import random
import select
import signal
import socket
import sys
import time
from dataclasses import dataclass
from typing import Any

from codetitan.sandbox import side_of_program, side_of_test
from codetitan.sandbox.confine import Confinement
from codetitan.sandbox.folder import Folder
from codetitan.sandbox.kernel import landlock

# What programs import often, so that none of them waits for it. Each library that is loaded makes every fork dearer:
# what is imported rarely is left to those that do.
PRELOADED = (
    "abc", "bisect", "cmath", "collections", "collections.abc", "contextlib", "copy", "dataclasses", "datetime",
    "decimal", "enum", "fractions", "functools", "hashlib", "heapq", "itertools", "json", "math", "numbers", "operator",
    "os", "random", "re", "statistics", "string", "sys", "time", "types", "typing",
)  # fmt: skip

_FIRST = 3  # a child's first file descriptor after those that print: its socket to the other child
_TESTS = 100  # that one process runs: a fork for each was a third of the time of a program
_QUIET_S = 0.05  # how long a program runs before its folder is looked at, and in between
_GRACE_S = 0.5  # for a process that has ended to be seen as ended


@dataclass
class _Tester:
    """The process in which tests run, one after the other; `left`: how many more."""

    pid: int
    control: socket.socket
    left: int


class Zygote:
    """One program after the other."""

    def __init__(self, settings: dict[str, Any], control: socket.socket, verdicts: socket.socket) -> None:
        self._limits: dict[str, Any] = settings["limits"]
        self._control, self._verdicts = control, verdicts
        self._tester: _Tester | None = None
        needed = [*(path for path, _ in landlock.interpreter(settings["packages"])), *sys.path]
        self.folder = Folder(self._limits["folder_mib"], self._limits["files"], needed, settings["temporary"])
        try:
            self.confinement = Confinement(self._limits, self.folder, settings["packages"], unsafe=settings["unsafe"])
        except BaseException:
            self.folder.remove()
            raise
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
            number, why, what = (
                json.loads(text) if text else (0, f"a trial process ended with status {status}", "sandbox")
            )
            raise OSError(number, why, what)

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
                report = self._run(message, *files)
            finally:
                for file in files:
                    os.close(file)
            if report is None:
                return
            self._control.send(json.dumps(report).encode())

    def _run(self, job: bytes, source: int, test: int) -> dict[str, Any] | None:
        """Returns what happened to a job, whose packet is for the tests' process; None when the other side is gone."""
        if self._tester is None:
            self._tester = self._start_tester()
        tester = self._tester
        tester.left -= 1
        ours, theirs = socket.socketpair()
        printed, printing = os.pipe()
        started = time.monotonic()
        program = os.fork()
        if not program:
            self._program(source, ours.fileno(), printing)
        ours.close()
        os.close(printing)
        with theirs:
            socket.send_fds(tester.control, [job], [test, theirs.fileno()])
        why: str | None = "gone"
        tested = 0
        try:
            why = self._wait(tester.control, printed, started + self._limits["wall_s"])
            if why == "ended":
                why, tested = None, self._end_tester()
                if tested == side_of_test.ENDED and not _has_ended(program):
                    why = "closed"
        finally:
            status, cpu_s = _end(program)
            os.close(printed)
        if why is None and not self.folder.bounded and self.folder.over():
            why = "files"
        if why is not None or tester.left == 0:
            self._end_tester()
        if os.listdir(self.folder.path):
            self.folder.clear()
        if why == "gone":
            return None
        report: dict[str, Any] = json.loads(job)
        return report | {
            "why": why,
            "seconds": time.monotonic() - started,
            "program": status,
            "test": tested,
            "cpu_s": cpu_s,
        }

    def _wait(self, tester: socket.socket, printed: int, deadline: float) -> str | None:
        """Waits for the verdict. Returns None, "ended" where the test's process did, or why both are to be ended:
        "time-out", "output", "files", "gone"."""
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
                following = now + _QUIET_S
            for descriptor, _ in poll.poll((min(deadline, following) - now) * 1000 + 1):
                if descriptor == tester.fileno():
                    try:
                        return None if tester.recv(16) else "ended"
                    except ConnectionResetError:
                        return "ended"
                if descriptor == self._control.fileno():
                    return "gone"
                part = os.read(printed, 65_536)
                output += len(part)
                if output > self._limits["output_bytes"]:
                    return "output"
                if not part:
                    poll.unregister(printed)

    def _start_tester(self) -> "_Tester":
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        pid = os.fork()
        if not pid:
            self._test(theirs.fileno())
        theirs.close()
        return _Tester(pid, ours, _TESTS)

    def _end_tester(self) -> int:
        """Ends the test's process; returns its exit code."""
        tester, self._tester = self._tester, None
        if tester is None:
            return 0
        tester.control.close()
        status, _ = _end(tester.pid)
        return status

    def _program(self, source: int, channel: int, printing: int) -> None:
        try:
            os.dup2(printing, 1)
            os.dup2(printing, 2)
            text = _read(source).decode("utf-8", "surrogatepass")
            os.dup2(channel, _FIRST)
            self.confinement.apply("program", _FIRST)
            side_of_program.run(_FIRST, text)
        finally:
            os._exit(1)

    def _test(self, control: int) -> None:
        try:
            _place(control, self._verdicts.fileno())
            self.confinement.apply("test", _FIRST + 1)
            gc.enable()
            jobs, verdicts = socket.socket(fileno=_FIRST), socket.socket(fileno=_FIRST + 1)
            while True:
                message, (test, channel), _, _ = socket.recv_fds(jobs, 4096, 2)
                payload = marshal.loads(_read(test)) | json.loads(message)
                os.close(test)
                side_of_test.Test(channel, payload, verdicts).run()
                os.close(channel)
                jobs.send(b"done")
        finally:
            os._exit(1)


def _place(*descriptors: int) -> None:
    """Gives them the numbers from `_FIRST` on."""
    high = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, 100) for descriptor in descriptors]
    for number, descriptor in enumerate(high, _FIRST):
        os.dup2(descriptor, number)


def _read(file: int) -> bytes:
    return os.pread(file, os.fstat(file).st_size, 0)


def _end(pid: int) -> tuple[int, float]:
    """Kills a process with all its threads. Returns its exit code, or minus the signal, and its processor time."""
    os.kill(pid, signal.SIGKILL)  # its number is its own until it is waited for
    _, status, usage = os.wait4(pid, 0)
    return os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime


def _has_ended(pid: int) -> bool:
    """Whether a process ended by itself, which may be seen a moment after its socket's end."""
    until = time.monotonic() + _GRACE_S
    while time.monotonic() < until:
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None:
            return True
        time.sleep(0.001)
    return False


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
        random.seed(0)  # which programs inherit: the same verdict each time
        gc.collect()
        gc.freeze()
        gc.disable()
        zygote.check()
    except OSError as error:
        control.send(json.dumps({"refused": [error.strerror or str(error), error.filename or "sandbox"]}).encode())
        if zygote is not None:
            zygote.folder.remove()
        return
    try:
        ready = {
            "missing": zygote.confinement.missing,
            "folder": zygote.folder.path,
            "landlock": zygote.confinement.abi,
        }
        control.send(json.dumps(ready | {"bounded": zygote.folder.bounded, "uids": zygote.confinement.uids}).encode())
        zygote.serve()
    finally:
        zygote.folder.remove()
