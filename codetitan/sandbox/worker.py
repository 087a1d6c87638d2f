"""A zygote as its parent sees it: started, given programs, asked for verdicts, ended."""

import ast
import contextlib
import dataclasses
import functools
import importlib.util
import json
import marshal
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codetitan.sandbox.program import Limits, Program, SandboxError, Verdict

# A clean interpreter: no environment but a fixed order of sets, no site-packages, nothing of this process. The
# package's __init__ doesn't run there.
#
# What threading, random and logging do after each fork is left out (random numbers are seeded by us, and there is one
# thread): it was a third of the processor time of a fork.
_BOOT = """
import os, sys, types
os.register_at_fork = lambda **_: None
for name, folder in (("codetitan", {package!r}), ("codetitan.sandbox", {room!r})):
    sys.modules[name] = module = types.ModuleType(name)
    module.__path__ = [folder]
from codetitan.sandbox.zygote import main
main()
"""
_START_S = 60
_NEEDS = {
    "Landlock": "Linux 5.13 or newer with Landlock switched on, and a container that lets it through",
    "seccomp": "Linux on x86-64 or AArch64, and a container that lets seccomp filters through",
}
_GIVES_UP = {
    "Landlock": "programs can read and write this user's files",
    "seccomp": "programs can start processes, open connections and signal this user's processes",
}


@dataclass(frozen=True)
class Outcome:
    """A verdict, and whether the test would need objects that can't be sent: the "test" has them surely, or the
    "program" may have made it so."""

    verdict: Verdict
    needs_objects: str | None = None


class BrokenTestError(ValueError):
    """A test or a reference that can't be compiled: the text says where."""


@functools.lru_cache(maxsize=256)
def packed(test: str, reference: str, entry_point: str | None) -> bytes:
    """A test as its process takes it: compiled once for all the programs that it decides on.

    Raises:
        BrokenTestError: it, or the reference, can't be compiled.
    """
    codes, trees = [], []
    for what, text in (("test", test), ("reference", reference)):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of escapes in strings: a person didn't write them
                tree = ast.parse(text)
                codes.append(marshal.dumps(compile(tree, f"<{what}>", "exec", dont_inherit=True)))
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise BrokenTestError(f"the {what}: {type(error).__name__}: {error}") from error
        trees.append(tree)
    names = {node.id for node in ast.walk(trees[0]) if isinstance(node, ast.Name)}
    imports = [node for node in ast.walk(trees[1]) if isinstance(node, ast.Import | ast.ImportFrom)]
    imported = {alias.asname or alias.name.partition(".")[0] for node in imports for alias in node.names}
    payload = {"test": codes[0], "reference": codes[1], "names": list(names), "imported": list(imported)}
    return marshal.dumps(payload | {"source": test, "entry_point": entry_point})


