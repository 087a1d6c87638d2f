"""The process in which a test runs: trusted code, with the program's functions as stubs that call the other process.

It decides the verdict and writes it to a socket that the program's process doesn't have.
"""

import builtins
import decimal
import importlib
import json
import marshal
import os
import random
import socket
import sys
import traceback
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from codetitan.sandbox.peer import Peer

ENDED = 3
"""exit code: the program's process ended; the zygote knows how"""

# What a program imported and a test uses without importing it itself (MBPP's): taken from here, not from the program.
MODULES = frozenset((
    "bisect", "cmath", "collections", "copy", "datetime", "decimal", "fractions", "functools", "heapq", "itertools",
    "json", "math", "operator", "random", "re", "statistics", "string", "sys", "typing", "numpy",
))  # fmt: skip


_TRUSTED = ("test", "reference")  # modules that classes say they are of


class TestPeer(Peer):
    """What breaks the rules ends the test at once: one that catches every exception can't go on as if all were well."""

    __test__ = False

    def __init__(self, descriptor: int, end: "Callable[[str, str, str | None], NoReturn]") -> None:
        super().__init__(descriptor, self._no_function, hostile=True)
        self._end = end

    @staticmethod
    def _no_function(name: str) -> Any:
        raise NameError(name)

    def broken(self, text: str, cause: BaseException | None = None) -> NoReturn:
        self._end("error" if text else "ended", f"the program's process {text}", None)

    def objects_needed(self, text: str, passed_of: str | None = None) -> NoReturn:
        """Only an object of a class that the test or the reference defines is surely none of the program's making."""
        who = "the program" if passed_of is None else "the test"
        needs = "test" if passed_of in _TRUSTED else "program"
        self._end("error", f"{who} {text}, which is no plain value", needs)


class Test:
    """One test, and the way to its verdict.

    Args:
        payload: what codetitan/sandbox/worker.py packs, and the job's id and kind.
        verdicts: where the verdict goes.
    """

    __test__ = False

    def __init__(self, descriptor: int, payload: dict[str, Any], verdicts: socket.socket) -> None:
        self._payload = payload
        self._verdicts = verdicts
        self._peer = TestPeer(descriptor, self.end)
        self._calls = 0

    def _write(self, reason: str, detail: str, needs: str | None = None) -> None:
        text = "".join(c if c.isprintable() else " " for c in detail)[:1000]
        packet = {"id": self._payload["id"], "reason": reason, "detail": " ".join(text.split()), "needs": needs}
        self._verdicts.send(json.dumps(packet).encode())

    def end(self, reason: str, detail: str, needs_objects: str | None = None) -> NoReturn:
        """Writes the verdict and ends this process at once: no code of the test can catch it."""
        self._write(reason, detail, needs_objects)
        os._exit(ENDED if reason == "ended" else 0)

    def run(self) -> None:
        """Runs the test and writes the verdict."""
        random.seed(0)
        # what the test before may have set
        sys.setrecursionlimit(1000)
        decimal.setcontext(decimal.DefaultContext.copy())
        try:
            if self._payload["inside"]:
                self._inside()
            else:
                self._outside()
        except AssertionError as error:
            self._write("failed", self._where(error))
        except MemoryError as error:
            self._write("memory", self._where(error))
        except BaseException as error:
            self._write("error", self._where(error))
        else:
            self._write("passed", "")

    def _where(self, error: BaseException) -> str:
        text = getattr(error, "program_text", None) or traceback.format_exception_only(error)[-1].strip()
        if not isinstance(error, AssertionError) or not hasattr(error, "program_text"):
            lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == "<test>"]
            if lines and lines[-1] is not None:
                source = self._payload["source"].split("\n")[lines[-1] - 1].strip()
                text += f" (the test's line {lines[-1]}: {source[:300]})"
        return text

    def _defined(self) -> dict[str, str]:
        message = self._peer.receive()
        if message[0] == "raise":
            text = str(message[3])[:600]
            self.end("memory" if message[1] == "MemoryError" else "error", text)
        kinds = message[1] if message[0] == "defined" and len(message) == 2 else None
        if not isinstance(kinds, dict):
            self._peer.broken("sent no names")
        return {name: str(kind) for name, kind in kinds.items()}

    def _outside(self) -> None:
        payload = self._payload
        entry: str | None = payload["entry_point"]
        names: dict[str, Any] = {"__name__": "reference"}
        try:
            exec(marshal.loads(payload["reference"]), names)
        except Exception as error:
            self.end("error", f"the reference: {traceback.format_exception_only(error)[-1].strip()}")
        defined = self._defined()
        if entry is not None:
            names[entry] = self._stub(entry)
            self._fill(names, defined, set(payload["names"]) - names.keys())
        else:
            # What a script calls is the program's, whatever the reference has; the rest may be the reference's.
            used = set(payload["names"])
            called = {name for name in used & names.keys() - set(payload["imported"]) if callable(names[name])}
            for name in called:
                del names[name]
            self._fill(names, defined, used - names.keys(), called)
        names["__name__"] = "test"
        exec(marshal.loads(payload["test"]), names)
        if entry is not None and "check" in names:
            names["check"](names[entry])
        if not self._calls:
            raise RuntimeError(f"the test never calls {entry or 'the program'}")

    def _fill(
        self, names: dict[str, Any], defined: dict[str, str], missing: Iterable[str], called: Iterable[str] = ()
    ) -> None:
        """Gives a test the names that it lacks and the program has: its functions, and modules of this process.

        What is a builtin is the test's own, but where the reference has a function of that name (MBPP/126's `sum`).
        """
        for name in missing:
            kind = defined.get(name, "")
            if hasattr(builtins, name) and name not in called:
                continue
            if kind == "function":
                names[name] = self._stub(name)
            elif kind == "class":
                self._peer.objects_needed(f"has a class {name}")
            elif kind.startswith("module ") and kind[7:] in MODULES:
                names[name] = importlib.import_module(kind[7:])

    def _stub(self, name: str) -> Any:
        called = self._peer.stub(name, name)

        def function(*arguments: Any, **keywords: Any) -> Any:
            self._calls += 1
            return called(*arguments, **keywords)

        function.__name__ = function.__qualname__ = name
        return function

    def _inside(self) -> None:
        payload = self._payload
        defined = self._defined()
        entry = payload["entry_point"]
        if entry is not None and entry not in defined:
            raise NameError(f"name {entry!r} is not defined")
        nonce = os.urandom(16).hex()
        self._peer.send(["test", payload["test"].hex(), payload["reference"].hex(), entry, nonce])
        answer = self._peer.receive()
        if answer == ["passed", nonce]:
            return
        if answer[0] != "raise" or len(answer) != 4:
            self._peer.broken("sent no verdict")
        text = str(answer[3])[:600]
        if "cheated: " in text:
            self.end("cheated", text.partition("cheated: ")[2])
        reason = {"AssertionError": "failed", "MemoryError": "memory"}.get(str(answer[1]), "error")
        self.end(reason, text)
