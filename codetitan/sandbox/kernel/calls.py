"""libc's calls that Python has no name for, by ctypes: each raises OSError with the call's name."""

import ctypes
import os
import struct
from collections.abc import Sequence
from typing import Any

_LIBC = ctypes.CDLL(None, use_errno=True)
_SYSCALL = _LIBC.syscall
_SYSCALL.restype = ctypes.c_long

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_KEEPCAPS = 8
PR_SET_NO_NEW_PRIVS = 38
CLONE_NEWNS = 0x20000
MS_NOSUID_NODEV_NOEXEC = 2 | 4 | 8
MS_REC_PRIVATE = 0x4000 | 0x40000

CAP_DAC_READ_SEARCH = 2
CAP_SETGID, CAP_SETUID = 6, 7

MACHINE = os.uname().machine


def _checked(name: str, result: int) -> None:
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), name)


def call(name: str, number: int, *arguments: int | bytes | None) -> int:
    """A system call by its number; integers go as 64 bits.

    Raises:
        OSError: with `name` as its file name, so that the text says what failed.
    """
    passed = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    result: int = _SYSCALL(ctypes.c_long(number), *passed)
    _checked(name, result)
    return result


class Prepared:
    """A call whose arguments are made beforehand: in a new process each object that is made may be a page to be copied,
    and these calls were an eighth of a program's time."""

    def __init__(self, name: str, function: Any, *arguments: Any) -> None:
        self._name, self._function, self._arguments = name, function, arguments

    def __call__(self) -> None:
        """Raises:
        OSError: with the call's name as its file name.
        """
        if self._function(*self._arguments) < 0:
            _checked(self._name, -1)


def prctl(name: str, option: int, value: int = 0) -> Prepared:
    """prctl(option, value, 0, 0, 0)."""
    rest = (ctypes.c_ulong(0),) * 3
    return Prepared(name, _LIBC.prctl, ctypes.c_int(option), ctypes.c_ulong(value), *rest)


def prepared(name: str, number: int, *arguments: int) -> Prepared:
    """A system call by its number."""
    return Prepared(name, _SYSCALL, ctypes.c_long(number), *map(ctypes.c_long, arguments))


def capabilities() -> int:
    """The effective capabilities of this process, a bit each."""
    data = ctypes.create_string_buffer(24)
    _checked("capget", _LIBC.capget(_header(), data))
    low, _, _, high, _, _ = struct.unpack("=6I", data.raw)
    return int(low) | int(high) << 32


def set_capabilities(kept: int) -> Prepared:
    """Drops every capability but those in `kept`, of the low 32."""
    data = ctypes.create_string_buffer(struct.pack("=6I", kept, kept, 0, 0, 0, 0), 24)
    return Prepared("capset", _LIBC.capset, _header(), data)


def _header() -> "ctypes.Array[ctypes.c_char]":
    return ctypes.create_string_buffer(struct.pack("=Ii", 0x20080522, 0), 8)  # version 3, this process


def mount_private_tmpfs(folder: str, options: str) -> None:
    """Mounts a tmpfs on `folder`, seen by this process and what it forks alone.

    Raises:
        OSError: this process may not (an ordinary user, most containers).
    """
    private, mounted = ctypes.c_ulong(MS_REC_PRIVATE), ctypes.c_ulong(MS_NOSUID_NODEV_NOEXEC)
    _checked("unshare", _LIBC.unshare(CLONE_NEWNS))
    _checked("mount /", _LIBC.mount(b"none", b"/", None, private, None))
    _checked("mount tmpfs", _LIBC.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", mounted, options.encode()))


class SeccompFilter(Prepared):
    """Installs a filter, 8 bytes an instruction; needs no_new_privs.

    `own`: where this process's number goes, each four bytes.
    """

    def __init__(self, program: bytes, own: Sequence[int] = ()) -> None:
        self._code = ctypes.create_string_buffer(program, len(program))
        self._own = [ctypes.c_uint32.from_buffer(self._code, place) for place in own]
        fprog = struct.pack("@HxxxxxxP", len(program) // 8, ctypes.addressof(self._code))
        rest = (ctypes.c_ulong(0),) * 2
        # PR_SET_SECCOMP = 22, SECCOMP_MODE_FILTER = 2
        super().__init__("seccomp", _LIBC.prctl, ctypes.c_int(22), ctypes.c_ulong(2), ctypes.c_char_p(fprog), *rest)

    def __call__(self) -> None:
        pid = os.getpid()
        for place in self._own:
            place.value = pid
        super().__call__()
