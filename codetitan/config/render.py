"""Prints a resolved configuration as TOML that can be run again, each value with where it came from."""

import dataclasses
import json
from typing import Any, get_origin

import tomli

from codetitan.config.choice import Choice
from codetitan.config.load import COMMAND_LINE, Setting, Tree
from codetitan.config.resolve import Resolved
from codetitan.config.schema import NONE, hints, split

_COLUMN = 58
_DEFAULT = "default"
# The sections that a reader looks for come first; the rest follows in torchtitan's order.
_FIRST = [
    "model",
    "training",
    "optimizer",
    "lr_scheduler",
    "dataloader",
    "parallelism",
    "float8",
    "activation_checkpoint",
    "loss",
]


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
    if value is None and origin == _DEFAULT:
        text = f"# {text}"
    return f"{text:<{_COLUMN}}  # {origin}"


def _origin(tree: "Tree | Setting | None", name: str) -> str:
    setting = tree.get(name) if isinstance(tree, dict) else None
    return setting.origin if isinstance(setting, Setting) else _DEFAULT


def _list_of_tables(items: list[Any], choice: Choice, key: str, tree: "Tree | Setting | None", name: str) -> list[str]:
    setting = tree.get(name) if isinstance(tree, dict) else None
    written = setting.value if isinstance(setting, Setting) and isinstance(setting.value, list) else []
    lines = []
    for i, item in enumerate(items):
        keys = written[i] if i < len(written) and isinstance(written[i], dict) else {}
        origin = _origin(tree, name)
        lines += ["", f"[[{key}]]", _line(choice.key, choice.name_of(item), origin)]
        for field in hints(type(item)):
            own = keys.get(field)
            came = own.origin if isinstance(own, Setting) else origin if field in keys else _DEFAULT
            lines.append(_line(field, getattr(item, field), came))
    return lines


def _subtree(tree: "Tree | Setting | None", name: str) -> "Tree | Setting | None":
    return tree.get(name) if isinstance(tree, dict) else None


def _tables(value: Any, key: str, tree: "Tree | Setting | None", adapted: dict[str, str]) -> list[str]:
    """Returns the lines of a dataclass: its own keys, then its tables."""
    lines: list[str] = []
    below: list[str] = []
    fields = hints(type(value))
    for name in sorted(fields, key=lambda name: _FIRST.index(name) if name in _FIRST else len(_FIRST)):
        hint = fields[name]
        item, full = getattr(value, name), f"{key}.{name}" if key else name
        base, choice = split(hint)
        if choice is not None and get_origin(base) is list:
            below += _list_of_tables(item, choice, full, tree, name)
        elif choice is not None:
            subtree = _subtree(tree, name)
            said = subtree.origin if isinstance(subtree, Setting) else _origin(subtree, choice.key)
            below += ["", f"[{full}]", _line(choice.key, choice.name_of(item), said)]
            below += _tables(item, full, subtree, adapted) if item is not None else []
        elif dataclasses.is_dataclass(base):
            inner = _tables(item, full, _subtree(tree, name), adapted)
            below += ["", f"[{full}]", *inner] if inner else []
        elif full == "training.steps" and full in adapted:
            # They follow from the tokens, also where this is run again with another batch.
            lines.append(f"{f'# {name} = {_value(item)}':<{_COLUMN}}  # {adapted[full]}")
        elif full in adapted:
            lines.append(_line(name, item, adapted[full]))
        elif item is None and key == "model":
            lines.append(f"{f'# {name} = {_value(getattr(value.shape(), name))}':<{_COLUMN}}  # of the flavor")
        else:
            lines.append(_line(name, item, _origin(tree, name)))
    return lines + below


def of_command_line(resolved: Resolved) -> dict[str, Any]:
    """Returns what the command line set, as tables of values of the right types; lists of tables are whole."""
    blocks: list[list[str]] = [[""]]  # a header, and what stands below it
    for line in _tables(resolved.config, "", resolved.tree, resolved.adapted):
        if line.startswith("["):
            blocks.append([line])
        elif line:
            blocks[-1].append(line)
    kept: dict[str, list[str]] = {}
    for header, *lines in blocks:
        kept.setdefault(header, []).extend(line for line in lines if line.endswith(f"# {COMMAND_LINE}"))
    text = []
    for header, *lines in blocks:
        if kept[header]:
            text += [header, *(lines if header.startswith("[[") else kept[header])]
    return tomli.loads("\n".join(text))


def dump(tables: dict[str, Any], prefix: str = "") -> list[str]:
    """Returns the lines of nested tables as TOML; lists of tables stand on one line."""
    lines = [f"{name} = {_value(value)}" for name, value in tables.items() if not isinstance(value, dict)]
    for name, value in tables.items():
        if isinstance(value, dict):
            has_own = any(not isinstance(item, dict) for item in value.values())
            lines += ["", f"[{prefix}{name}]"] if has_own else []
            lines += dump(value, f"{prefix}{name}.")
    return lines


def render(resolved: Resolved) -> str:
    """Returns TOML text; `resolve` of it gives the same configuration."""
    return render_tables(resolved.config, resolved.tree, resolved.adapted)


def render_tables(config: Any, tree: Tree, adapted: dict[str, str] | None = None) -> str:
    """Returns a dataclass of tables as TOML, with what `tree` says of where each value came from."""
    return "\n".join(_tables(config, "", tree, adapted or {})).lstrip("\n") + "\n"
