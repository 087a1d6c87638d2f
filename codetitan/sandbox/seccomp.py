"""A seccomp filter that allows what Python needs in one process, and refuses the rest: BPF, for x86-64 and AArch64.

Refused calls return EPERM, so that a program gets an exception; what the C library tries first and has another way for
returns ENOSYS. A call of another architecture ends the process.
"""

import errno
import struct
from itertools import pairwise

from codetitan.sandbox.syscalls import ALWAYS, BY_ARGUMENTS

_LD, _JEQ, _JGE, _JSET, _AND, _RET = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_NUMBER, _ARCH, _ARGUMENTS = 0, 4, 16
_AUDIT = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
MACHINES = tuple(_AUDIT)

_CLONE_THREAD = 0x10000
_CLONE_NEW = 0x7E020080
_O_TRUNC, _O_ACCMODE = 0o1000, 0o3
_TERMINAL_AND_FLAGS = (0x5401, 0x5413, 0x5421, 0x541B, 0x5450, 0x5451)  # TCGETS, winsize, FIONBIO, FIONREAD, FI(N)CLEX
_FCNTL = (0, 1, 2, 3, 4, 5, 6, 7, 1030)  # dup, flags, locks: no owner of signals, no lease, no larger pipe
_PRCTL_NAME = (15, 16)
_AF_UNIX, _SOCK_STREAM = 1, 1

_Instruction = tuple[int, int, int, int]


class Filter:
    """The filter's code: one a zygote, and a process's own id put into it.

    Raises:
        OSError: for another machine than those in `MACHINES`.
    """

    def __init__(self, machine: str) -> None:
        if machine not in _AUDIT:
            raise OSError(errno.ENOSYS, f"no filter for {machine}, only for {' and '.join(MACHINES)}", "seccomp")
        column, audit = _AUDIT[machine]
        self._column = column
        self._code: list[_Instruction] = [
            (_LD, 0, 0, _ARCH),
            (_JEQ, 1, 0, audit),
            (_RET, 0, 0, _KILL),
            (_LD, 0, 0, _NUMBER),
        ]
        self._own: list[int] = []  # where the process's own id goes
        self._refuse_new_calls()
        for numbers in ALWAYS.values():
            number = numbers[column]
            if number is not None:
                self._code += [(_JEQ, 0, 1, number), (_RET, 0, 0, _ALLOW)]
        self._by_arguments()
        self._code.append((_RET, 0, 0, _ERRNO | errno.EPERM))
        packed = [struct.pack("=HBBI", *instruction) for instruction in self._code]
        places = [-1, *self._own, len(packed)]
        self._parts = [  # all but the process's own id: the last four bytes of the instructions in `_own`
            b"".join(packed[place + 1 : following]) + b"".join(packed[following : following + 1])[:4]
            for place, following in pairwise(places)
        ]

    def of(self, pid: int) -> bytes:
        """Returns the filter for the process `pid`, which may signal itself."""
        return struct.pack("=I", pid).join(self._parts)

    def _refuse_new_calls(self) -> None:
        number = BY_ARGUMENTS["clone3"][self._column]
        assert number is not None
        self._code += [
            (_JEQ, 1, 0, number),  # whose flags are in memory, which a filter can't read
            (_JGE, 0, 1, 451),  # also the x32 calls of x86-64
            (_RET, 0, 0, _ERRNO | errno.ENOSYS),
        ]

    def _block(self, name: str, body: list[_Instruction]) -> None:
        """What to do for one call: `body` ends in a return of its own where it allows."""
        number = BY_ARGUMENTS[name][self._column]
        if number is not None:
            body = [*body, (_RET, 0, 0, _ERRNO | errno.EPERM)]
            self._code += [(_JEQ, 0, len(body), number), *body]

    def _one_of(self, name: str, argument: int, values: tuple[int, ...]) -> None:
        body: list[_Instruction] = [(_LD, 0, 0, _ARGUMENTS + 8 * argument)]
        for value in values:
            body += [(_JEQ, 0, 1, value), (_RET, 0, 0, _ALLOW)]
        self._block(name, body)

    def _by_arguments(self) -> None:
        self._one_of("ioctl", 1, _TERMINAL_AND_FLAGS)
        self._one_of("fcntl", 1, _FCNTL)
        self._one_of("prctl", 0, _PRCTL_NAME)
        self._one_of("prlimit64", 0, (0,))  # this process's own limits, which it can only lower
        for name in ("kill", "tgkill"):
            number = BY_ARGUMENTS[name][self._column]
            if number is not None:
                self._own.append(len(self._code) + 2)
                self._one_of(name, 0, (0,))
        # Threads, and neither processes nor namespaces.
        self._block("clone", [
            (_LD, 0, 0, _ARGUMENTS),
            (_JSET, 2, 0, _CLONE_NEW),
            (_JSET, 0, 1, _CLONE_THREAD),
            (_RET, 0, 0, _ALLOW),
        ])  # fmt: skip
        # A pair of connected streams, as asyncio makes: a datagram one could be sent from to any address.
        self._block("socketpair", [
            (_LD, 0, 0, _ARGUMENTS),
            (_JEQ, 0, 4, _AF_UNIX),
            (_LD, 0, 0, _ARGUMENTS + 8),
            (_AND, 0, 0, 0xF),
            (_JEQ, 0, 1, _SOCK_STREAM),
            (_RET, 0, 0, _ALLOW),
        ])  # fmt: skip
        # Landlock before its version 3 lets a file that may be read be cut to nothing.
        for name, argument in (("open", 1), ("openat", 2)):
            self._block(name, [
                (_LD, 0, 0, _ARGUMENTS + 8 * argument),
                (_JSET, 0, 2, _O_TRUNC),
                (_AND, 0, 0, _O_ACCMODE),
                (_JEQ, 1, 0, 0),
                (_RET, 0, 0, _ALLOW),
            ])  # fmt: skip
