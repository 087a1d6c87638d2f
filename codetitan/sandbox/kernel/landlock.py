"""Landlock: what files a process may reach, whoever its user is; by the kernel's own numbers, without a library."""

import os
import re
import struct
import sys
from collections.abc import Iterable, Iterator

from codetitan.sandbox.kernel import calls

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446

# LANDLOCK_ACCESS_FS_*: bits that the first version knows, then what later ones added
_READ_FILE, _READ_DIR, _WRITE_FILE = 1 << 2, 1 << 3, 1 << 1
_REMOVE_DIR, _REMOVE_FILE, _MAKE_DIR, _MAKE_REG = 1 << 4, 1 << 5, 1 << 7, 1 << 8
_TRUNCATE = 1 << 14
_KNOWN_SINCE = {1: (1 << 13) - 1, 2: 1 << 13, 3: _TRUNCATE, 5: 1 << 15}
_ON_FILES = _READ_FILE | _WRITE_FILE | _TRUNCATE

READ = _READ_FILE | _READ_DIR
LIST = _READ_DIR
REMOVE_FOLDER = _REMOVE_DIR
# A folder of files and folders: no links, sockets, pipes or devices.
WRITE = READ | _WRITE_FILE | _TRUNCATE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_REG

_PACKAGES = re.compile(r"(python[\d.]*|pypy.*|(site|dist)-packages|__pycache__)$")


def version() -> int:
    """Returns the kernel's Landlock version, 1 or more.

    Raises:
        OSError: it has none, or something forbids it.
    """
    return calls.call("landlock_create_ruleset", _CREATE_RULESET, None, 0, 1)


def ruleset(abi: int, rules: Iterable[tuple[str, int]], *, only_writing: bool = False) -> int:
    """Returns the file descriptor of a ruleset that allows `rules` (path, rights) and nothing else that `abi` knows.

    With `only_writing` it says nothing on reading: for a second layer, which is cheap where it has few rules.
    """
    handled = 0
    for since, bits in _KNOWN_SINCE.items():
        handled |= bits if abi >= since else 0
    if only_writing:
        handled &= WRITE & ~READ
    network = 3 if abi >= 4 else 0  # TCP: bind and connect
    scopes = 3 if abi >= 6 else 0  # abstract sockets and signals of others
    size = 24 if abi >= 6 else 16 if abi >= 4 else 8
    attributes = struct.pack("=QQQ", handled, network, scopes)
    descriptor = calls.call("landlock_create_ruleset", _CREATE_RULESET, attributes, size, 0)
    for path, rights in rules:
        try:
            opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue  # what isn't there needs no right
        rights &= handled if os.path.isdir(path) else handled & _ON_FILES
        try:
            calls.call("landlock_add_rule", _ADD_RULE, descriptor, 1, struct.pack("=Qi", rights, opened), 0)
        finally:
            os.close(opened)
    return descriptor


def restrict(descriptor: int) -> calls.Prepared:
    """Holds the process that calls it, and what it starts, to a ruleset; needs no_new_privs."""
    return calls.prepared("landlock_restrict_self", _RESTRICT_SELF, descriptor, 0)


def interpreter(packages: Iterable[str] = ()) -> Iterator[tuple[str, int]]:
    """Yields what Python needs to read when it imports: its library, shared libraries, time zones, `packages`.

    No site-packages: the tests of a benchmark may lie there.
    """
    for folder in {os.path.dirname(os.__file__), *_of_extensions()}:
        yield from _without_packages(folder)
    for folder in _of_shared_libraries():
        yield from _without_packages(folder)
    for path in ("/usr/share/zoneinfo", "/etc/localtime", "/etc/ld.so.cache", "/dev/urandom", *packages):
        yield path, READ
    yield "/dev/null", _READ_FILE | _WRITE_FILE


def _of_extensions() -> set[str]:
    return {path for path in sys.path if path.endswith("lib-dynload")}


def _of_shared_libraries() -> set[str]:
    with open("/proc/self/maps") as maps:
        mapped = {line.split(maxsplit=5)[5].strip() for line in maps if ".so" in line}
    return {os.path.dirname(path) for path in mapped if path.startswith("/")}


def _without_packages(folder: str) -> Iterator[tuple[str, int]]:
    try:
        names = os.listdir(folder)
    except OSError:
        return
    if not any(_PACKAGES.match(name) for name in names):
        yield folder, READ
        return
    yield folder, LIST  # an import lists the folder
    for name in names:
        if not _PACKAGES.match(name) or name == "__pycache__":
            yield f"{folder}/{name}", READ
