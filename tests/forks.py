"""Processes that need not import torch and torchtitan again: they are forked from a server that has imported them once.

Those imports take eight seconds of CPU, twice for a training run (the launcher and a rank). Nothing has run in the
server but imports (multiprocessing's fork server), so its children start as new interpreters do: no process group, no
OpenMP threads, no random numbers drawn. What they run are the real entries: `codetitan.cli.main`,
`codetitan.launch.main` with torchrun inside, `codetitan.train.main` on every rank. Only how a process comes to be
differs, and tests/conftest.py has the real starts beside these.
"""

import json
import multiprocessing
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from multiprocessing.context import ForkServerContext
from pathlib import Path

from codetitan import stop
from codetitan.launch import set_environment

# What a run imports in any case. A name that is wrong here only makes every run slow: preloading ignores errors.
# The compiler is loaded by context parallelism too, for its block mask.
_PRELOAD = [
    "codetitan.cli",
    "codetitan.train",
    "codetitan.run",
    "codetitan.config.resolve",
    "torch.distributed.run",
    "torch._dynamo",
    "torch._inductor.compile_fx",
    "torch.utils.cpp_extension",
    "tests.forks",
    "tests.parity.mesh",
]


def server() -> ForkServerContext:
    """The fork server, started once with the environment of a CPU run."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOAD)
    before = dict(os.environ)
    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    # Every child has its own pool of compilers else; kernels are shared through the cache on the disk.
    os.environ["TORCHINDUCTOR_COMPILE_THREADS"] = "1"
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(Path(tempfile.gettempdir()) / f"codetitan-parity-{os.getuid()}")
    # Ranks leave without giving their semaphores back; the tracker would say so at the end.
    os.environ["PYTHONWARNINGS"] = "ignore:resource_tracker:UserWarning"
    set_environment(os.environ, nproc=1, cores=1, cpu=True)
    try:
        from multiprocessing.forkserver import ensure_running

        ensure_running()  # does nothing when it runs already
    finally:
        os.environ.clear()
        os.environ.update(before)
    return context


def finished(
    main: Callable[[list[str]], int],
    arguments: Sequence[str],
    *,
    cwd: Path,
    environment: dict[str, str],
    timeout_s: float,
    nproc: int = 0,
    largest_file_bytes: int | None = None,
) -> "subprocess.CompletedProcess[str]":
    """Runs `main(arguments)` in a forked process; where it is torchrun's, `nproc` ranks are at hand for it.

    A limit on the size of files stands in for a disk that fills up: the operating system refuses to write more.

    Raises:
        subprocess.TimeoutExpired: it ran longer; it has been ended then, and what it started.
    """
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder) / "out", Path(folder) / "err"
        process = server().Process(
            target=_child, args=(main, list(arguments), cwd, environment, out, err, nproc, largest_file_bytes)
        )
        process.start()
        process.join(timeout_s)
        late = process.is_alive()
        if late:
            process.kill()  # its ranks go with it
            process.join()
        # As text=True reads a pipe.
        stdout, stderr = (file.read_text(errors="replace") if file.exists() else "" for file in (out, err))
        if late:
            raise subprocess.TimeoutExpired(list(arguments), timeout_s, stdout, stderr)
        code = process.exitcode
        assert code is not None
        process.close()
    return subprocess.CompletedProcess(list(arguments), code, stdout, stderr)


def _child(
    main: Callable[[list[str]], int],
    arguments: list[str],
    cwd: Path,
    environment: dict[str, str],
    out: Path,
    err: Path,
    nproc: int,
    largest_file_bytes: int | None,
) -> None:
    """The life of a forked process, from its environment to its exit code."""
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    for file, number in ((out, 1), (err, 2)):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    if largest_file_bytes is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file_bytes, largest_file_bytes))
    if nproc:
        from torch.distributed.elastic.multiprocessing.subprocess_handler import SubprocessHandler

        stop.block()  # as the launcher's own children begin
        ranks = [_Rank() for _ in range(nproc)]
        SubprocessHandler._popen = lambda _, command, environment: ranks.pop().start(command, environment)  # type: ignore
    sys.exit(main(arguments))


class _Rank:
    """What torchrun asks of a `subprocess.Popen`; the process is forked beforehand and waits for its command.

    It must be forked before torchrun has started threads, so that it has nothing of the launcher's but the imports.
    """

    def __init__(self) -> None:
        self.returncode: int | None = None
        read, self._write = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._write)
            _rank(read)
        os.close(read)

    def start(self, command: Sequence[str], environment: dict[str, str]) -> "_Rank":
        """Runs `python -u -m codetitan.train …` in it."""
        assert list(command[1:4]) == ["-u", "-m", "codetitan.train"], command
        with os.fdopen(self._write, "w") as pipe:
            pipe.write(json.dumps([command[4:], environment]) + "\n")
        return self

    def poll(self) -> int | None:
        """Returns the exit code, -N where signal N ended it; None while it runs."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float) -> int:
        """Returns the exit code. Raises subprocess.TimeoutExpired."""
        deadline = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("codetitan.train", timeout)
            time.sleep(0.01)
        return code


def _rank(commands: int) -> None:
    """The life of a rank: waits for its command on a pipe, and leaves as `python -m codetitan.train` does."""
    code = 1
    try:
        with os.fdopen(commands) as pipe:
            line = pipe.readline()
        if not line:  # the launcher has ended without it
            os._exit(0)
        arguments, environment = json.loads(line)
        os.setsid()
        os.environ.clear()
        os.environ.update(environment)
        from codetitan.train import main

        code = main(arguments)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
