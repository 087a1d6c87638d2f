"""A seccomp filter that allows what Python needs in one process, and refuses the rest: BPF, for x86-64 and AArch64.

Refused calls return EPERM, so that a program gets an exception; what the C library tries first and has another way for
returns ENOSYS. A call of another architecture ends the process.
"""

import errno
import struct

from codetitan.sandbox.kernel.syscalls import ALWAYS, BY_ARGUMENTS, OF_THE_ZYGOTE

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


def _packed(code: list[_Instruction]) -> bytes:
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)


class Filter:
    """The filters' code, in two layers: a long one that a zygote enters once and its children inherit, and a short one
    of each child. Installing all of it in each child took a tenth of the time of a program.

    Raises:
        OSError: for another machine than those in `MACHINES`.
    """

    def __init__(self, machine: str) -> None:
        if machine not in _AUDIT:
            raise OSError(errno.ENOSYS, f"no filter for {machine}, only for {' and '.join(MACHINES)}", "seccomp")
        self._column, self._audit = _AUDIT[machine]

    def of_the_zygote(self) -> bytes:
        """Returns the first layer: what no process here may call."""
        clone3 = BY_ARGUMENTS["clone3"][self._column]
        assert clone3 is not None
        code: list[_Instruction] = [
            (_LD, 0, 0, _ARCH),
            (_JEQ, 1, 0, self._audit),
            (_RET, 0, 0, _KILL),
            (_LD, 0, 0, _NUMBER),
            (_JEQ, 1, 0, clone3),  # whose flags are in memory, which a filter can't read
            (_JGE, 0, 1, 451),  # also the x32 calls of x86-64
            (_RET, 0, 0, _ERRNO | errno.ENOSYS),
        ]
        for numbers in (*ALWAYS.values(), *BY_ARGUMENTS.values(), *OF_THE_ZYGOTE.values()):
            number = numbers[self._column]
            if number is not None:
                code += [(_JEQ, 0, 1, number), (_RET, 0, 0, _ALLOW)]
        return _packed([*code, (_RET, 0, 0, _ERRNO | errno.EPERM)])

    def of(self, role: str) -> tuple[bytes, list[int]]:
        """Returns the second layer of "program" or "test", and where the process's own number goes."""
        allowed = ("recvmsg",) if role == "test" else ()
        self._code: list[_Instruction] = [(_LD, 0, 0, _NUMBER)]
        self._own: list[int] = []
        for name, numbers in OF_THE_ZYGOTE.items():
            number = numbers[self._column]
            if number is not None and name not in allowed:
                self._code += [(_JEQ, 0, 1, number), (_RET, 0, 0, _ERRNO | errno.EPERM)]
        self._by_arguments()
        self._code.append((_RET, 0, 0, _ALLOW))
        return _packed(self._code), [8 * place + 4 for place in self._own]

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
