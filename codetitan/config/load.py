"""Reads a TOML file and what it extends, and lays the command line over it: the values, each with its origin.

Needs neither torch nor torchtitan: the latter's ConfigManager has no TOML since 0.3, takes five seconds to import, and
swallows an ImportError inside a configuration.
"""

import dataclasses
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli

from codetitan import places
from codetitan.errors import ConfigError, did_you_mean

COMMAND_LINE = "command line"


@dataclass(frozen=True, slots=True)
class Setting:
    """A value that somebody wrote.

    Attributes:
        value: as TOML gives it; text where it comes from the command line.
        origin: the file, "command line" or, where Python gave it, "override".
        layer: rises with precedence: what is extended < file < command line.
    """

    value: Any
    origin: str
    layer: int

    @property
    def from_command_line(self) -> bool:
        """Whether the value is text that still has to be read as its key's type."""
        return self.origin == COMMAND_LINE


Tree = dict[str, "Setting | Tree"]

WORD = "\0"
"""Key in a table, which no file has: the word that stands for one in a lower layer, such as `executor = "slurm"`."""


def _shown(path: Path) -> str:
    """A path as the user would write it: relative to the working directory where it lies below."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


_PACKAGE = Path(__file__).parent.parent
SHIPPED = (_PACKAGE / "train_configs", _PACKAGE / "prepare_configs")
"""The folders of the configurations that are part of the package; no name is in both."""


def find(config: Path) -> Path:
    """Returns a configuration's file, absolute: as written, else the shipped one of that name, which is said.

    `code_350m`, `code_350m.toml` and `train_configs/code_350m.toml` are names of shipped ones; of prepare_configs too.

    Raises:
        ConfigError: there is none, or it or what it extends is not TOML; said before anything heavy is imported.
    """
    path = places.expand(config, "--config")
    shipped = None if os.path.lexists(path) else _shipped(path)
    _chain((shipped or path).resolve())
    if shipped is None:
        return path.absolute()
    print(f"codetitan: note: {config}: taken from the package: {shipped}", file=sys.stderr, flush=True)
    return shipped


def _shipped(path: Path) -> Path | None:
    name = path.name if path.suffix == ".toml" else f"{path.name}.toml"
    for folder in SHIPPED:
        if str(path.parent) in (".", folder.name) and (folder / name).is_file():
            return (folder / name).resolve()
    return None


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomli.loads(path.read_text(encoding="utf-8-sig"))  # some editors put a mark before the first line
    except FileNotFoundError:
        folder = path.parent
        names = sorted(file.name for file in folder.glob("*.toml")) if folder.is_dir() else []
        there = sorted(file for shipped in SHIPPED for file in shipped.glob("*.toml"))
        shipped = [file.name if path.suffix == ".toml" else file.stem for file in there]
        hint = did_you_mean(path.name, [*names, *shipped]) or (f"; there are {', '.join(names)}" if names else "")
        raise ConfigError(f"{_shown(path)}: no such file{hint}") from None
    except IsADirectoryError:
        raise ConfigError(f"{_shown(path)}: is a folder, not a TOML file") from None
    except OSError as error:
        raise ConfigError(f"{_shown(path)}: can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{_shown(path)}: not UTF-8, so not TOML") from None
    except (tomli.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"{_shown(path)}: not valid TOML: {error}") from None


def _chain(path: Path) -> list[tuple[Path, dict[str, Any]]]:
    """Returns the files from the most basic to `path`."""
    files: list[tuple[Path, dict[str, Any]]] = []
    seen: list[Path] = []
    while True:
        if path in seen:
            cycle = " → ".join(_shown(file) for file in [*seen[seen.index(path) :], path])
            raise ConfigError(f"extends goes round in a circle: {cycle}; remove one of them")
        seen.append(path)
        table = _read(path)
        base = table.pop("extends", None)
        files.append((path, table))
        if base is None:
            return files[::-1]
        if not isinstance(base, str) or not base.strip():
            raise ConfigError(f'{_shown(path)}: extends = {base!r} must be a string, such as "base.toml"')
        below = path.parent / places.expand(base, f"{_shown(path)}: extends")
        # The recipe is there for every file: also where the package is installed and its folder is not at hand.
        path = (below if below.exists() else _shipped(Path(base)) or below).resolve()


def _lay_over(tree: Tree, table: dict[str, Any], origin: str, layer: int, prefix: str = "") -> None:
    for name, value in table.items():
        below = tree.get(name)
        if isinstance(value, dict):
            subtree: Tree = below if isinstance(below, dict) else _over(below)
            tree[name] = subtree
            _lay_over(subtree, value, origin, layer, f"{prefix}{name}.")
        else:
            tree[name] = Setting(value, origin, layer)


def _over(below: Setting | None) -> Tree:
    """Returns an empty table over what is no table: whether a word of it may stand for one, its key's type says."""
    return {} if below is None or not isinstance(below.value, str) else {WORD: below}


