"""`codetitan`: the commands that are not a training run. Heavy imports happen inside the commands."""

import dataclasses
import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import tyro

import codetitan
from codetitan import stop
from codetitan.cli.config import ConfigCommand, FlavorsCommand
from codetitan.cli.data import DataDigestCommand, DataInspectCommand, DataStatsCommand
from codetitan.cli.model import CompleteCommand, ExportCommand, ImportCommand, InfillCommand
from codetitan.cli.plan import PlanCommand
from codetitan.cli.tokenizer import TokenizerTrainCommand
from codetitan.errors import ConfigError, did_you_mean, fail

Command = (
    Annotated[ConfigCommand, tyro.conf.subcommand("config")]
    | Annotated[PlanCommand, tyro.conf.subcommand("plan")]
    | Annotated[FlavorsCommand, tyro.conf.subcommand("flavors")]
    | Annotated[ExportCommand, tyro.conf.subcommand("export")]
    | Annotated[ImportCommand, tyro.conf.subcommand("import")]
    | Annotated[InfillCommand, tyro.conf.subcommand("infill")]
    | Annotated[CompleteCommand, tyro.conf.subcommand("complete")]
    | Annotated[DataInspectCommand, tyro.conf.subcommand("data inspect")]
    | Annotated[DataStatsCommand, tyro.conf.subcommand("data stats")]
    | Annotated[DataDigestCommand, tyro.conf.subcommand("data digest")]
    | Annotated[TokenizerTrainCommand, tyro.conf.subcommand("tokenizer train")]
)
COMMANDS = (
    "config", "plan", "flavors", "export", "import", "infill", "complete",
    "data inspect", "data stats", "data digest", "tokenizer train",
)  # fmt: skip
_TAKE_OVERRIDES = (ConfigCommand, PlanCommand, DataInspectCommand, DataStatsCommand, DataDigestCommand)


def _check_options(command: Any, rest: Sequence[str]) -> None:
    """What is left over are overrides of the configuration; a mistyped option is said to be one."""
    options = [f"--{field.name.replace('_', '-')}" for field in dataclasses.fields(command)]
    for word in rest:
        name = word.partition("=")[0]
        if name.startswith("--") and "." not in name and (hint := did_you_mean(name, options)):
            raise ConfigError(f"{name}: unknown option{hint}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; 0, or 2 with one line on stderr where the user is at fault."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if parent := os.environ.get(stop.PARENT):
        stop.end_with(int(parent))
    if len(words) > 1 and " ".join(words[:2]) in COMMANDS:
        # A group and its command are one name to tyro, whose own groups can't hand back unknown options.
        words = [" ".join(words[:2]), *words[2:]]
    elif not words or words[0] in {name.split()[0] for name in COMMANDS if " " in name}:
        words = ["--help"]
    elif words[0] not in COMMANDS and not words[0].startswith("-"):
        return fail(
            ConfigError(
                f'"{words[0]}": no such command; there are {", ".join(COMMANDS)}{did_you_mean(words[0], COMMANDS)}'
            )
        )
    try:
        command, rest = tyro.cli(
            Command,
            prog="codetitan",
            description=f"codetitan {codetitan.__version__}. To train: ./run_train.sh --config FILE",
            args=words,
            return_unknown_args=True,
        )
        _check_options(command, rest)
        if rest and not isinstance(command, _TAKE_OVERRIDES):
            raise ConfigError(f'"{rest[0]}": unknown option; see codetitan --help')
        command.run(rest)
    except ConfigError as error:
        return fail(error)
    except BrokenPipeError:  # `codetitan config … | head`
        sys.stderr.close()
    except KeyboardInterrupt:
        return 130
    return 0
