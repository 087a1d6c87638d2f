"""`codetitan`: the commands. Heavy imports happen inside them."""

import contextlib
import dataclasses
import errno
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Union

import tyro

import codetitan
from codetitan import places, stop
from codetitan.cli import options
from codetitan.cli.compare import CompareCommand
from codetitan.cli.config import ConfigCommand, FlavorsCommand
from codetitan.cli.data import DataDigestCommand, DataHeldOutCommand, DataInspectCommand, DataStatsCommand
from codetitan.cli.evaluate import EvaluateCommand
from codetitan.cli.model import CompleteCommand, ExportCommand, ImportCommand, InfillCommand, LmEvalCommand
from codetitan.cli.plan import PlanCommand
from codetitan.cli.prepare import PrepareCommand, PrepareDiffCommand, PrepareWhyCommand
from codetitan.cli.tokenizer import TokenizerTrainCommand
from codetitan.cli.train import TrainCommand
from codetitan.errors import ConfigError, did_you_mean, fail

COMMANDS: dict[str, type] = {
    "train": TrainCommand,
    "config": ConfigCommand,
    "plan": PlanCommand,
    "flavors": FlavorsCommand,
    "export": ExportCommand,
    "lm-eval": LmEvalCommand,
    "import": ImportCommand,
    "infill": InfillCommand,
    "complete": CompleteCommand,
    "evaluate": EvaluateCommand,
    "compare": CompareCommand,
    "data inspect": DataInspectCommand,
    "data stats": DataStatsCommand,
    "data digest": DataDigestCommand,
    "data held-out": DataHeldOutCommand,
    "tokenizer train": TokenizerTrainCommand,
    "prepare": PrepareCommand,
    "prepare why": PrepareWhyCommand,
    "prepare diff": PrepareDiffCommand,
}
_Command: Any = Union[  # noqa: UP007  (made of a dictionary)
    tuple(Annotated[command, tyro.conf.subcommand(name)] for name, command in COMMANDS.items())
]
_TAKE_OVERRIDES = (
    ConfigCommand,
    PlanCommand,
    DataInspectCommand,
    DataStatsCommand,
    DataDigestCommand,
    DataHeldOutCommand,
    PrepareCommand,
)
_GROUPS = {name.split()[0] for name in COMMANDS if " " in name} - COMMANDS.keys()


def _below(word: str) -> list[str]:
    """Returns the commands whose first word is a command, too: `why` and `diff` of `prepare`."""
    return [name.partition(" ")[2] for name in COMMANDS if name.startswith(f"{word} ")]


def _no_command(word: str) -> ConfigError:
    return ConfigError(f'"{word}": no such command; there are {", ".join(COMMANDS)}{did_you_mean(word, COMMANDS)}')


def _parse(words: Sequence[str]) -> tuple[Any, list[str]]:
    """Returns the command with its options, and the overrides of a configuration; exits where help is asked for.

    Raises:
        ConfigError: an option is wrong.
    """
    if words[0] in COMMANDS and not {"--help", "-h"} & set(words):
        command = COMMANDS[words[0]]
        words = [words[0], *options.gather(command, words[1:])]
        options.check(words[0], command, words[1:], takes_overrides=issubclass(command, _TAKE_OVERRIDES))
    box = io.StringIO()
    try:
        with contextlib.redirect_stderr(box):
            parsed, rest = tyro.cli(
                _Command,
                prog="codetitan",
                description=f"codetitan {codetitan.__version__}. To train: codetitan train --config FILE",
                args=words,
                return_unknown_args=True,
            )
    except SystemExit as end:
        if end.code:  # what `options.check` does not know: tyro's box, without its frame
            raise ConfigError(
                " ".join(box.getvalue().translate(dict.fromkeys(map(ord, "╭╮╰╯│─"), " ")).split())
            ) from None
        raise
    return dataclasses.replace(parsed, **_expanded(parsed)), list(rest)


def _expanded(command: Any) -> dict[str, Any]:
    """Returns the options that are paths, with `~` written out."""
    paths: dict[str, Any] = {}
    for field in dataclasses.fields(command):
        option, value = f"--{field.name.replace('_', '-')}", getattr(command, field.name)
        if isinstance(value, Path):
            paths[field.name] = places.expand(value, option)
        elif isinstance(value, tuple) and value and all(isinstance(each, Path) for each in value):
            paths[field.name] = tuple(places.expand(each, option) for each in value)
    return paths


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; 0, or 2 with one line on stderr where the user is at fault."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if parent := os.environ.get(stop.PARENT):
        stop.end_with(int(parent))
    if words[:1] == ["train"]:
        from codetitan import launch

        return launch.main(words[1:])
    if words[:1] in (["--version"], ["-V"]):
        print(f"codetitan {codetitan.__version__}")
        return 0
    if len(words) > 1 and " ".join(words[:2]) in COMMANDS:
        # A group and its command are one name to tyro, whose own groups can't hand back unknown options.
        words = [" ".join(words[:2]), *words[2:]]
    elif not words or words[0] in ("--help", "-h") or (words[0] in _GROUPS and words[1:2] in ([], ["--help"], ["-h"])):
        words = ["--help"]
    elif words[0] in _GROUPS:
        return fail(_no_command(" ".join(words[:2])))
    elif words[0] not in COMMANDS:
        return fail(_no_command(words[0]))
    elif words[1:] and not words[1].startswith("-") and (below := _below(words[0])):
        there = f"{words[0]} has {', '.join(below)}, or options{did_you_mean(words[1], below)}"
        return fail(ConfigError(f'{words[0]} "{words[1]}": no such command; {there}'))
    try:
        command, rest = _parse(words)
        command.run(rest)
        sys.stdout.flush()
    except ConfigError as error:
        return fail(error)
    except BrokenPipeError:  # `codetitan config … | head`
        sys.stderr.close()
    except OSError as error:
        if error.errno != errno.ENOSPC or error.filename is not None:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # Python flushes what is left at its end, and would fail again
        return fail(ConfigError(f"the output can't be written: {error.strerror}"))
    except KeyboardInterrupt:
        return 130
    return 0
