"""What a process gives up before it runs a line of a program: its user, its rights, files, calls, time and memory.

The larger part is done once in the zygote, and inherited; the rest in each child.
"""

import errno
import fcntl
import math
import os
import resource
import stat
from collections.abc import Sequence
from typing import Any

from codetitan.sandbox.folder import Folder
from codetitan.sandbox.kernel import calls, landlock
from codetitan.sandbox.kernel.seccomp import Filter

_UIDS = 2_000_000_000  # far from those of people and services
_UIDS_OF_A_CONTAINER = 40_000  # where the kernel maps fewer of them
_HIGH, _HIGHEST = 100, 256  # file descriptors of a zygote that its children don't keep


class Confinement:
    """Everything that is the same for all programs of a zygote, which it holds as far as it can work so.

    Args:
        limits: as `Limits` names them.
        folder: the one that a program may write to; given to its user.
        packages: paths that it may read beside the interpreter's own.
        unsafe: go on without what this kernel doesn't have.

    Raises:
        OSError: the kernel lacks something, its name in `filename`.
    """

    def __init__(self, limits: dict[str, Any], folder: Folder, packages: Sequence[str], *, unsafe: bool) -> None:
        self.missing: list[str] = []
        self._zygote = os.getpid()
        self._limits, self._unsafe = limits, unsafe
        users, tasks = _spans_of_users(), _tasks_of(os.getuid())  # while /proc can be read
        self.abi = 0
        self._layers: dict[str, calls.Prepared] = {}
        calls.prctl("no_new_privs", calls.PR_SET_NO_NEW_PRIVS, 1)()
        try:
            self.abi = self._enter_landlock(folder, packages)
        except OSError as error:
            self._layers = {}
            self._lacking("Landlock", error)
        calls.prctl("dumpable", calls.PR_SET_DUMPABLE, 0)()
        self._kept, self.uids = self._users(users)
        if self.uids:
            os.chown(folder.path, self.uids["program"], self.uids["program"])
            os.setgroups([])
            calls.prctl("keep capabilities", calls.PR_SET_KEEPCAPS, 1)()
        else:
            calls.set_capabilities(0)()
        self._enter_limits()
        self._filters: dict[str, calls.SeccompFilter] = {}
        try:
            made = Filter(calls.MACHINE)
            calls.SeccompFilter(made.of_the_zygote())()
            self._filters = {role: calls.SeccompFilter(*made.of(role)) for role in ("program", "test")}
        except OSError as error:
            self._lacking("seccomp", error)
        self._drop = calls.set_capabilities(self._kept)
        self._end_with_the_zygote = calls.prctl("pdeathsig", calls.PR_SET_PDEATHSIG, 9)
        # The limit counts all that a user runs; what this one starts later takes from the margin.
        threads = limits["threads"] + (0 if self.uids else tasks + 512)
        cpu_s = math.ceil(limits["cpu_s"])
        of_all = [
            _no_higher(resource.RLIMIT_NPROC, threads, threads),
            _no_higher(resource.RLIMIT_NOFILE, limits["open_files"], limits["open_files"]),
        ]
        self._limits_of = {"test": of_all, "program": [*of_all, _no_higher(resource.RLIMIT_CPU, cpu_s, cpu_s + 1)]}

    def _enter_landlock(self, folder: Folder, packages: Sequence[str]) -> int:
        """The rules, which children inherit; those of tests write nothing, those of programs to the folder. Returns the
        version."""
        abi = landlock.version()
        places = [(folder.path, landlock.WRITE)]
        if not folder.bounded:  # which the zygote removes at its end
            places.append((os.path.dirname(folder.path), landlock.REMOVE_FOLDER))
        first = landlock.ruleset(abi, [*landlock.interpreter(packages), *places])
        layers: dict[str, list[tuple[str, int]]] = {"test": []}
        if not folder.bounded:
            layers["program"] = [(folder.path, landlock.WRITE)]
        for role, writable in layers.items():
            layer = landlock.ruleset(abi, writable, only_writing=True)
            self._layers[role] = landlock.restrict(_high(layer))
        landlock.restrict(first)()
        os.close(first)
        return abi

    def _lacking(self, what: str, error: OSError) -> None:
        if not self._unsafe:
            raise error
        self.missing.append(what)

    def _users(self, mapped: Sequence[range]) -> tuple[int, dict[str, int]]:
        """Capabilities that a child keeps, and the user of each kind of child; none where it stays who it is."""
        have = calls.capabilities()
        if not (have >> calls.CAP_SETUID & 1 and have >> calls.CAP_SETGID & 1):
            return 0, {}
        kept = 0
        if not _reached_by_others(os.path.dirname(os.__file__)):  # the interpreter lies in root's home
            if not have >> calls.CAP_DAC_READ_SEARCH & 1 or not self.abi:
                return 0, {}
            # To read it; Landlock says what else, which is nothing that isn't world-readable elsewhere.
            kept = 1 << calls.CAP_DAC_READ_SEARCH
        for base in (_UIDS, _UIDS_OF_A_CONTAINER):
            uid = base + 2 * (self._zygote % 10_000)
            if all(uid in span and uid + 1 in span for span in mapped):
                return kept, {"program": uid, "test": uid + 1}
        return 0, {}

    def _enter_limits(self) -> None:
        """Those that hold for the zygote too."""
        memory, size = self._limits["memory_mib"] << 20, self._limits["file_mib"] << 20
        for which, most in (
            (resource.RLIMIT_AS, memory),
            (resource.RLIMIT_FSIZE, size),
            (resource.RLIMIT_CORE, 0),
            (resource.RLIMIT_MEMLOCK, 0),
            (resource.RLIMIT_MSGQUEUE, 0),
        ):
            resource.setrlimit(*_no_higher(which, most, most))

    def apply(self, role: str, last: int) -> None:
        """Confines this process for good.

        Args:
            role: "program" or "test".
            last: file descriptors above it are closed.
        """
        for which, limit in self._limits_of[role]:
            resource.setrlimit(which, limit)
        if self.uids:
            uid = self.uids[role]
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            self._drop()
        # After the change of user, which clears it: this process ends with the zygote, whatever ends that.
        self._end_with_the_zygote()
        if os.getppid() != self._zygote:
            os._exit(1)
        if role in self._layers:
            self._layers[role]()
        os.closerange(last + 1, _HIGHEST)
        if role in self._filters:
            self._filters[role]()

    def check(self, last: int) -> None:
        """In a child: applies it, and tries what must not work.

        Raises:
            OSError: something is missing, its name in `filename`.
        """
        self.apply("program", last)
        if "Landlock" not in self.missing:
            _must_fail("Landlock", lambda: os.close(os.open("/etc/passwd", os.O_RDONLY)))
            _must_fail("Landlock", lambda: os.listdir("/proc"))
        if "seccomp" not in self.missing:
            _must_fail("seccomp", lambda: calls.call("socket", {"x86_64": 41, "aarch64": 198}[calls.MACHINE], 1, 1, 0))
            _must_fail("seccomp", lambda: os.kill(self._zygote, 0))


