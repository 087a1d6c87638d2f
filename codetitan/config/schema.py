"""Checks settings against dataclasses and builds them, bottom-up and once, so that every validation runs.

There is no second schema: the fields, types and defaults are those of torchtitan's (and our) Config dataclasses.
"""

import dataclasses
import difflib
import math
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from codetitan import places
from codetitan.config import values
from codetitan.config.choice import Choice
from codetitan.config.load import WORD, Setting, Tree, read_value
from codetitan.errors import ConfigError, did_you_mean

_CLOSE = 0.7  # of difflib: a name so like another is taken for a slip in it

# Words that people, and torchtitan's old files, have for the key that chooses a component.
_NAMES = ("mode", "type", "kind", "policy", "format")

NONE = "none"  # TOML has no null: a key that may be None takes this word


# dataclass → fields that a configuration file can't set; filled by the root's module (training/trainer.py).
HIDDEN: dict[type, frozenset[str]] = {}

# dataclass → what is asked of its fields' values before it is built: its own validation may name no key.
BEFORE: dict[type, Callable[[Mapping[str, Any]], None]] = {}


def hints(cls: Any) -> dict[str, Any]:
    """Returns field name → type of a dataclass, in order, without private ones and what only Python can set."""
    types_ = get_type_hints(cls, include_extras=True)
    hidden = HIDDEN.get(cls, frozenset())
    return {
        field.name: types_[field.name]
        for field in dataclasses.fields(cls)
        if field.init and not field.name.startswith("_") and field.name not in hidden
    }


def split(hint: Any) -> tuple[Any, Choice | None]:
    """Returns a type without its annotations, and the Choice among them."""
    if get_origin(hint) is Annotated:
        base, *notes = get_args(hint)
        return base, next((note for note in notes if isinstance(note, Choice)), None)
    return hint, None


def _all_keys(cls: type, prefix: str = "") -> Iterator[str]:
    for name, hint in hints(cls).items():
        base, choice = split(hint)
        if choice is None and dataclasses.is_dataclass(base):
            yield from _all_keys(base, f"{prefix}{name}.")  # type: ignore[arg-type]
        elif choice is not None and get_origin(base) is not list:
            yield f"{prefix}{name}.{choice.key}"
            for option in choice.options.values():
                if option is not None:
                    yield from _all_keys(option, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def _unknown(key: str, known: list[str], root: type, setting: "Setting | Tree") -> ConfigError:
    """A key that nobody knows: suggests a neighbour, else the same name in another section."""
    section, _, name = key.rpartition(".")
    close = difflib.get_close_matches(name, known, n=1, cutoff=_CLOSE)
    if not close and name in _NAMES and (key_of_choice := next((one for one in ("type", "name") if one in known), "")):
        close = [key_of_choice]
    if close:
        hint = f'; did you mean "{section}.{close[0]}"?' if section else f'; did you mean "{close[0]}"?'
    else:
        every = list(_all_keys(root))
        names = difflib.get_close_matches(name, [other.rpartition(".")[2] for other in every], n=1, cutoff=0.85)
        elsewhere = [other for other in every if other.rpartition(".")[2] in names and other != key]
        has = f"; {section or 'the file'} has {', '.join(known)}"
        hint = f'; did you mean "{elsewhere[0]}"?' if elsewhere else has
    origin = f" ({setting.origin})" if isinstance(setting, Setting) else ""
    return ConfigError(f"{key}{origin}: unknown key{hint}")


def only(tree: Tree, known: list[str], section: str, root: type) -> Tree:
    """Returns the settings of the known keys; the others are somebody else's, as the trainer's are to the data.

    Args:
        tree: of a section.
        known: its keys that are wanted.
        section: its own key, "" for the whole configuration.
        root: the dataclass of the whole configuration, for suggestions.

    Raises:
        ConfigError: a key so close to a known one that it will be meant.
    """
    for name, setting in tree.items():
        if name not in known and difflib.get_close_matches(name, known, n=1, cutoff=_CLOSE):
            raise _unknown(f"{section}.{name}" if section else name, known, root, setting)
    return {name: setting for name, setting in tree.items() if name in known}


def _wrong(key: str, setting: Setting, rule: str) -> ConfigError:
    shown = setting.value if setting.from_command_line else _as_toml(setting.value)
    return ConfigError(f"{key} = {shown} ({setting.origin}) {rule}")


def _as_toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)