class Worker:
    """A zygote's process.

    Args:
        limits: of each program.
        modules: packages that programs may import beside the standard library, imported once.
        unsafe: run without what this kernel lacks.

    Raises:
        SandboxError: the kernel lacks something, or the process can't be started.
    """

    def __init__(self, limits: Limits, modules: Sequence[str], *, unsafe: bool) -> None:
        self._limits = limits
        self._verdicts_read: dict[int, dict[str, Any]] = {}
        self._number = 0
        path, packages = _places(modules)
        self.control, control = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._verdicts, verdicts = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        room = Path(__file__).parent
        settings = {"limits": dataclasses.asdict(limits), "unsafe": unsafe, "modules": list(modules), "path": path,
                    "packages": packages, "temporary": tempfile.gettempdir(),
                    "sockets": [control.fileno(), verdicts.fileno()]}  # fmt: skip
        boot = _BOOT.format(package=str(room.parent), room=str(room))
        with control, verdicts:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-s", "-S", "-B", "-X", "utf8", "-c", boot, json.dumps(settings)],
                env={"PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
                cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                pass_fds=(control.fileno(), verdicts.fileno()), start_new_session=True,
            )  # fmt: skip
        self.missing: list[str] = []
        self.facts: dict[str, Any] = {}
        try:
            self._await_start()
        except BaseException:
            self.close()
            raise

    def _await_start(self) -> None:
        self.control.settimeout(_START_S)
        try:
            message = self.control.recv(65_536)
        except TimeoutError:
            raise SandboxError(f"the sandbox did not start within {_START_S} s") from None
        finally:
            self.control.settimeout(None)
        if not message:
            code = self._process.wait()
            raise SandboxError(f"the sandbox's process ended at its start (exit code {code}): {sys.executable}")
        self.facts = json.loads(message)
        if "refused" in self.facts:
            why, what = self.facts["refused"]
            raise SandboxError(_refusal(what, why))
        self.missing = self.facts["missing"]

    def send(self, program: Program, *, inside: bool) -> int:
        """Gives it a program, with its test in another process or in its own (`inside`). Returns a number for it.

        Raises:
            BrokenTestError: its test can't be compiled.
            OSError: the process is gone.
        """
        test = packed(program.test, program.reference, program.entry_point)
        self._number += 1
        files = [_file(program.source.encode("utf-8", "surrogatepass"))]
        try:
            files.append(_file(test))
            socket.send_fds(self.control, [json.dumps({"id": self._number, "inside": inside}).encode()], files)
        finally:
            for file in files:
                os.close(file)
        return self._number

    def receive(self) -> tuple[int, Outcome] | None:
        """Returns the number and the outcome of what is done, once `control` can be read; None: the process is gone."""
        try:
            report = self.control.recv(65_536)
        except OSError:
            report = b""
        if not report:
            return None
        done = json.loads(report)
        with contextlib.suppress(BlockingIOError):  # each verdict was written before its report
            while packet := self._verdicts.recv(65_536, socket.MSG_DONTWAIT):
                found = json.loads(packet)
                self._verdicts_read[found["id"]] = found
        return done["id"], self._outcome(done, self._verdicts_read.pop(done["id"], None))

    def _outcome(self, done: dict[str, Any], found: dict[str, Any] | None) -> Outcome:
        needs = None
        if done["why"] != "files" and found is not None and found["reason"] != "ended":
            reason, detail, needs = found["reason"], found["detail"], found["needs"]
        elif done["why"] is not None:
            reason, detail = done["why"].replace("closed", "error"), self._limit(done["why"])
        else:
            reason, detail = self._ended(done, "program" if found is not None else "test")
        verdict = Verdict(reason == "passed", reason, detail, done["seconds"], done["inside"])
        return Outcome(verdict, needs)

    def _limit(self, reason: str) -> str:
        limits = self._limits
        return {
            "time-out": f"more than {limits.wall_s:g} s",
            "output": f"printed more than {limits.output_bytes:,} bytes",
            "closed": "the program's process closed its connection to the test",
            "files": f"wrote more than {limits.files} files or {limits.folder_mib} MiB",
        }[reason]

    def _ended(self, done: dict[str, Any], which: str) -> tuple[str, str]:
        """How a process ended that should not have."""
        code = done[which]
        if code == -signal.SIGXCPU or (code == -signal.SIGKILL and done["cpu_s"] >= self._limits.cpu_s):
            return "time-out", f"more than {self._limits.cpu_s:g} s of processor time"
        if code == -signal.SIGKILL:
            return "killed", f"the {which}'s process was killed"
        if code < 0:
            return "error", f"the {which}'s process ended with {signal.Signals(-code).name}"
        return "error", f"the {which}'s process ended by itself with exit code {code} before the test did"

    def close(self) -> None:
        """Ends it, and all that it runs."""
        self.control.close()
        self._verdicts.close()
        try:
            self._process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            self._process.kill()  # its children end with it
            self._process.wait()
        if self.facts.get("bounded") is False:  # else it went with the process
            shutil.rmtree(self.facts["folder"], ignore_errors=True)


def _file(content: bytes) -> int:
    """A file in memory; its descriptor."""
    file = os.memfd_create("codetitan")
    view = memoryview(content)
    while view:
        view = view[os.write(file, view) :]
    return file


def _places(modules: Sequence[str]) -> tuple[list[str], list[str]]:
    """Where modules are found, and what of that a program may read."""
    path, packages = [], []
    for name in modules:
        found = importlib.util.find_spec(name)
        if found is None:
            raise SandboxError(f"sandbox module {name!r}: not installed here")
        for folder in found.submodule_search_locations or []:
            path.append(str(Path(folder).parent))
            packages += [folder, f"{folder}.libs"]
        if not found.submodule_search_locations and found.origin not in (None, "built-in", "frozen"):
            path.append(str(Path(str(found.origin)).parent))
            packages.append(str(found.origin))
    return list(dict.fromkeys(path)), packages


def _refusal(what: str, why: str) -> str:
    part = next((part for part in _NEEDS if part.lower() in what.lower()), None)
    if part is None:
        return f"the sandbox can't be set up here: {what}: {why}"
    return (f"the sandbox needs {part}, which this machine does not give ({why}): {_NEEDS[part]}; or say unsafe, and "
            f"{_GIVES_UP[part]}")  # fmt: skip


def notice(missing: Sequence[str]) -> str:
    """The line that says what an unsafe sandbox gives up here."""
    return "sandbox: unsafe: " + "; ".join(f"no {part}: {_GIVES_UP[part]}" for part in missing)
