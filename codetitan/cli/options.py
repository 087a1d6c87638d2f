"""What the commands' options share: what is wrong with a command line, in one line, before tyro's box would say it."""

import dataclasses
import math
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from codetitan.errors import ConfigError, did_you_mean

_LARGE = (1 << 31) - 1


def at_least_one(option: str, value: int | None) -> None:
    """Raises ConfigError where an option's number is given and below 1."""
    if value is not None and value < 1:
        raise ConfigError(f"{option} {value} must be at least 1")


def _type_of(hint: Any) -> Any:
    """Returns an option's type without None, and without what stands around it in an Annotated."""
    if get_origin(hint) is typing.Annotated:
        hint = get_args(hint)[0]
    arms = [arm for arm in get_args(hint) if arm is not type(None)]
    return arms[0] if type(None) in get_args(hint) else hint


def _rule(text: str, kind: Any) -> str | None:
    """Returns what a value must be that is not; None: it is."""
    if get_origin(kind) is Literal:
        options = [str(option) for option in get_args(kind)]
        return None if text in options else f"must be one of {', '.join(options)}{did_you_mean(text, options)}"
    if kind in (Path, str):
        return None if text.strip() and "\0" not in text else "must not be empty"
    try:
        number = kind(text)
    except ValueError:
        return "must be a whole number" if kind is int else "must be a number"
    if kind is int and abs(number) > _LARGE:
        return f"must be at most {_LARGE}" if number > 0 else f"must be at least {-_LARGE}"
    return "must be finite" if kind is float and math.isinf(number) else None


def gather(command: type, words: Sequence[str]) -> list[str]:
    """Returns the words with those that belong to no option given to the option that takes them (`WORDS`), where a
    command has one: `compare a b` is `compare --runs a b`."""
    taker = getattr(command, "WORDS", None)
    if taker is None:
        return list(words)
    hints = typing.get_type_hints(command)
    kinds = {f"--{field.name.replace('_', '-')}": _type_of(hints[field.name]) for field in dataclasses.fields(command)}
    bare, others = [], []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if not word.startswith("--") or word == taker:
            bare += [] if word == taker else [word]
            continue
        others.append(word)
        if "=" not in word and kinds.get(word, bool) is not bool and rest and not rest[0].startswith("--"):
            others.append(rest.pop(0))
    return [*([taker, *bare] if bare or taker in words else []), *others]


def check(name: str, command: type, words: Sequence[str], *, takes_overrides: bool) -> None:
    """Asks what tyro would, for a command whose options are flat.

    Args:
        name: of the command, for the line.
        command: its dataclass; an option is a path, a text, a number, a word of several, a bool or a tuple of texts.
        words: what stands behind it.
        takes_overrides: whether `--section.key VALUE` may stand among them.

    Raises:
        ConfigError: an option is missing, is none of the command's, lacks its value or has one of a wrong type.
    """
    hints = typing.get_type_hints(command)
    fields = {f"--{field.name.replace('_', '-')}": field for field in dataclasses.fields(command)}
    given: set[str] = set()
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if not word.startswith("--"):
            if takes_overrides:
                continue  # an override's value, or a slip that `load` names
            raise ConfigError(f'"{word}": {name} takes options only; see codetitan {name} --help')
        written, equals, text = word.partition("=")
        option = written.replace("_", "-")
        field = fields.get(option) or fields.get(option.replace("--no-", "--", 1))
        if field is None:
            hint = did_you_mean(option, fields)
            if "." in option and takes_overrides:
                if not equals and rest and not rest[0].startswith("--"):
                    rest.pop(0)
                continue
            if hint or not takes_overrides:
                there = hint or f"; {name} has {', '.join(fields)}"
                raise ConfigError(f"{written}: unknown option{there}")
            continue
        kind = _type_of(hints[field.name])
        given.add(field.name)
        if kind is bool:
            if equals:
                raise ConfigError(f"{written}={text}: {written} takes no value; leave it out for false")
            continue
        if not equals:
            if not rest or rest[0].startswith("--"):
                raise ConfigError(f"{written}: its value is missing; {_doc(command, field.name, name)}")
            text = rest.pop(0)
        if get_origin(kind) is tuple:
            while rest and not rest[0].startswith("--"):
                rest.pop(0)
            continue
        if rule := _rule(text, kind):
            shown = text if text.strip() else f'"{text}"'
            raise ConfigError(f"{written} {shown} {rule}")
    for option, field in fields.items():
        no_default = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if no_default and field.name not in given:
            raise ConfigError(f"{option}: missing; {_doc(command, field.name, name)}")


def _doc(command: type, field: str, name: str) -> str:
    kinds = {Path: "PATH", int: "NUMBER", float: "NUMBER"}
    kind = kinds.get(_type_of(typing.get_type_hints(command)[field]), "VALUE")
    return f"codetitan {name} --{field.replace('_', '-')} {kind}; see codetitan {name} --help"