def _type_name(hint: Any) -> str:
    names = {
        int: "a whole number",
        float: "a number",
        bool: "true or false",
        str: "a string",
        dict: "a table",
    }
    if get_origin(hint) is list:
        inner = split(get_args(hint)[0])[0]
        return f"a list of {names.get(inner, 'tables').removeprefix('a ')}s".replace("tabless", "tables")
    return names.get(get_origin(hint) or hint, "a value of another type")


def _from_text(text: str, hint: Any) -> Any:
    """Reads a value of the command line as TOML where the type allows that, else as the text itself."""
    if hint is str or get_origin(hint) is Literal:
        return text
    value = read_value(text)
    if value is None:
        return text.split(",") if get_origin(hint) is list else text
    return value


def coerce(setting: Setting, hint: Any, key: str, root: type) -> Any:
    """Returns the setting's value as the type `hint`.

    Raises:
        ConfigError: it is none.
    """
    base, choice = split(hint)
    origin = get_origin(base)
    if choice is not None and origin is list:
        return _choice_list(setting, choice, key, root)
    if origin in (Union, types.UnionType):
        return _union(setting, base, key, root)
    value = (
        _from_text(setting.value, base)
        if setting.from_command_line and isinstance(setting.value, str)
        else setting.value
    )
    if origin is Literal:
        options = [str(option) for option in get_args(base)]
        if value not in get_args(base):
            raise _wrong(key, setting, f"must be one of {', '.join(options)}{did_you_mean(str(value), options)}")
        return value
    if base is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value) if abs(value) < 1 << 1000 else math.inf
    if base in (int, float, bool, str):
        if type(value) is not base or (base is float and math.isnan(value)):
            raise _wrong(key, setting, f"must be {_type_name(base)}{_number_hint(value, base)}")
        if base is str and "\0" in value:
            raise _wrong(key, setting, "must have no character NUL")
        values.check(key, value)
        return str(places.expand(value, key)) if key in values.PATHS and value.startswith("~") else value
    if origin is list:
        if not isinstance(value, list):
            raise _wrong(key, setting, f"must be {_type_name(base)}")
        (inner,) = get_args(base)
        return [
            coerce(
                item if isinstance(item, Setting) else Setting(item, setting.origin, setting.layer),
                inner,
                f"{key}.{i}",
                root,
            )
            for i, item in enumerate(value)
        ]
    if base is dict or origin is dict:
        if not isinstance(value, dict):
            raise _wrong(key, setting, f"must be {_type_name(base)}")
        return _dict(_table(value, setting), base, key, root)
    if dataclasses.is_dataclass(base):
        if not isinstance(value, dict):
            raise _wrong(key, setting, "must be a table")
        return build(base, _table(value, setting), key, root)  # type: ignore[arg-type]
    return value


def _number_hint(value: Any, base: type) -> str:
    if base is int and isinstance(value, float) and value.is_integer():
        return f"; write {int(value)}"
    return ""


def _union(setting: Setting, base: Any, key: str, root: type) -> Any:
    arms = [arm for arm in get_args(base) if arm is not type(None)]
    if type(None) in get_args(base) and setting.value in (NONE, None):
        return None
    errors = []
    for arm in arms:
        try:
            return coerce(setting, arm, key, root)
        except values.RefusedError:
            raise
        except ConfigError as error:
            errors.append(error)
    words = [str(word) for arm in arms if get_origin(arm) is Literal for word in get_args(arm)]
    if words and get_origin(arms[0]) is not Literal:
        raise ConfigError(f"{errors[0]}, or {', '.join(words)}{did_you_mean(str(setting.value), words)}")
    if len(errors) == 1 and type(None) in get_args(base):
        raise ConfigError(f'{errors[0]}; or "{NONE}"')
    raise errors[0]


