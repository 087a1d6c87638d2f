"""A sandbox somewhere else: as another user, in something like a container, on a kernel that lacks calls.

    python -m tests.sandbox.elsewhere '{"uid": 12345, "container": true, "deny": ["landlock_create_ruleset"], "programs": …}'

prints one JSON line: what the sandbox found, and its verdicts; or an error.
"""

import ctypes
import json
import os
import stat
import struct
import sys
from pathlib import Path
from typing import Any

from codetitan.sandbox import Limits, Program, Sandbox, SandboxError
from codetitan.sandbox.kernel.calls import SeccompFilter, set_capabilities

LIBC = ctypes.CDLL(None, use_errno=True)
X86 = {"landlock_create_ruleset": 444, "landlock_restrict_self": 446, "unshare": 272, "mount": 165, "umount2": 166,
       "setns": 308, "keyctl": 250, "bpf": 321, "clone3": 435, "perf_event_open": 298, "pivot_root": 155}  # fmt: skip
OF_A_CONTAINER = ("unshare", "mount", "umount2", "setns", "keyctl", "bpf", "clone3", "perf_event_open", "pivot_root")
# Docker's: chown, dac_override, fowner, fsetid, kill, setgid, setuid, setpcap, net_bind_service, net_raw, sys_chroot,
# mknod, audit_write, setfcap
CAPABILITIES = sum(1 << bit for bit in (0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31))


def checked(result: int, what: str) -> None:
    if result:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), what)


def open_the_way_to(path: str) -> None:
    """Lets other users reach an interpreter in a home folder, in this process's own view of the file system."""
    closed = [str(p) for p in Path(path).parents if not p.stat().st_mode & stat.S_IXOTH]
    if not closed:
        return
    none = ctypes.c_char_p(None)
    checked(LIBC.unshare(0x20000), "unshare")
    checked(LIBC.mount(b"none", b"/", none, ctypes.c_ulong(0x4000 | 0x40000), none), "private")
    checked(LIBC.mount(path.encode(), b"/media", none, ctypes.c_ulong(0x1000), none), "bind")
    checked(LIBC.mount(b"tmpfs", closed[-1].encode(), b"tmpfs", ctypes.c_ulong(0), b"mode=755"), "tmpfs")
    Path(path).mkdir(parents=True)
    checked(LIBC.mount(b"/media", path.encode(), none, ctypes.c_ulong(0x1000), none), "bind back")
    checked(LIBC.umount2(b"/media", 2), "umount")


def deny(names: tuple[str, ...], error: int, *, namespaces: bool) -> None:
    code = [(0x20, 0, 0, 0)]
    for name in names:
        code += [(0x15, 0, 1, X86[name]), (0x06, 0, 0, 0x50000 | (38 if name == "clone3" else error))]
    if namespaces:  # clone with flags of namespaces
        code += [(0x15, 0, 3, 56), (0x20, 0, 0, 16), (0x45, 0, 1, 0x7E020000), (0x06, 0, 0, 0x50000 | error)]
    code += [(0x06, 0, 0, 0x7FFF0000)]
    SeccompFilter(b"".join(struct.pack("=HBBI", *instruction) for instruction in code))()


def settle(where: dict[str, Any]) -> None:
    if where.get("uid") or where.get("container"):
        open_the_way_to(sys.base_prefix)
    if where.get("container"):
        for bit in range(41):
            if not CAPABILITIES >> bit & 1:
                LIBC.prctl(24, bit, 0, 0, 0)  # PR_CAPBSET_DROP
        set_capabilities(CAPABILITIES)()
    if uid := where.get("uid"):
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    LIBC.prctl(38, 1, 0, 0, 0)
    if where.get("container"):
        deny(OF_A_CONTAINER, 1, namespaces=True)
    if where.get("deny"):
        deny(tuple(where["deny"]), 38, namespaces=False)
    if where.get("no_filters"):  # seccomp by prctl
        code = [(0x20, 0, 0, 0), (0x15, 0, 3, 157), (0x20, 0, 0, 16), (0x15, 0, 1, 22), (0x06, 0, 0, 0x50000 | 1),
                (0x06, 0, 0, 0x7FFF0000)]  # fmt: skip
        SeccompFilter(b"".join(struct.pack("=HBBI", *instruction) for instruction in code))()


def folders() -> set[str]:
    return {str(path) for path in Path("/tmp").glob("codetitan-sandbox-*")}


def main() -> None:
    where = json.loads(sys.argv[1])
    settle(where)
    before = folders()
    programs = [Program(**program) for program in where["programs"]]
    try:
        with Sandbox(workers=1, limits=Limits(wall_s=30, cpu_s=1), unsafe=where.get("unsafe", False)) as sandbox:
            [worker] = sandbox._workers
            facts = worker.facts
            verdicts = {index: [verdict.reason, verdict.detail] for index, verdict in sandbox.run(programs)}
    except SandboxError as error:
        print(json.dumps({"error": str(error), "left": sorted(folders() - before)}))
        return
    left = sorted(folders() - before)
    print(json.dumps({"facts": facts, "verdicts": verdicts, "left": left}))


if __name__ == "__main__":
    main()
