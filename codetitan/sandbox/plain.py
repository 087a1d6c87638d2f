"""Plain values as JSON and back, so that two processes exchange data and never objects with code of their own.

None, bool, str, float, small int and list are as JSON has them; everything else is `{"t": what, "v": …}`. Functions and
iterators stay where they are and go as a number, by which the other side calls them.
"""

import builtins
import collections
import datetime
import decimal
import fractions
from collections.abc import Callable, Iterator
from typing import Any, Protocol

Json = Any


class Handles(Protocol):
    """What keeps the functions of this side, and calls those of the other."""

    def keep(self, function: Callable[..., Any]) -> int: ...
    def kept(self, number: int) -> Any: ...
    def stub(self, number: int, name: str) -> Any: ...
    def next_of(self, number: int) -> Callable[[], Any]: ...
    def number_of_stub(self, value: object) -> int | None: ...


class NotPlainError(TypeError):
    """A value that has no form for another process: its class, and the module of that."""

    def __init__(self, name: str, module: str) -> None:
        super().__init__(name)
        self.module = module


_ATOMS = frozenset((type(None), bool, str, float))
_SAFE = 1 << 53  # integers above go as hexadecimal digits, whose number Python does not limit
_TYPES = {kind.__name__: kind for kind in
          (int, float, str, bool, complex, bytes, list, tuple, dict, set, frozenset, type(None))}  # fmt: skip
_VIEWS = {type({}.keys()): "keys", type({}.values()): "values", type({}.items()): "items"}
_SEQUENCES: dict[type, str] = {tuple: "tuple", set: "set", frozenset: "frozenset"}
_BUILTIN = type(len)
_PLAINLY: dict[type, Callable[[Any], Any]] = {
    int: int.__pos__, float: float.__pos__, complex: complex.__pos__, str: lambda value: str.__add__(value, ""),
    bytes: lambda value: bytes.__add__(value, b""), bytearray: bytearray.copy, list: list, tuple: tuple, dict: dict,
    set: set, frozenset: frozenset,
}  # fmt: skip


def encode(value: Any, handles: Handles, *, subclasses: bool) -> Json:
    """Returns a value's JSON form.

    Args:
        subclasses: take an object of a class that extends a plain one for the plain value in it.

    Raises:
        NotPlainError: an object of another class.
        RecursionError: it contains itself, or is too deep.
    """
    kind = type(value)
    if kind in _ATOMS:
        return value
    if kind is int:
        return value if -_SAFE < value < _SAFE else {"t": "int", "v": hex(value)}
    if kind is list:
        return [encode(item, handles, subclasses=subclasses) for item in value]
    tag, body = _parts(value, kind, handles, subclasses)
    return {"t": tag, "v": body}


def _parts(value: Any, kind: type, handles: Handles, subclasses: bool) -> tuple[str, Json]:
    def of(item: Any) -> Json:
        return encode(item, handles, subclasses=subclasses)

    def pairs(mapping: Any) -> Json:
        return [[of(key), of(item)] for key, item in dict.items(mapping)]

    if kind in _SEQUENCES:
        return _SEQUENCES[kind], [of(item) for item in value]
    if kind is dict or kind is collections.OrderedDict or kind is collections.Counter:
        return kind.__name__, pairs(value)
    if kind is collections.defaultdict:
        return "defaultdict", pairs(value)
    if kind is collections.deque:
        return "deque", [[of(item) for item in value], value.maxlen]
    if kind is bytes or kind is bytearray:
        return kind.__name__, value.hex()
    if kind is complex:
        return "complex", [value.real, value.imag]
    if kind is range:
        return "range", [of(value.start), of(value.stop), of(value.step)]
    if kind is decimal.Decimal or kind is fractions.Fraction:
        return kind.__name__, str(value) if kind is decimal.Decimal else [of(value.numerator), of(value.denominator)]
    if kind in (datetime.date, datetime.datetime, datetime.time) and getattr(value, "tzinfo", None) is None:
        return kind.__name__, value.isoformat()
    if kind is datetime.timedelta:
        return "timedelta", [value.days, value.seconds, value.microseconds]
    if kind in _VIEWS:
        return _VIEWS[kind], [of(item) for item in value]
    name = str(getattr(value, "__name__", ""))
    if kind is type and _TYPES.get(name) is value:
        return "type", name
    return _by_number(value, kind, handles, subclasses)