def _table(value: Mapping[str, Any], setting: Setting) -> Tree:
    """Gives the keys of a table inside a list the table's origin."""
    return {
        name: item
        if isinstance(item, Setting)
        else _table(item, setting)
        if isinstance(item, dict)
        else Setting(item, setting.origin, setting.layer)
        for name, item in value.items()
    }


def _choice_list(setting: Setting, choice: Choice, key: str, root: type) -> list[Any]:
    value = setting.value
    if setting.from_command_line and isinstance(value, str):
        value = _from_text(value, list[str]) if value.startswith("[") else value.split(",")
    if not isinstance(value, list):
        raise _wrong(key, setting, "must be a list of tables")
    built = []
    for i, item in enumerate(value):
        if isinstance(item, Setting):
            item = item.value
        if isinstance(item, str) and choice.word is not None:
            item = choice.word(item)
        if not isinstance(item, dict):
            raise _wrong(f"{key}.{i}", Setting(item, setting.origin, setting.layer), "must be a table")
        built.append(_choice(_table(item, setting), choice, f"{key}.{i}", root))
    return built


def _choice(tree: Tree, choice: Choice, key: str, root: type, *, default: Any = dataclasses.MISSING) -> Any:
    """Builds the component that `choice.key` names, else one like `default`.

    Keys of a component that a lower layer chose go with it.
    """
    named = tree.get(choice.key)
    options = sorted(choice.options)
    if named is None:
        if default is dataclasses.MISSING:
            raise ConfigError(f"{key}.{choice.key}: missing; must be one of {', '.join(options)}")
        name, layer = choice.name_of(default), -1
    else:
        if not isinstance(named, Setting) or not isinstance(named.value, str) or named.value not in choice.options:
            shown = named.value if isinstance(named, Setting) else "a table"
            wrong = Setting(shown, named.origin if isinstance(named, Setting) else "", 0)
            raise _wrong(
                f"{key}.{choice.key}",
                wrong,
                f"must be one of {', '.join(options)}{did_you_mean(str(shown), options)}",
            )
        name, layer = str(named.value), named.layer
    cls = choice.options[name]
    fields = hints(cls) if cls is not None else {}
    rest: Tree = {
        field: setting
        for field, setting in tree.items()
        if field != choice.key and (field in fields or not isinstance(setting, Setting) or setting.layer >= layer)
    }
    of_others = {field for option in choice.options.values() if option is not None for field in hints(option)}
    for field in rest:
        if field not in fields and field in of_others:
            raise ConfigError(f'{key}.{field}: not used where {key}.{choice.key} = "{name}"; remove it')
    if cls is None:
        if rest:
            raise _unknown(f"{key}.{next(iter(rest))}", [choice.key], root, next(iter(rest.values())))
        return None
    start = default if type(default) is cls else dataclasses.MISSING
    return build(cls, rest, key, root, start=start, extra_key=choice.key)


