"""Two processes that call each other's functions over a socket, with plain values: the program's side and the test's.

A message is four bytes of length and JSON: `["call", function, [arguments], {keywords}]`, answered by `["return",
value, arguments that have changed or null]`, `["raise", class, [arguments], text]` or `["not plain", class]`. While
a side waits for an answer it serves calls, so that a function that was given as an argument can be called.
"""

import builtins
import itertools
import json
import os
from collections import deque
from collections.abc import Callable
from typing import Any, NoReturn

from codetitan.sandbox.plain import Json, NotPlainError, decode, encode, renew

LARGEST_MESSAGE = 16 << 20
_dumps = json.JSONEncoder(separators=(",", ":")).encode  # made once: json.dumps makes one a call
_loads = json.JSONDecoder().decode
_MUTABLE = (list, dict, set, bytearray, deque, tuple)  # and what a tuple holds


class BrokenPeerError(BaseException):
    """The other side ended (no text), or what it sends is no message."""


class TooLargeError(ValueError):
    """A message that is longer than `LARGEST_MESSAGE`."""


class ObjectsNeededError(BaseException):
    """A value that can't be sent."""


class Peer:
    """This side's end of the socket.

    Args:
        descriptor: a connected stream socket.
        resolve: this side's functions by name, for the other side to call; raises NameError.
        hostile: the other side may send anything: it may not name builtin functions, and its objects of classes of
            its own have been made plain there; this side's own are not.
    """

    def __init__(self, descriptor: int, resolve: Callable[[str], Any], *, hostile: bool) -> None:
        self._descriptor = descriptor
        self._resolve = resolve
        self._hostile = hostile
        self._kept: dict[int, Callable[..., Any]] = {}
        self._numbers = itertools.count(1)
        self._stubs: dict[int, tuple[int, Callable[..., Any]]] = {}

    def broken(self, text: str, cause: BaseException | None = None) -> NoReturn:
        """The other side ended (no text), or does what it may not."""
        raise BrokenPeerError(text) from cause

    def objects_needed(self, text: str, passed_of: str | None = None) -> NoReturn:
        """A value has no plain form: a result, or an argument whose class is of module `passed_of`."""
        raise ObjectsNeededError(text)

    # what plain.encode and plain.decode ask for
    def keep(self, function: Callable[..., Any]) -> int:
        number = next(self._numbers)
        self._kept[number] = function
        return number

    def kept(self, number: int) -> Any:
        return self._kept[number]

    def number_of_stub(self, value: object) -> int | None:
        found = self._stubs.get(id(value))
        return found[0] if found and found[1] is value else None

    def stub(self, number: int | str, name: str) -> Callable[..., Any]:
        """Returns a function that calls one of the other side, by its number or its name."""

        def function(*arguments: Any, **keywords: Any) -> Any:
            try:
                return self.call(number, arguments, keywords)
            except StopIteration as error:  # would end a `map` in the test as if there were no more to check
                raise RuntimeError("raised StopIteration") from error

        function.__name__ = function.__qualname__ = name
        if isinstance(number, int):
            self._stubs[id(function)] = (number, function)
        return function

    def next_of(self, number: int) -> Callable[[], Any]:
        """Returns what takes the next item of the other side's iterator."""
        return lambda: self.call(number, (), {})

    def send(self, message: Json) -> None:
        data = _dumps(message).encode()
        if len(data) > LARGEST_MESSAGE:
            raise TooLargeError(f"a value of {len(data):,} bytes")
        view = memoryview(len(data).to_bytes(4, "little") + data)
        while view:
            try:
                view = view[os.write(self._descriptor, view) :]
            except OSError as error:
                self.broken("", error)

    def receive(self) -> Json:
        size = int.from_bytes(self._read(4), "little")
        if size > LARGEST_MESSAGE:
            self.broken(f"sent a message of {size:,} bytes")
        try:
            message = _loads(self._read(size).decode())
            if type(message) is not list or type(message[0]) is not str:
                raise TypeError
        except (ValueError, TypeError, IndexError, RecursionError, MemoryError) as error:
            self.broken("sent what is no message", error)
        return message

    def _read(self, size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            try:
                part = os.read(self._descriptor, size - len(parts))
            except OSError:
                part = b""
            if not part:
                self.broken("")
            parts += part
        return bytes(parts)

    def call(self, function: int | str, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """Calls a function of the other side; changed arguments are changed here too.

        Raises:
            TooLargeError, RecursionError: the arguments are too large or too deep.
            BaseException: what it raised there, of its builtin class.
        """
        try:
            self.send(["call", function, *self._encoded(arguments, keywords)])
        except NotPlainError as error:
            self.objects_needed(f"passes an object of class {error}", error.module)
        while True:
            message = self.receive()
            try:
                kind = message[0]
                if kind == "call":
                    self.serve(message)
                    continue
                if kind == "return":
                    _, result, changed = message
                    value = self._decoded(result)
                    if changed is not None:
                        renew([*arguments, *keywords.values()], self._decoded(changed))
                    return value
                if kind == "raise":
                    raised = rebuild(message, self._decoded)
                elif kind == "not plain":
                    text = f"returned an object of class {str(message[1])[:100]}"
                    self.objects_needed(text)
                else:
                    raise TypeError(kind)
            except Exception as error:
                self.broken("sent what is no answer", error)
            raise raised

    def _encoded(self, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> list[Json]:
        loose = not self._hostile
        return [
            [encode(value, self, subclasses=loose) for value in arguments],
            {key: encode(value, self, subclasses=loose) for key, value in keywords.items()},
        ]

    def _decoded(self, form: Json) -> Any:
        return decode(form, self, builtin_functions=not self._hostile)

    def serve(self, message: Json) -> None:
        """Answers a call."""
        _, number, given, named = message
        arguments = self._decoded(given)
        keywords = {str(key): self._decoded(form) for key, form in named.items()}
        try:
            function = self._resolve(number) if isinstance(number, str) else self._kept[number]
            result = function(*arguments, **keywords)
            values = (*arguments, *keywords.values())
            if any(isinstance(value, _MUTABLE) for value in values):
                again = [encode(value, self, subclasses=not self._hostile) for value in values]
                same = _dumps(again) == _dumps([*given, *named.values()])
                changed = None if same else again
            else:
                changed = None
            answer = ["return", encode(result, self, subclasses=not self._hostile), changed]
        except NotPlainError as error:
            answer = ["not plain", str(error)]
        except BrokenPeerError:
            raise
        except ObjectsNeededError as error:
            answer = ["not plain", str(error)]
        except BaseException as error:
            answer = describe(error)
        try:
            self.send(answer)
        except TooLargeError as error:
            self.send(describe(error))


def describe(error: BaseException) -> list[Json]:
    """An exception as a message: its nearest builtin class, its arguments where these are plain, its text."""
    builtin = next(kind for kind in type(error).__mro__ if kind.__module__ == "builtins")
    arguments: list[Json] = []
    if all(type(value) in (str, int, float, bool, type(None)) for value in error.args):
        arguments = [value[:2000] if isinstance(value, str) else value for value in error.args]
        arguments = [str(value) if type(value) is int and abs(value) >= 1 << 53 else value for value in arguments]
    try:
        text = str(error)
    except BaseException:
        text = ""
    return [
        "raise",
        builtin.__name__,
        arguments,
        f"{type(error).__name__}: {text[:500]}" if text else type(error).__name__,
    ]


def rebuild(message: Json, decoded: Callable[[Json], Any]) -> BaseException:
    """The exception of a message; its `program_text` is what the other side calls it."""
    _, name, arguments, text = message
    kind = getattr(builtins, name)
    if not (isinstance(kind, type) and issubclass(kind, BaseException)):
        raise TypeError(name)
    try:
        error = kind(*decoded(arguments))
    except TypeError:  # UnicodeDecodeError takes five
        error = Exception(str(text))
    error.program_text = str(text)[:600]  # type: ignore[attr-defined]
    return error
