"""The output folder: what is done stays in it, so that the same command goes on.

A line is added to a task's file for each sample, when it is done. `evaluation.json` says what they are of: another
model or another protocol in the same folder is refused, another task is added.
"""

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Set
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Any

from codetitan.engine.abilities import near
from codetitan.errors import ConfigError
from codetitan.evaluate.results import write
from codetitan.hf.folder import check_local

NAME = "evaluation.json"
LOCK = ".lock"
EXPORT = ".model"
"""The export of a checkpoint, while it is evaluated."""
# Key of what is compared → as a person writes it.
_OPTIONS = {"name": "protocol", "probe": "a probe's log-probabilities"}

Line = dict[str, Any]


def asked_tasks(path: Path) -> set[str]:
    """Returns the tasks that an output folder was asked for, done or not; empty where it does not say."""
    try:
        return set(json.loads((path / NAME).read_text(encoding="utf-8"))["tasks"])
    except (OSError, ValueError, KeyError, TypeError):
        return set()


class Folder:
    """An output folder, which one process at a time has.

    Args:
        path: a new or empty folder, or one of an earlier evaluation.

    Raises:
        ConfigError: it holds something else, can't be written, or another process has it.
    """

    def __init__(self, path: Path) -> None:
        check_local("--output", path)
        self.path = path
        self._identity: dict[str, Any] = {"model": {}, "tasks": {}}
        try:
            there = path.is_dir() and any(file.name not in (LOCK, EXPORT) for file in path.iterdir())
            if path.exists() and not path.is_dir():
                raise ConfigError(f"--output {path} is no folder")
            if there and not (path / NAME).is_file():
                raise ConfigError(f"--output {path} holds something other than an evaluation; choose a new folder")
            self._is_new = not path.exists()
            path.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(path / LOCK, os.O_RDWR | os.O_CREAT, 0o664)
        except OSError as error:
            raise ConfigError(f"--output {path} can't be written: {error.strerror}") from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path / EXPORT, ignore_errors=True)  # of a command that was killed
            if there:
                self._identity = self._read(path / NAME)
        except BlockingIOError:
            self.close()
            raise ConfigError(f"--output {path} belongs to an evaluation that is running; choose another") from None
        except BaseException:
            self.close()
            raise

    @staticmethod
    def _read(file: Path) -> dict[str, Any]:
        try:
            identity = json.loads(file.read_text(encoding="utf-8"))
            if isinstance(identity["model"], dict) and isinstance(identity["tasks"], dict):
                return dict(identity)
        except (OSError, ValueError, KeyError, TypeError):
            pass
        raise ConfigError(f"{file} is not what codetitan evaluate writes; choose another --output")

    def __enter__(self) -> "Folder":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Lets another process have it; what has nothing in it goes."""
        with contextlib.suppress(OSError):
            if self._is_new and not (self.path / NAME).exists():
                (self.path / LOCK).unlink()
                self.path.rmdir()
        with contextlib.suppress(OSError):
            os.close(self._lock)

    def settle(self, model: Mapping[str, Any], tasks: Mapping[str, Mapping[str, Any]]) -> None:
        """Says what model the samples are of, and how each task is asked.

        Raises:
            ConfigError: those that are there are of another model, or were asked otherwise; nothing is changed then.
        """
        self._compare("the model", self._identity["model"], model)
        for name, protocol in tasks.items():
            self._compare(name, self._identity["tasks"].get(name, {}), protocol)
        # The first one's probe: what is near to each that is near to it need not be near.
        of_first = self._identity["model"] or dict(model)
        self._identity |= {"model": of_first, "tasks": {**self._identity["tasks"], **tasks}}
        self._save()

    def batches(self, tokens: int | None) -> list[int]:
        """Returns the tokens that were decoded at once, of all commands with this folder, and now of this one."""
        if tokens is not None:
            self._identity["batch_tokens"] = list(dict.fromkeys([*self._identity.get("batch_tokens", []), tokens]))
            self._save()
        return list(self._identity.get("batch_tokens", []))

    def _compare(self, what: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
        # As JSON has them: a tuple comes back as a list.
        now = json.loads(json.dumps(now))
        for key in [*before, *(key for key in now if key not in before)]:
            if before and not _same(key, before.get(key), now.get(key)):
                old, new = (json.dumps(values.get(key), ensure_ascii=False) for values in (before, now))
                raise ConfigError(
                    f"--output {self.path} has samples of {what} with {_OPTIONS.get(key, key)} = {_short(old)}, and "
                    f"this command has {_short(new)}; choose another --output, or ask as before"
                )

    def _save(self) -> None:
        write(self.path / NAME, json.dumps(self._identity, indent=2, ensure_ascii=False) + "\n")

    def lines(self, name: str) -> list[Line]:
        """Returns the lines of a file; one that was cut off is removed from it."""
        file = self.path / name
        try:
            data = file.read_bytes() if file.exists() else b""
            whole = data[: data.rfind(b"\n") + 1]
            if len(whole) < len(data):
                with file.open("r+b") as opened:
                    opened.truncate(len(whole))
            return [json.loads(line) for line in whole.decode().split("\n") if line]
        except OSError as error:
            raise ConfigError(f"{file} can't be read: {error.strerror}") from None
        except ValueError:
            raise ConfigError(f"{file} is damaged; remove it, and its samples are made anew") from None

    def keep(self, name: str, problems: Set[str]) -> None:
        """Removes the lines of other problems: a process that was killed has left some of one's, which is asked again.

        Raises:
            ConfigError: the disk is full.
        """
        lines = self.lines(name)
        if any(line["task_id"] not in problems for line in lines):
            kept = [line for line in lines if line["task_id"] in problems]
            write(self.path / name, "".join(map(_json, kept)))

    @contextlib.contextmanager
    def appending(self, name: str) -> Iterator["Appender"]:
        """Gives what adds lines to a file.

        Raises:
            ConfigError: it can't be written; what else goes wrong meanwhile is not called so.
        """
        file = self.path / name
        try:
            opened = file.open("ab", buffering=0)
        except OSError as error:
            raise ConfigError(f"{file} can't be written: {error.strerror}") from None
        with opened:
            yield Appender(file, opened)

    def remove(self, name: str) -> None:
        """Removes a file that is no longer needed."""
        (self.path / name).unlink(missing_ok=True)


class Appender:
    """Adds lines to an open file; each is there when `add` returns, whatever becomes of the process."""

    def __init__(self, file: Path, opened: FileIO) -> None:
        self._file, self._opened = file, opened

    def add(self, *lines: Line) -> None:
        """Adds lines.

        Raises:
            ConfigError: the disk is full, or gone.
        """
        data = "".join(map(_json, lines)).encode()
        try:
            while data:  # a full disk takes a part of it first
                data = data[self._opened.write(data) :]
        except OSError as error:
            raise ConfigError(f"{self._file} can't be written: {error.strerror}") from None


def _json(line: Line) -> str:
    """Returns a line as JSON; of half a pair of surrogates, which a file's names may have, its escape."""
    return (json.dumps(line, ensure_ascii=False) + "\n").encode(errors="backslashreplace").decode()


def _same(key: str, before: Any, now: Any) -> bool:
    if key != "probe":
        return bool(before == now)
    # A server may give fewer than it did; and what it gives moves with what else it is asked.
    return all(near(one, other) for one, other in zip(before or [], now or [], strict=False))


def _short(text: str) -> str:
    return text if len(text) <= 80 else text[:79] + "…"
