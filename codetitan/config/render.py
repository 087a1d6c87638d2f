"""Prints a resolved configuration as TOML that can be run again, each value with where it came from."""

import dataclasses
import json
from typing import Any, get_origin

from codetitan.config.load import Setting, Tree
from codetitan.config.resolve import Resolved
from codetitan.config.schema import NONE, hints, split

_COLUMN = 58


def _value(value: Any) -> str:
    if value is None:
        return f'"{NONE}"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(name)} = {_value(item)}" for name, item in value.items()) + "}"
    if dataclasses.is_dataclass(value):
        return _value({field.name: getattr(value, field.name) for field in dataclasses.fields(value)})
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    return repr(value)


def _line(name: str, value: Any, origin: str) -> str:
    text = f"{name} = {_value(value)}"
    if value is None and origin == "default":
        text = f"# {text}"
    return f"{text:<{_COLUMN}}  # {origin}"


def _origin(tree: "Tree | Setting | None", name: str) -> str:
    setting = tree.get(name) if isinstance(tree, dict) else None
    return setting.origin if isinstance(setting, Setting) else "default"


def _subtree(tree: "Tree | Setting | None", name: str) -> "Tree | Setting | None":
    return tree.get(name) if isinstance(tree, dict) else None


def _tables(value: Any, key: str, tree: "Tree | Setting | None", adapted: dict[str, str]) -> list[str]:
    """Returns the lines of a dataclass: its own keys, then its tables."""
    lines: list[str] = []
    below: list[str] = []
    for name, hint in hints(type(value)).items():
        item, full = getattr(value, name), f"{key}.{name}" if key else name
        base, choice = split(hint)
        if choice is not None and get_origin(base) is list:
            origin = _origin(tree, name)
            for element in item:
                below += ["", f"[[{full}]]", _line(choice.key, choice.name_of(element), origin)]
                below += [_line(n, getattr(element, n), origin) for n in hints(type(element))]
        elif choice is not None:
            subtree = _subtree(tree, name)
            below += ["", f"[{full}]", _line(choice.key, choice.name_of(item), _origin(subtree, choice.key))]
            below += _tables(item, full, subtree, adapted) if item is not None else []
        elif dataclasses.is_dataclass(base):
            inner = _tables(item, full, _subtree(tree, name), adapted)
            below += ["", f"[{full}]", *inner] if inner else []
        else:
            origin = _origin(tree, name)
            lines.append(_line(name, item, f"set: {adapted[full]}" if full in adapted else origin))
    return lines + below


def render(resolved: Resolved) -> str:
    """Returns TOML text; `resolve` of it gives the same configuration."""
    return "\n".join(_tables(resolved.config, "", resolved.tree, resolved.adapted)) + "\n"
