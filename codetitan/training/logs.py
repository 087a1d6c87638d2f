"""The files that a run's numbers go to: `metrics.jsonl` and TensorBoard's events. Neither can end a run."""

import contextlib
import io
import json
import math
import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter


class AppendFile:
    """A file that grows by whole pieces: one that does not fit on the disk leaves no part of itself."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def append(self, data: bytes) -> None:
        """Appends all of `data`, at once, so that a kill loses nothing that was appended.

        Raises:
            OSError: it can't be written; the file is as before.
        """
        before = os.fstat(self._fd).st_size
        left = memoryview(data)
        try:
            while left:
                left = left[os.write(self._fd, left) :]
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, before)
            raise

    def close(self) -> None:
        """Closes the file."""
        os.close(self._fd)


class MetricsFile:
    """`metrics.jsonl`: a line a logged step. What can't be written is written when there is room again.

    Raises:
        OSError: the file can't be opened.
    """

    def __init__(self, path: Path, *, first_step: int) -> None:
        kept = []
        if path.exists():
            # A run that goes on from a checkpoint repeats the steps after it: their lines, and a torn last one, go.
            for line in path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True):
                try:
                    if line.endswith("\n") and json.loads(line)["step"] < first_step:
                        kept.append(line)
                except (json.JSONDecodeError, KeyError, TypeError):
                    continue
            rewritten = path.with_suffix(".tmp")
            rewritten.write_text("".join(kept), encoding="utf-8")
            rewritten.replace(path)
        self._file = AppendFile(path)
        self._waiting: list[str] = []

    def write(self, record: Mapping[str, Any]) -> None:
        """Appends one object; a number that is not finite is null, for JSON has no other word.

        Raises:
            OSError: it can't be written yet.
        """
        finite = {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in record.items()
        }
        self._waiting.append(json.dumps(finite, allow_nan=False) + "\n")
        self._file.append("".join(self._waiting).encode())
        self._waiting.clear()

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


class TensorBoardFile:
    """TensorBoard's events of one process's life; those that an earlier one has of `first_step` and later are hidden.

    torch's SummaryWriter writes in a thread, which dies of a full disk with a traceback, and takes the run along at the
    next flush.

    Raises:
        OSError: the file can't be opened.
    """

    def __init__(self, folder: Path, *, first_step: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        name = f"events.out.tfevents.{time.time():.0f}.{socket.gethostname()}.{os.getpid()}"
        self._file = AppendFile(folder / name)
        self._append(Event(wall_time=time.time(), step=first_step, file_version="brain.Event:2"))
        # From here on is a new session: what TensorBoard has of these steps is of one that was cut short.
        start = SessionLog(status=SessionLog.START)
        self._append(Event(wall_time=time.time(), step=first_step, session_log=start))

    def _append(self, event: Event) -> None:
        record = io.BytesIO()
        RecordWriter(record).write(event.SerializeToString())
        self._file.append(record.getvalue())

    def write(self, numbers: Mapping[str, float], step: int) -> None:
        """Appends a step's numbers.

        Raises:
            OSError: they can't be written.
        """
        values = [Summary.Value(tag=name, simple_value=value) for name, value in numbers.items()]
        self._append(Event(wall_time=time.time(), step=step, summary=Summary(value=values)))

    def close(self) -> None:
        """Closes the file."""
        self._file.close()
