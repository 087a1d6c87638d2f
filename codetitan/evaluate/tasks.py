"""The tasks by name, and where each gets its problems from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from codetitan.errors import ConfigError, did_you_mean
from codetitan.evaluate import documents, humaneval, mbpp, own, plus
from codetitan.evaluate.problems import Task
from codetitan.evaluate.protocols import Protocol
from codetitan.places import expand


@dataclass(frozen=True, kw_only=True)
class Asking:
    """What a task is made with."""

    protocol: Protocol
    limit: int | None


@dataclass(frozen=True)
class _Kind:
    """A task: whether it takes or needs a file, and how it is made."""

    data: Literal["none", "may", "must"]
    make: Callable[[str, Path | None, Asking], Task]


def _with(make: Callable[[str, Path, Protocol], Task]) -> Callable[[str, Path | None, Asking], Task]:
    def of_file(name: str, path: Path | None, asking: Asking) -> Task:
        assert path is not None
        return make(name, path, asking.protocol)

    return of_file


def _of_files(make: Callable[[str, Path, int | None], Task]) -> Callable[[str, Path | None, Asking], Task]:
    def of_files(name: str, path: Path | None, asking: Asking) -> Task:
        assert path is not None
        return make(name, path, asking.limit)

    return of_files


_SPANS = ("single-line", "multi-line", "random-span-light", "random-span")

TASKS: dict[str, _Kind] = {
    "humaneval": _Kind("none", lambda name, _, asking: humaneval.completion_task(name, asking.protocol)),
    **{
        f"humaneval-infilling-{kind}": _Kind("may", lambda name, path, _: humaneval.infilling_task(name, path))
        for kind in _SPANS
    },
    "humaneval-plus": _Kind("must", _with(plus.task)),
    "mbpp": _Kind("must", _with(mbpp.task)),
    "mbpp-plus": _Kind("must", _with(mbpp.plus_task)),
    "infill-exact": _Kind("must", _of_files(documents.infill_task)),
    "gold": _Kind("none", lambda name, *_: humaneval.gold_task(name)),
    "bits-per-byte": _Kind("must", _of_files(documents.bits_task)),
    "own": _Kind("must", _with(own.task)),
}
GROUPS = {"humaneval-infilling": [f"humaneval-infilling-{kind}" for kind in _SPANS[:3]]}
"""Names that stand for several tasks."""


def names(text: str) -> list[str]:
    """Returns the tasks of `--tasks`, which are separated by commas.

    Raises:
        ConfigError: there is no such task.
    """
    found: dict[str, None] = {}
    for word in text.split(","):
        name = word.strip()
        if name not in TASKS and name not in GROUPS:
            known = [*TASKS, *GROUPS]
            raise ConfigError(
                f'--tasks "{name}": no such task; there are {", ".join(known)}{did_you_mean(name, known)}'
            )
        found.update(dict.fromkeys(GROUPS.get(name, [name])))
    return list(found)


def paths(tasks: Sequence[str], words: Sequence[str]) -> dict[str, Path]:
    """Returns the file of each task that has one.

    Args:
        tasks: that are asked.
        words: of `--data`: TASK=PATH, or a PATH where one task alone needs a file, or takes one.

    Raises:
        ConfigError: a file is missing, or not taken.
    """
    takers = [name for name in tasks if TASKS[name].data != "none"]
    needers = [name for name in takers if TASKS[name].data == "must"]
    found: dict[str, Path] = {}
    for word in words:
        name, equals, place = word.partition("=")
        if equals and (name in TASKS or not Path(word).exists()):
            if name in GROUPS:
                raise ConfigError(f"--data {word}: {name} stands for {', '.join(GROUPS[name])}: name one of them")
            if name not in tasks:
                raise ConfigError(f"--data {word}: {name} is not among --tasks {','.join(tasks)}")
            if name not in takers:
                raise ConfigError(f"--data {word}: {name} takes no file")
        elif len(needers) == 1 or len(takers) == 1:
            name, place = (needers or takers)[0], word
        elif takers:
            raise ConfigError(f"--data {word}: say of which task it is: --data {takers[0]}={word}")
        else:
            raise ConfigError(f"--data {word}: none of --tasks {','.join(tasks)} takes a file")
        if not place:
            raise ConfigError(f"--data {word}: the path is missing; --data {name}=PATH")
        if name in found:
            raise ConfigError(f"--data {word}: {name} has {found[name]} already; name a folder that has all of it")
        found[name] = expand(place, f"--data {name}")
    for name in tasks:
        if TASKS[name].data == "must" and name not in found:
            raise ConfigError(f"--tasks {name} needs a file: --data {name}=PATH")
    for name, path in found.items():
        if not path.exists():
            raise ConfigError(f"--data {name}={path}: No such file or directory")
    return found


def make(tasks: Sequence[str], files: dict[str, Path], asking: Asking) -> list[Task]:
    """Makes tasks, with at most `asking.limit` problems each.

    Raises:
        ConfigError: a file is wrong, or a package is missing.
    """
    made = []
    for name in tasks:
        try:
            task = TASKS[name].make(name, files.get(name), asking)
        except ConfigError as error:
            text = str(error)
            raise ConfigError(text if text.startswith("--") else f"--tasks {name}: {text}") from None
        made.append(task.spread(asking.limit))
    return made
