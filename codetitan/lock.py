"""One owner for a run's folder: a lock that its owner's death lets go, on whatever node that was.

The kernel gives a lock up with the process that had it. Among the nodes of a shared file system that holds only where
its locks do (NFS 4 and Lustre's `-o flock`; not Lustre's `localflock`, and many FUSE file systems). So the owner also
touches the file every few seconds, and one who gets the kernel's lock although another host's name stands in the file
watches it first for longer than that.
"""

import contextlib
import fcntl
import json
import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

from codetitan.errors import ConfigError

NAME = ".lock"
BEAT_S = 5.0
WATCH_S = 30.0  # six beats: a thread of Python may wait for the interpreter's lock for a few


def _here() -> str:
    """This host, as long as it runs: its name, and its boot where the kernel says it."""
    boot = ""
    with contextlib.suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{socket.gethostname()} {boot}".strip()


class Lock:
    """Held from `take` until the process ends, however it ends, or `release`s it before.

    Args:
        folder: the run's; it exists.
        say: called with a line before it waits.
        key: what names the folder, in the configuration and as an option.
    """

    def __init__(self, folder: Path, say: Callable[[str], None] = print, *, key: str = "dump_folder") -> None:
        self._path, self._say, self._key = folder / NAME, say, key
        self._fd = -1
        self._released = threading.Event()
        self._beats: threading.Thread | None = None

    def take(self) -> None:
        """Takes the lock.

        Raises:
            ConfigError: another process has it, on this host or another.
        """
        try:
            self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o664)
        except OSError as error:
            raise ConfigError(f"{self._path} can't be opened: {error.strerror}; choose another --{self._key}") from None
        try:
            self._take()
        except ConfigError:
            os.close(self._fd)
            raise
        self._beats = threading.Thread(target=self._beat, name="lock", daemon=True)
        self._beats.start()

    def _take(self) -> None:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise self._refusal() from None
        except OSError:  # a file system without locks: the beats alone decide
            if self._owner().get("host") == _here() and self._is_alive(self._owner().get("pid")):
                raise self._refusal() from None
        if (host := self._owner().get("host")) not in (None, _here()):
            self._watch(str(host))
        self._write({"host": _here(), "pid": os.getpid(), "since": time.strftime("%Y-%m-%d %H:%M:%S %z")})

    def release(self) -> None:
        """Says that nobody has it any more, if this process had it, so that the next owner need not watch."""
        if self._beats is None:
            return
        self._released.set()
        self._beats.join()  # it touches the file by its number, which may be another file's from now on
        self._write({})
        os.close(self._fd)
        self._beats = None

    def _write(self, owner: dict[str, object]) -> None:
        # In place: another file under this name would be another lock.
        text = json.dumps(owner).encode()
        os.pwrite(self._fd, text, 0)
        os.ftruncate(self._fd, len(text))

    def _owner(self) -> dict[str, object]:
        try:
            owner = json.loads(os.pread(self._fd, 4096, 0) or b"{}")
        except ValueError:  # torn by a crash of the host
            return {}
        return owner if isinstance(owner, dict) else {}

    @staticmethod
    def _is_alive(pid: object) -> bool:
        return Path(f"/proc/{pid}").exists()

    def _refusal(self) -> ConfigError:
        owner = self._owner()
        host = str(owner.get("host", "another process")).split()[0]
        return ConfigError(
            f'{self._key} = "{self._path.parent}" belongs to a run on {host}, process {owner.get("pid", "unknown")}, '
            f"since {owner.get('since', 'a moment ago')}; wait for it, end it, or choose another with --{self._key} DIR"
        )

    def _watch(self, host: str) -> None:
        """Raises where the owner on another host gives a sign of life; returns where it gives none."""
        before, deadline = os.fstat(self._fd).st_mtime_ns, time.monotonic() + WATCH_S
        self._say(
            f"waits {WATCH_S:.0f} s to see whether the run on {host.split()[0]}, which had {self._path}, is alive"
        )
        while time.monotonic() < deadline:
            time.sleep(min(1.0, WATCH_S / 4))
            # By its name: a network file system asks its server for that.
            if self._path.stat().st_mtime_ns != before:
                raise self._refusal()

    def _beat(self) -> None:
        while not self._released.wait(BEAT_S):
            with contextlib.suppress(OSError):  # a full or absent disk says so elsewhere
                os.utime(self._fd)