def _high(descriptor: int) -> int:
    """Moves a descriptor above the numbers that children give to what they keep."""
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _HIGH)
    os.close(descriptor)
    return moved


def _must_fail(what: str, attempt: Any) -> None:
    try:
        attempt()
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM):
            return
        raise
    raise OSError(errno.ENOTSUP, "has no effect", what)


def _no_higher(which: int, soft: int, hard: int) -> tuple[int, tuple[int, int]]:
    """What to set a limit to: no more than it is."""
    _, highest = resource.getrlimit(which)
    if highest != resource.RLIM_INFINITY:
        soft, hard = min(soft, highest), min(hard, highest)
    return which, (soft, hard)


def _tasks_of(uid: int) -> int:
    """How many threads a user runs now."""
    tasks = 0
    for name in os.listdir("/proc"):
        if name.isdecimal():
            try:
                if os.stat(f"/proc/{name}").st_uid == uid:
                    tasks += len(os.listdir(f"/proc/{name}/task"))
            except OSError:
                continue  # it has ended
    return tasks


def _reached_by_others(path: str) -> bool:
    while path != "/":
        if not os.stat(path).st_mode & stat.S_IXOTH:
            return False
        path = os.path.dirname(path)
    return True


def _spans_of_users() -> list[range]:
    """The users, and the groups, that this user namespace has: the largest span of each."""
    spans = []
    for name in ("uid_map", "gid_map"):
        with open(f"/proc/self/{name}") as lines:
            found = [tuple(map(int, line.split())) for line in lines]
        spans.append(max((range(first, first + count) for first, _, count in found), key=len, default=range(0)))
    return spans