def _by_number(value: Any, kind: type, handles: Handles, subclasses: bool) -> tuple[str, Json]:
    number = handles.number_of_stub(value)
    if number is not None:
        return "yours", number
    name = str(getattr(value, "__name__", ""))
    if kind is _BUILTIN and getattr(builtins, name, None) is value:
        return "builtin", name
    if isinstance(value, Iterator):
        return "iterator", handles.keep(value.__next__)
    if subclasses:
        for base, plainly in _PLAINLY.items():
            if issubclass(kind, base):
                return "same", encode(plainly(value), handles, subclasses=True)
        if kind.__module__ == "numpy" and hasattr(value, "item") and getattr(value, "shape", None) == ():
            return "same", encode(value.item(), handles, subclasses=True)
    if callable(value) and not isinstance(value, type):
        return "function", [handles.keep(value), name or "function"]
    raise NotPlainError(kind.__name__, kind.__module__)


def decode(form: Json, handles: Handles, *, builtin_functions: bool) -> Any:
    """Returns the value of a JSON form; what comes out has no code of the other side.

    Args:
        builtin_functions: may the other side name one, such as `len`? The side that decides on a verdict says no.

    Raises:
        ValueError, TypeError, KeyError, …: it is no such form.
    """
    kind = type(form)
    if kind in _ATOMS or kind is int:
        return form
    if kind is list:
        return [decode(item, handles, builtin_functions=builtin_functions) for item in form]

    def of(items: Json) -> list[Any]:
        if type(items) is not list:
            raise TypeError("no list")
        return [decode(item, handles, builtin_functions=builtin_functions) for item in items]

    tag, body = form["t"], form["v"]
    if tag == "same":
        return of([body])[0]
    if tag == "int":
        return int(body, 16)
    if tag == "tuple":
        return tuple(of(body))
    if tag == "dict":
        return {key: item for key, item in of(body)}  # noqa: C416
    if tag == "function":
        return handles.stub(int(body[0]), str(body[1]))
    if tag == "iterator":
        return RemoteIterator(handles.next_of(int(body)))
    if tag == "yours":
        return handles.kept(int(body))
    if tag == "builtin" and builtin_functions:
        return getattr(builtins, body)
    return _REST[tag](of(body) if type(body) is list else body)


_REST: dict[str, Callable[[Any], Any]] = {
    "set": set,
    "frozenset": frozenset,
    "OrderedDict": collections.OrderedDict,
    "Counter": lambda pairs: collections.Counter(dict(pairs)),
    "defaultdict": lambda pairs: collections.defaultdict(None, pairs),
    "deque": lambda parts: collections.deque(parts[0], parts[1]),
    "bytes": bytes.fromhex,
    "bytearray": bytearray.fromhex,
    "complex": lambda parts: complex(*parts),
    "range": lambda parts: range(*parts),
    "Decimal": decimal.Decimal,
    "Fraction": lambda parts: fractions.Fraction(*parts),
    "date": datetime.date.fromisoformat,
    "datetime": datetime.datetime.fromisoformat,
    "time": datetime.time.fromisoformat,
    "timedelta": lambda parts: datetime.timedelta(*parts),
    "keys": lambda keys: dict.fromkeys(keys).keys(),
    "values": lambda values: dict(enumerate(values)).values(),
    "items": lambda pairs: dict(pairs).items(),
    "type": _TYPES.__getitem__,
}


class RemoteIterator:
    """An iterator of the other side."""

    def __init__(self, following: Callable[[], Any]) -> None:
        self._following = following

    def __iter__(self) -> "RemoteIterator":
        return self

    def __next__(self) -> Any:
        return self._following()


def renew(old: Any, new: Any) -> None:
    """Gives a list, dict, set, bytearray or deque the content of `new`, and so on inside, place by place: what a
    function did to its argument on the other side. What was there and is of the same class stays the same object."""
    kind = type(old)
    if kind is not type(new):
        return
    if kind in (list, collections.deque, tuple):
        for one, other in zip(old, new, strict=False):
            renew(one, other)
        if kind is not tuple:
            merged = [_kept(old[i], item) if i < len(old) else item for i, item in enumerate(new)]
            old.clear()
            old.extend(merged)
    elif isinstance(old, dict):
        merged_items = {key: _kept(old[key], item) if key in old else item for key, item in new.items()}
        for key, item in new.items():
            if key in old:
                renew(old[key], item)
        dict.clear(old)
        dict.update(old, merged_items)
    elif kind is set:
        old.clear()
        old.update(new)
    elif kind is bytearray:
        old[:] = new


def _kept(old: Any, new: Any) -> Any:
    return old if type(old) is type(new) and isinstance(old, list | dict | set | bytearray | collections.deque) else new
