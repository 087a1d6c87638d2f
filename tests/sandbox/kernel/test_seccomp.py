"""The filter's two layers, run by an interpreter of its own for both machines."""

import struct

import pytest

from codetitan.sandbox.kernel.seccomp import MACHINES, Filter

ALLOW, KILL, EPERM, ENOSYS = "allow", "kill", "EPERM", "ENOSYS"
_RESULTS = {0x7FFF0000: ALLOW, 0x80000000: KILL, 0x50001: EPERM, 0x50026: ENOSYS}
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
PID = 4321


def of_a_process(made: Filter, role: str) -> bytes:
    """The second layer of the process `PID`."""
    code, places = made.of(role)
    own = bytearray(code)
    for place in places:
        own[place : place + 4] = struct.pack("=I", PID)
    return bytes(own)


def result(code: bytes, number: int, arguments: tuple[int, ...], architecture: int) -> str:
    """What a filter says to a call."""
    instructions = list(struct.iter_unpack("=HBBI", code))
    words = [number, architecture, 0, 0]
    for argument in (*arguments, 0, 0, 0, 0, 0, 0)[:6]:
        words += [argument & 0xFFFFFFFF, argument >> 32]
    accumulator = place = 0
    while True:
        operation, true, false, value = instructions[place]
        place += 1
        if operation == 0x20:
            accumulator = words[value // 4]
        elif operation == 0x54:
            accumulator &= value
        elif operation == 0x06:
            return _RESULTS[value]
        else:
            holds = {0x15: accumulator == value, 0x35: accumulator >= value, 0x45: accumulator & value != 0}[operation]
            place += true if holds else false


# name: (x86-64, AArch64), arguments, what a program gets, what the zygote gets
CALLS = {
    "read": ((0, 63), (), ALLOW, ALLOW),
    "openat": ((257, 56), (0, 0, 0o2000000), ALLOW, ALLOW),
    "openat to write and empty": ((257, 56), (0, 0, 0o1001), ALLOW, ALLOW),
    "openat to read and empty": ((257, 56), (0, 0, 0o1000), EPERM, ALLOW),
    "a thread": ((56, 220), (0x3D0F00,), ALLOW, ALLOW),
    "fork": ((56, 220), (0x1200011,), EPERM, ALLOW),
    "a name space": ((56, 220), (0x10000000 | 0x10000,), EPERM, ALLOW),
    "clone3": ((435, 435), (), ENOSYS, ENOSYS),
    "a call of tomorrow": ((470, 470), (), ENOSYS, ENOSYS),
    "x32": ((0x40000000, 0x40000000), (), ENOSYS, ENOSYS),
    "vfork": ((58, None), (), EPERM, EPERM),
    "execve": ((59, 221), (), EPERM, EPERM),
    "socket": ((41, 198), (1, 1), EPERM, EPERM),
    "a pair of streams": ((53, 199), (1, 1 | 0o2000000), ALLOW, ALLOW),
    "a pair for datagrams": ((53, 199), (1, 2), EPERM, ALLOW),
    "another kind of pair": ((53, 199), (2, 1), EPERM, ALLOW),
    "connect": ((42, 203), (), EPERM, EPERM),
    "kill itself": ((62, 129), (PID,), ALLOW, ALLOW),
    "kill another": ((62, 129), (PID + 1,), EPERM, ALLOW),
    "kill all": ((62, 129), (0xFFFFFFFF,), EPERM, ALLOW),
    "raise": ((234, 131), (PID, PID, 6), ALLOW, ALLOW),
    "tgkill another": ((234, 131), (PID + 1, PID + 1, 6), EPERM, ALLOW),
    "ptrace": ((101, 117), (), EPERM, EPERM),
    "process_vm_readv": ((310, 270), (), EPERM, EPERM),
    "isatty": ((16, 29), (0, 0x5401), ALLOW, ALLOW),
    "a terminal's input": ((16, 29), (0, 0x5412), EPERM, ALLOW),
    "a lock": ((72, 25), (3, 6), ALLOW, ALLOW),
    "signals by an owner": ((72, 25), (3, 8), EPERM, ALLOW),
    "a thread's name": ((157, 167), (15,), ALLOW, ALLOW),
    "no end with the parent": ((157, 167), (1,), EPERM, ALLOW),
    "its own limits": ((302, 261), (0,), ALLOW, ALLOW),
    "another's limits": ((302, 261), (PID + 1,), EPERM, ALLOW),
    "setresuid": ((117, 147), (), EPERM, ALLOW),
    "recvmsg": ((47, 212), (), EPERM, ALLOW),
    "chmod": ((90, None), (), EPERM, ALLOW),
    "fchmodat": ((268, 53), (), EPERM, ALLOW),
    "utimensat": ((280, 88), (), EPERM, EPERM),
    "shmget": ((29, 194), (), EPERM, EPERM),
    "memfd_create": ((319, 279), (), EPERM, EPERM),
    "io_uring_setup": ((425, 425), (), EPERM, EPERM),
    "bpf": ((321, 280), (), EPERM, EPERM),
    "keyctl": ((250, 219), (), EPERM, EPERM),
    "symlinkat": ((266, 36), (), EPERM, EPERM),
    "mount": ((165, 40), (), EPERM, EPERM),
}
STRICTEST = (KILL, EPERM, ENOSYS, ALLOW)


@pytest.mark.parametrize("machine", MACHINES)
def test_calls(machine: str) -> None:
    made = Filter(machine)
    column, architecture = MACHINES.index(machine), ARCHITECTURES[machine]
    for name, (numbers, arguments, of_a_program, of_the_zygote) in CALLS.items():
        number = numbers[column]
        if number is None:
            continue
        first = result(made.of_the_zygote(), number, arguments, architecture)
        second = result(of_a_process(made, "program"), number, arguments, architecture)
        assert first == of_the_zygote, name
        assert min(first, second, key=STRICTEST.index) == of_a_program, name
    recvmsg = CALLS["recvmsg"][0][column]
    assert recvmsg is not None and result(of_a_process(made, "test"), recvmsg, (), architecture) == ALLOW


@pytest.mark.parametrize("machine", MACHINES)
def test_another_architecture_ends_the_process(machine: str) -> None:
    assert result(Filter(machine).of_the_zygote(), 0, (), 0x40000003) == KILL  # i386


def test_another_machine_is_refused() -> None:
    with pytest.raises(OSError, match=r"no filter for riscv64, only for x86_64 and aarch64"):
        Filter("riscv64")
