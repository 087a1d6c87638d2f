"""`codetitan`: the commands that are not a training run. Heavy imports happen inside the commands."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

import codetitan
from codetitan.errors import ConfigError, did_you_mean, fail


@dataclass
class ConfigCommand:
    """Print the resolved configuration as TOML, each value with where it came from.

    Every other option is an override: --section.key VALUE.
    """

    config: Path
    """The TOML file."""

    world_size: int = 1
    """Number of processes to check the parallelism degrees for."""

    def run(self, overrides: Sequence[str]) -> None:
        from codetitan.config.render import render
        from codetitan.config.resolve import resolve

        if self.world_size < 1:
            raise ConfigError(f"--world-size {self.world_size} must be at least 1")
        print(render(resolve(self.config, overrides, world_size=self.world_size)), end="")


@dataclass
class FlavorsCommand:
    """Print the table of model sizes: parameters, FLOPs a token, heads."""

    seq_len: int = 4096
    """Sequence length for the FLOPs of attention."""

    def run(self, overrides: Sequence[str]) -> None:
        from codetitan.models.code.flavors import table

        print(table(self.seq_len))


_SOURCES = "python-stdlib, directory:PATH, jsonl:PATH, parquet:PATH or huggingface:NAME"


@dataclass
class TokenizerTrainCommand:
    """Train a byte-level BPE tokenizer and write it as a tokenizer.json folder."""

    output: Path
    """The folder to write."""

    source: tuple[str, ...] = ("python-stdlib",)
    """What to train on: python-stdlib, directory:PATH, jsonl:PATH, parquet:PATH or huggingface:NAME; several are
    joined."""

    vocab_size: int = 32768
    """Number of ids, sentinels included."""

    def run(self, overrides: Sequence[str]) -> None:
        from codetitan.data.sources import SOURCE_TYPES, open_source, source_from_text
        from codetitan.tokenizer.train import train_tokenizer

        opened = []
        for text in self.source:
            options: dict[str, Any] = dict(source_from_text(text))
            kind = options.pop("type")
            if kind not in SOURCE_TYPES or (kind == "python-stdlib") == bool(options):
                raise ConfigError(f'--source "{text}" must be {_SOURCES}{did_you_mean(kind, SOURCE_TYPES)}')
            opened.append(open_source(SOURCE_TYPES[kind](**options)))
        tokenizer = train_tokenizer(opened, vocab_size=self.vocab_size, output=self.output)
        print(f"{self.output}/tokenizer.json: {tokenizer.get_vocab_size():,} ids")


Command = (
    Annotated[ConfigCommand, tyro.conf.subcommand("config")]
    | Annotated[FlavorsCommand, tyro.conf.subcommand("flavors")]
    | Annotated[TokenizerTrainCommand, tyro.conf.subcommand("tokenizer train")]
)
COMMANDS = ("config", "flavors", "tokenizer train")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; 0, or 2 with one line on stderr where the user is at fault."""
    words = list(sys.argv[1:] if arguments is None else arguments)
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
    command, rest = tyro.cli(
        Command,
        prog="codetitan",
        description=f"codetitan {codetitan.__version__}. To train: ./run_train.sh --config FILE",
        args=words,
        return_unknown_args=True,
    )
    try:
        if rest and not isinstance(command, ConfigCommand):
            raise ConfigError(f'"{rest[0]}": unknown option; see codetitan --help')
        command.run(rest)
    except ConfigError as error:
        return fail(error)
    except BrokenPipeError:  # `codetitan config … | head`
        sys.stderr.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
