"""Two starts with one folder: who is refused, and who need not wait."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from codetitan import lock
from codetitan.errors import ConfigError
from codetitan.lock import NAME, Lock
from tests.conftest import REPOSITORY

HOLDS = "import sys, time; from pathlib import Path; from codetitan.lock import Lock; "
HOLDS += "Lock(Path(sys.argv[1])).take(); print('has it', flush=True); time.sleep(600)"


@pytest.fixture
def owner(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """A process that has the lock of tmp_path."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(tmp_path)], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "has it\n"
    yield process
    process.kill()
    process.communicate()


def test_the_second_is_refused_with_host_pid_and_time(tmp_path: Path, owner: "subprocess.Popen[str]") -> None:
    with pytest.raises(ConfigError) as error:
        Lock(tmp_path).take()
    host, since = os.uname().nodename, time.strftime("%Y-%m-%d")
    assert str(error.value).startswith(
        f'dump_folder = "{tmp_path}" belongs to a run on {host}, process {owner.pid}, since {since}'
    )
    assert str(error.value).endswith("; wait for it, end it, or choose another with --dump_folder DIR")


def test_a_killed_owner_lets_go(tmp_path: Path, owner: "subprocess.Popen[str]") -> None:
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    said: list[str] = []
    Lock(tmp_path, said.append).take()
    assert said == []  # and nobody waits


def test_an_owner_on_another_host_is_watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system on which the other host's lock is not seen: its beats are."""
    monkeypatch.setattr(lock, "WATCH_S", 0.4)
    (tmp_path / NAME).write_text(json.dumps({"host": "node7 boot", "pid": 12, "since": "yesterday"}))
    said: list[str] = []
    monkeypatch.setattr(time, "sleep", lambda _: os.utime(tmp_path / NAME))  # it is alive
    with pytest.raises(ConfigError, match="belongs to a run on node7, process 12, since yesterday"):
        Lock(tmp_path, said.append).take()
    monkeypatch.undo()
    monkeypatch.setattr(lock, "WATCH_S", 0.4)
    Lock(tmp_path, said.append).take()  # it is dead
    assert [line.split(",")[0] for line in said] == ["waits 0 s to see whether the run on node7"] * 2


def test_an_orderly_end_leaves_nothing_to_watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "_here", lambda: "node7 boot")
    first = Lock(tmp_path)
    first.take()
    first.release()
    assert (tmp_path / NAME).read_text() == "{}"


def test_the_owner_beats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "BEAT_S", 0.01)
    Lock(tmp_path).take()
    before = (tmp_path / NAME).stat().st_mtime_ns
    deadline = time.monotonic() + 10
    while (tmp_path / NAME).stat().st_mtime_ns == before:
        assert time.monotonic() < deadline
        time.sleep(0.01)
