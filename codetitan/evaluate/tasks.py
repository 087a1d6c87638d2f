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
    """A task: what it is, whether it takes or needs a file, and how it is made."""

    what: str
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


_INFILLING = [f"humaneval-infilling-{kind}" for kind in ("single-line", "multi-line", "random-span-light")]

TASKS: dict[str, _Kind] = {
    "humaneval": _Kind(
        "HumanEval: 164 functions from their docstrings",
        "none",
        lambda name, _, a: humaneval.completion_task(name, a.protocol),
    ),
    **{
        name: _Kind(f"HumanEval-Infilling: {text}", "may", lambda name, path, _: humaneval.infilling_task(name, path))
        for name, text in (
            (_INFILLING[0], "1,033 lines"),
            (_INFILLING[1], "5,815 runs of lines"),
            (_INFILLING[2], "164 random spans"),
            ("humaneval-infilling-random-span", "1,640 random spans"),
        )
    },
    "humaneval-plus": _Kind("HumanEval+ of a file of EvalPlus's", "must", _with(plus.task)),
    "mbpp": _Kind("MBPP of its file", "must", _with(mbpp.task)),
    "mbpp-plus": _Kind("MBPP+ of a file of EvalPlus's", "must", _with(mbpp.plus_task)),
    "infill-exact": _Kind("holes in files, filled exactly", "must", _of_files(documents.infill_task)),
    "gold": _Kind("bits per byte of HumanEval's solutions", "none", lambda name, _, a: humaneval.gold_task(name)),
    "bits-per-byte": _Kind("bits per byte of files", "must", _of_files(documents.bits_task)),
    "own": _Kind("a task of one's own, of a file", "must", _with(own.task)),
}
GROUPS = {"humaneval-infilling": _INFILLING}
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
        words: of `--data`: TASK=PATH, or a PATH where one task alone takes a file.

    Raises:
        ConfigError: a file is missing, or not taken.
    """
    takers = [name for name in tasks if TASKS[name].data != "none"]
    found: dict[str, Path] = {}
    for word in words:
        name, equals, place = word.partition("=")
        if equals and (name in TASKS or not Path(word).exists()):
            if name not in tasks:
                raise ConfigError(f"--data {word}: {name} is not among --tasks {','.join(tasks)}")
            if name not in takers:
                raise ConfigError(f"--data {word}: {name} takes no file")
        elif len(takers) == 1:
            name, place = takers[0], word
        elif takers:
            raise ConfigError(f"--data {word}: say of which task it is: --data {takers[0]}={word}")
        else:
            raise ConfigError(f"--data {word}: none of --tasks {','.join(tasks)} takes a file")
        if not place:
            raise ConfigError(f"--data {word}: the path is missing; --data {name}=PATH")
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
