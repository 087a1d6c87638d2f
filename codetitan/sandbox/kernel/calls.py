"""libc's calls that Python has no name for, by ctypes: each raises OSError with the call's name."""

import ctypes
import os
import struct

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


def prctl(name: str, option: int, value: int = 0) -> None:
    """prctl(option, value, 0, 0, 0)."""
    rest = (ctypes.c_ulong(0),) * 3
    _checked(name, _LIBC.prctl(ctypes.c_int(option), ctypes.c_ulong(value), *rest))


def capabilities() -> int:
    """The effective capabilities of this process, a bit each."""
    data = ctypes.create_string_buffer(24)
    _capabilities("capget", data)
    low, _, _, high, _, _ = struct.unpack("=6I", data.raw)
    return int(low) | int(high) << 32


def set_capabilities(kept: int) -> None:
    """Drops every capability but those in `kept`, of the low 32."""
    _capabilities("capset", ctypes.create_string_buffer(struct.pack("=6I", kept, kept, 0, 0, 0, 0), 24))


def _capabilities(name: str, data: "ctypes.Array[ctypes.c_char]") -> None:
    header = ctypes.create_string_buffer(struct.pack("=Ii", 0x20080522, 0), 8)  # version 3, this process
    _checked(name, getattr(_LIBC, name)(header, data))


def mount_private_tmpfs(folder: str, options: str) -> None:
    """Mounts a tmpfs on `folder`, seen by this process and what it forks alone.

    Raises:
        OSError: this process may not (an ordinary user, most containers).
    """
    private, mounted = ctypes.c_ulong(MS_REC_PRIVATE), ctypes.c_ulong(MS_NOSUID_NODEV_NOEXEC)
    _checked("unshare", _LIBC.unshare(CLONE_NEWNS))
    _checked("mount /", _LIBC.mount(b"none", b"/", None, private, None))
    _checked("mount tmpfs", _LIBC.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", mounted, options.encode()))


def install_filter(program: bytes) -> None:
    """Installs a seccomp filter, 8 bytes an instruction; needs no_new_privs."""
    buffer = ctypes.create_string_buffer(program, len(program))
    fprog = struct.pack("@HxxxxxxP", len(program) // 8, ctypes.addressof(buffer))
    rest = (ctypes.c_ulong(0),) * 2
    # PR_SET_SECCOMP = 22, SECCOMP_MODE_FILTER = 2
    _checked("seccomp", _LIBC.prctl(ctypes.c_int(22), ctypes.c_ulong(2), ctypes.c_char_p(fprog), *rest))
