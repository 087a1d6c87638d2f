"""What torchrun starts on every process: `codetitan.launch` has checked the configuration before."""

import contextlib
import logging
import os
import signal
import sys
from pathlib import Path

from torch.distributed.elastic.multiprocessing.errors import get_error_handler

from codetitan import stop
from codetitan.errors import EXIT_USER_ERROR, ConfigError
from codetitan.lock import Lock
from codetitan.training.stopping import obey

# Lines of torchtitan that are no news to a user: (part of the message). All of them are in the log file.
_NOT_FOR_THE_CONSOLE = (
    "Adjusting warmup steps to",  # config/notes.py says it, with the key
    "Adjusting decay steps to",
    "Peak flops undefined",  # we print no MFU where the peak is unknown (metrics.known_peak_flops)
    "Error running lspci",
    "will be overridden to",  # torchrun sets TORCH_NCCL_ASYNC_ERROR_HANDLING, torchtitan changes it
    "initial_load_model_only=True has no effect",
    "Pipeline Parallel loss is not visible",  # our metrics rank prints it
    "sequential all_gather operations",  # once, when initial values are sharded over two dimensions
    "sequential all_reduce operations",  # once, for the gradient norm over two dimensions: 8 bytes
    # Async TP, each time inductor finds nothing to fuse; only all-gathers are (docs/parallelism.md).
    "matmul_reduce_scatter fusion",
    "async TP found no matching",
)


_say_what_failed = logging.Handler.handleError


def _not_written(handler: logging.Handler, record: logging.LogRecord) -> None:
    """What a logging handler does about its own error: a full disk or a closed console costs lines, and one says so.

    Python prints a traceback for every line; torchtitan's structured log, for one, has several a step.
    """
    error = sys.exc_info()[1]
    if not isinstance(error, OSError):  # a mistake in a log call
        _say_what_failed(handler, record)
    elif not hasattr(handler, "failed_before"):
        handler.failed_before = True  # type: ignore[attr-defined]
        if isinstance(handler, logging.FileHandler):
            with contextlib.suppress(OSError):
                print(f"{handler.baseFilename} can't be written: {error}; the training goes on", file=sys.stderr)


class _ForPeople(logging.Filter):
    """Lets through what codetitan says, and warnings of others that a user can act on; each from one rank only."""

    def __init__(self, rank: int) -> None:
        super().__init__()
        self._rank = rank

    def filter(self, record: logging.LogRecord) -> bool:
        if hasattr(record, "for_log"):
            return False
        if record.name == "codetitan.training.metrics":
            return True  # from the rank that knows the loss, whichever it is
        if self._rank != 0 and record.levelno < logging.ERROR:
            return False
        if record.name == "codetitan":
            return True
        if record.name == "py.warnings":  # of torch about itself, mostly
            return False
        return record.levelno >= logging.WARNING and not any(
            text in record.getMessage() for text in _NOT_FOR_THE_CONSOLE
        )


def init_logging(folder: Path, rank: int) -> None:
    """A readable console, and everything in `folder`/logs/rank-R.log."""
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    root.handlers.clear()
    logging.captureWarnings(True)
    logging.Handler.handleError = _not_written  # type: ignore[method-assign, assignment]
    console = logging.StreamHandler(sys.stdout)
    console.setFormatter(logging.Formatter("%(message)s"))
    console.addFilter(_ForPeople(rank))
    root.addHandler(console)
    # torch's loggers have consoles of their own, on every rank: what TORCH_LOGS asks for is in the log files.
    for name in ["torch", *(name for name in root.manager.loggerDict if name.startswith("torch."))]:
        torch_logger = logging.getLogger(name)
        torch_logger.handlers.clear()
        torch_logger.propagate = True
    logs = folder / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    file = logging.FileHandler(logs / f"rank-{rank}.log", encoding="utf-8")
    file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root.addHandler(file)


def _run(config_file: Path, overrides: list[str]) -> None:
    from codetitan.config.resolve import resolve
    from codetitan.run import run

    rank, world_size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    resolved = resolve(config_file, overrides, world_size=world_size)
    folder = Path(resolved.config.dump_folder)
    lock = Lock(folder)
    if rank == 0:
        folder.mkdir(parents=True, exist_ok=True)
        lock.take()
    try:
        init_logging(folder, rank)
        run(resolved)
    finally:
        lock.release()


def main(arguments: list[str]) -> int:
    """Trains; returns the exit code. `arguments` are the configuration file and the overrides."""
    # SIGINT ends the process at once, inside a collective too, where a Python handler would never run. Nothing is
    # saved: ranks stop at different places, and the last checkpoint is at most one interval old.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # By its number: one that was killed while this process imported torch is no longer the parent.
    stop.end_with(int(os.environ.get(stop.LAUNCHER, os.getppid())))
    stop.listen(obey)
    if status := os.environ.get(stop.STATUS):
        with contextlib.suppress(OSError):  # the launcher has gone, and this process ends with it
            Path(status).with_name(stop.BEGUN).touch()
    # Python asks a thread for the lock after 5 ms, and the loader's thread computes without pause: 3,000 launches of a
    # kernel take 9 to 16 ms beside it instead of 7, and 8 to 13 with this interval (two Xeon cores).
    sys.setswitchinterval(5e-4)
    try:
        _run(Path(arguments[0]), arguments[1:])
    except Exception as error:
        # Every rank fails when one does: each log has its traceback, and the launcher shows what the first one said.
        if logging.getLogger().handlers:
            logging.getLogger("codetitan").critical("failed", exc_info=True, extra={"for_log": True})
        get_error_handler().record_exception(error)
        return EXIT_USER_ERROR if isinstance(error, ConfigError) else 1
    return 0


if __name__ == "__main__":
    code = main(sys.argv[1:])
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):  # its reader has gone
            stream.flush()
    # Everything is closed and every rank has passed the last barrier (codetitan.run). Leaving without interpreter
    # teardown keeps gloo's and NCCL's threads from failing while their peers are already gone.
    os._exit(code)