def build(
    cls: type,
    tree: Tree,
    key: str,
    root: type,
    *,
    start: Any = dataclasses.MISSING,
    extra_key: str | None = None,
) -> Any:
    """Builds a dataclass from settings, innermost first.

    Args:
        cls: the dataclass.
        tree: its keys that somebody set.
        key: its own key, "" for the whole configuration.
        root: the dataclass of the whole configuration, for suggestions.
        start: an instance whose values stand where nobody set any; else the dataclass's defaults do.
        extra_key: a key beside the fields, for suggestions.

    Raises:
        ConfigError: an unknown key, a wrong type or value, or what the dataclass's own validation refuses.
    """
    prefix = f"{key}." if key else ""
    fields = hints(cls)
    defaults = {field.name: field for field in dataclasses.fields(cls)}
    arguments: dict[str, Any] = {}
    for name, setting in tree.items():
        if name not in fields:
            known = [*fields, extra_key] if extra_key else list(fields)
            raise _unknown(prefix + name, known, root, setting)
        base, choice = split(fields[name])
        setting = _without_word(setting, None if get_origin(base) is list else choice, prefix + name)
        if isinstance(setting, Setting) and (choice is None or get_origin(base) is list):
            arguments[name] = coerce(setting, fields[name], prefix + name, root)
        elif isinstance(setting, Setting):
            raise _wrong(prefix + name, setting, f'must be a table with the key "{choice.key}"')  # type: ignore[union-attr]
        elif choice is not None and get_origin(base) is list:
            raise ConfigError(f"{prefix}{name}: must be a list of tables; write [[{prefix}{name}]]")
        elif choice is not None:
            arguments[name] = _choice(setting, choice, prefix + name, root, default=_default(defaults[name]))
        elif dataclasses.is_dataclass(base):
            inner = _default(defaults[name])
            arguments[name] = build(base, setting, prefix + name, root, start=inner)  # type: ignore[arg-type]
        elif base is dict or get_origin(base) is dict:
            arguments[name] = _dict(setting, base, prefix + name, root)
        else:
            raise ConfigError(f"{prefix}{name}: must be {_type_name(base)}, not a table")
    for name, field in defaults.items():
        if name in fields and arguments.get(name, _default(field)) is dataclasses.MISSING:
            raise ConfigError(f"{prefix}{name}: missing; must be {_type_name(split(fields[name])[0])}")
    if before := BEFORE.get(cls):
        before(
            {
                name: arguments.get(name, _default(field) if start is dataclasses.MISSING else getattr(start, name))
                for name, field in defaults.items()
            }
        )
    try:
        return cls(**arguments) if start is dataclasses.MISSING else dataclasses.replace(start, **arguments)
    except (ValueError, AssertionError, NotImplementedError) as error:
        if isinstance(error, ConfigError):
            raise
        said = " ".join(str(error).split())
        if said.partition(" ")[0] in fields:  # it begins with its key
            raise ConfigError(prefix + said) from None
        raise ConfigError(f"{key or 'the configuration'}: {said}") from None


def _without_word(setting: "Setting | Tree", choice: Choice | None, key: str) -> "Setting | Tree":
    """Returns a component that a word names as a table, with what other layers say of its keys."""
    word = setting if isinstance(setting, Setting) else setting.get(WORD)
    if not isinstance(word, Setting):
        return setting
    if choice is not None and choice.word is not None and isinstance(word.value, str):
        table: Tree = {part: dataclasses.replace(word, value=text) for part, text in choice.word(word.value).items()}
        rest = {} if isinstance(setting, Setting) else setting
        return table | {name: item for name, item in rest.items() if name != WORD}
    if isinstance(setting, Setting):
        return setting
    if word.from_command_line:
        raise ConfigError(f"{key} = {word.value} (command line) must be a table")
    return {name: item for name, item in setting.items() if name != WORD}


def _default(field: "dataclasses.Field[Any]") -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _dict(tree: Tree, hint: Any, key: str, root: type) -> dict[str, Any]:
    """Reads a table of any keys, each value as the table's type says."""
    inner = get_args(hint)[1] if get_args(hint) else Any
    read: dict[str, Any] = {}
    for name, item in tree.items():
        if isinstance(item, Setting):
            read[name] = coerce(item, inner, f"{key}.{name}", root)
        elif inner is Any or get_origin(inner) is dict:
            read[name] = _dict(item, inner, f"{key}.{name}", root)
        else:
            raise ConfigError(f"{key}.{name}: must be {_type_name(inner)}, not a table")
    return read