def _overrides(arguments: Sequence[str]) -> list[tuple[list[str], str]]:
    """Splits `--section.key value`, `--section.key=value` and a bare `--section.key` (true) into (path, text)."""
    parsed = []
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        if not argument.startswith("--") or len(argument) == 2:
            raise ConfigError(f'"{argument}": expected --section.key VALUE, for example --training.steps 100')
        name, equals, text = argument[2:].partition("=")
        if not all(name.split(".")):
            raise ConfigError(f'"{argument}": expected --section.key VALUE, for example --training.steps 100')
        if not equals:
            # A negative number is a value, not an option.
            is_value = bool(rest) and (not rest[0].startswith("--"))
            text = rest.pop(0) if is_value else "true"
        parsed.append((name.replace("-", "_").split("."), text))
    return parsed


def load(config: Path, overrides: Sequence[str] | Mapping[str, Any] = ()) -> Tree:
    """Reads a configuration: command line > file > what it extends.

    Args:
        config: the TOML file.
        overrides: the rest of the command line, `--section.key VALUE …`; or section.key → value, as TOML would give it.

    Returns:
        Nested tables of settings. Tables merge; everything else, lists of tables included, replaces.

    Raises:
        ConfigError: no such file, not TOML, a circle of `extends`, or a malformed override.
    """
    tree: Tree = {}
    files = _chain(places.expand(config, "--config").resolve())
    for layer, (path, table) in enumerate(files):
        _lay_over(tree, table, _shown(path), layer)
    if isinstance(overrides, Mapping):
        for key, value in overrides.items():
            _set(tree, key.split("."), Setting(value, "override", len(files)))
    else:
        for names, text in _overrides(overrides):
            _set(tree, names, Setting(text, COMMAND_LINE, len(files)))
    return tree


def _set(tree: Tree, path: list[str], setting: Setting) -> None:
    """Sets one key; a number in the path goes into a list of tables: `dataloader.sources.0.path`."""
    node: Tree = tree
    for i, name in enumerate(path[:-1]):
        below = node.get(name)
        if isinstance(below, Setting) and below.from_command_line and path[i + 1].isdigit():
            below = dataclasses.replace(below, value=_as_list(below.value))
        if isinstance(below, Setting) and isinstance(below.value, list) and path[i + 1].isdigit():
            _set_in_list(node, name, below, path[i + 1 :], setting, ".".join(path))
            return
        if not isinstance(below, dict):
            below = _over(below)
            node[name] = below
        node = below
    node[path[-1]] = setting


def read_value(text: str) -> Any:
    """Returns a value of the command line as TOML reads it; None: it is no TOML."""
    if "\n" in text:  # which would begin another key
        return None
    try:
        return tomli.loads(f"value = {text}")["value"]
    except (tomli.TOMLDecodeError, RecursionError):
        return None


def _as_list(value: Any) -> Any:
    """Reads a list that the command line gave, before an item of it is changed there too."""
    if not isinstance(value, str):
        return value
    read = read_value(value)
    return value.split(",") if read is None else read


def _set_in_list(node: Tree, name: str, below: Setting, path: list[str], setting: Setting, key: str) -> None:
    index, items = int(path[0]), [dict(item) if isinstance(item, dict) else item for item in below.value]
    if index >= len(items):
        raise ConfigError(f"{key}: the list has {len(items)} items, numbered from 0")
    if len(path) == 1:
        items[index] = setting
    elif isinstance(items[index], dict):
        table = items[index]
        for part in path[1:-1]:
            # A table inside, such as languages: as deep as the command line says; copied, for a file may be read twice.
            below_it = table.get(part)
            table[part] = dict(below_it) if isinstance(below_it, dict) else {}
            table = table[part]
        table[path[-1]] = setting
    else:
        raise ConfigError(
            f'{key}: item {index} is the word "{items[index]}", which has no keys; write a table in its place'
        )
    node[name] = Setting(items, below.origin, setting.layer)
