"""`codetitan`: the commands that are not a training run. Heavy imports happen inside the commands."""

import dataclasses
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

import codetitan
from codetitan.errors import ConfigError, did_you_mean, fail

if TYPE_CHECKING:
    from codetitan.config.resolve import Resolved


@dataclass
class ConfigCommand:
    """Print the resolved configuration as TOML, each value with where it came from.

    Every other option is an override: --section.key VALUE.
    """

    config: Path
    """The TOML file."""

    world_size: int | None = None
    """Check the plan for this many processes; default: for as few as its degrees allow. Needs no GPU."""

    def run(self, overrides: Sequence[str]) -> None:
        from codetitan.config.render import render
        from codetitan.config.resolve import resolve

        if self.world_size is not None and self.world_size < 1:
            raise ConfigError(f"--world-size {self.world_size} must be at least 1")
        resolved = resolve(self.config, overrides, world_size=self.world_size, here=False)
        print(render(resolved), end="")


@dataclass
class FlavorsCommand:
    """Print the table of model sizes: parameters, FLOPs a token, heads."""

    seq_len: int = 4096
    """Sequence length for the FLOPs of attention."""

    def run(self, overrides: Sequence[str]) -> None:
        from codetitan.models.code.flavors import table

        print(table(self.seq_len))


@dataclass
class PlanCommand:
    """Say what a configuration holds, sends and takes on N GPUs, before it is launched. Needs no GPU.

    Every other option is an override: --section.key VALUE.
    """

    config: Path
    """The TOML file."""

    world_size: int | None = None
    """GPUs; default: as few as the degrees allow."""

    gpu: str = "h100"
    """a100, h100, h200 or b200; the flags below change one."""

    nodes_of: int = 8
    """GPUs of a node."""

    rank: int = 0
    """The rank whose set-up is built whole by the trainer's own code."""

    json: bool = False
    """Print JSON: bytes, seconds, FLOPs."""

    search: bool = False
    """Compare degrees, microbatches and activation checkpointing for these GPUs instead; takes minutes."""

    output: Path | None = None
    """With --search: write the best as a TOML file, too."""

    gpu_memory_gib: float | None = None
    """Memory, as nvidia-smi lists it."""

    gpu_bf16_tflops: float | None = None
    """Dense bf16 peak, TFLOP/s."""

    gpu_fp8_tflops: float | None = None
    """Dense FP8 peak, TFLOP/s."""

    gpu_bandwidth: float | None = None
    """Memory bandwidth, TB/s."""

    nvlink: float | None = None
    """Bandwidth between the GPUs of a node, GB/s a GPU in one direction."""

    network: float | None = None
    """Bandwidth between nodes, GB/s a GPU in one direction."""

    def run(self, overrides: Sequence[str]) -> None:
        from codetitan.plan import gpus

        if self.output is not None and not self.search:
            raise ConfigError("--output needs --search")
        if self.search and self.json:
            raise ConfigError("--search prints no JSON; leave one of them out")
        _at_least_one("--world-size", self.world_size)
        _at_least_one("--nodes-of", self.nodes_of)
        changes = {
            "memory": (self.gpu_memory_gib, "--gpu-memory-gib", gpus.GIB),
            "bf16_flops": (self.gpu_bf16_tflops, "--gpu-bf16-tflops", 1e12),
            "fp8_flops": (self.gpu_fp8_tflops, "--gpu-fp8-tflops", 1e12),
            "memory_bandwidth": (self.gpu_bandwidth, "--gpu-bandwidth", 1e12),
            "nvlink": (self.nvlink, "--nvlink", 1e9),
            "network": (self.network, "--network", 1e9),
        }
        for value, option, _ in changes.values():
            if value is not None and not value > 0:
                raise ConfigError(f"{option} {value} must be above 0")
        gpu = gpus.find(self.gpu, **{k: None if v is None else v * unit for k, (v, _, unit) in changes.items()})
        from codetitan.plan import command

        command.run(
            self.config, overrides, world_size=self.world_size, gpu=gpu, nodes_of=self.nodes_of, rank=self.rank,
            as_json=self.json, searches=self.search, output=self.output,
        )  # fmt: skip


_SOURCES = "python-stdlib, directory:PATH, jsonl:PATH, parquet:PATH or huggingface:NAME"


@dataclass
class DataInspectCommand:
    """Show packed rows in colour: documents, metadata, prefix, suffix, middle.

    Every other option is an override: --section.key VALUE.
    """

    config: Path
    """The TOML file."""

    rows: int = 4
    """Rows to show, from the first of the first step."""

    html: Path | None = None
    """Write them as a page instead."""

    def run(self, overrides: Sequence[str]) -> None:
        import io

        from rich.console import Console

        from codetitan.data import inspect
        from codetitan.data.digest import open_loaders

        _at_least_one("--rows", self.rows)
        if self.html is not None and not self.html.absolute().parent.is_dir():
            raise ConfigError(f"--html {self.html} can't be written: No such file or directory")
        resolved = _resolve_data(self.config, overrides)
        (loader,) = open_loaders(resolved, 1)
        seq_len = resolved.config.training.seq_len
        width = 120 if self.html is not None else None
        console = Console(record=True, file=io.StringIO(), width=width) if self.html else Console(highlight=False)
        console.print(inspect.legend())
        for row in inspect.rows(loader, loader.tokenizer, seq_len, self.rows):
            console.print(row)
        if self.html is not None:
            _write(self.html, console.export_html())


@dataclass
class DataStatsCommand:
    """Count what a corpus holds, and what some steps of it serve.

    Every other option is an override: --section.key VALUE.
    """

    config: Path
    """The TOML file."""

    documents: int | None = None
    """Read at most this many documents of each source, evenly spread; default: all."""

    steps: int = 10
    """Steps to pack."""

    plot: Path | None = None
    """Draw lengths, languages and licences into this file (PNG, PDF or SVG)."""

    def run(self, overrides: Sequence[str]) -> None:
        from rich.console import Console

        from codetitan.data import stats
        from codetitan.data.digest import open_loaders

        _at_least_one("--steps", self.steps)
        _at_least_one("--documents", self.documents)
        if self.plot is not None and self.plot.suffix not in (".png", ".pdf", ".svg"):
            raise ConfigError(f"--plot {self.plot} must end in .png, .pdf or .svg")
        (loader,) = open_loaders(_resolve_data(self.config, overrides), 1)
        console = Console(highlight=False)
        corpora = []
        for source in loader.sources:
            corpora.append(stats.read_through(source, loader.tokenizer, at_most=self.documents))
            console.print(stats.corpus_report(corpora[-1]))
        console.print(stats.steps_report(stats.serve(loader, self.steps), self.steps))
        if self.plot is not None:
            try:
                stats.plot(corpora, self.plot)
            except OSError as error:
                raise ConfigError(f"--plot {self.plot} can't be written: {error.strerror}") from None
            print(f"{self.plot}: lengths, languages and licences")


@dataclass
class DataDigestCommand:
    """Print the SHA-256 of each step's global batch: inputs, labels and positions, rows in order.

    Every other option is an override: --section.key VALUE.
    """

    config: Path
    """The TOML file."""

    steps: int = 10
    """Steps to serve."""

    dp_degree: int = 1
    """Data-parallel ranks to serve with."""

    resume_at: int | None = None
    """Save after this step and go on from there."""

    resume_dp_degree: int | None = None
    """Data-parallel ranks to go on with; default: as many as before."""

    def run(self, overrides: Sequence[str]) -> None:
        import hashlib

        from codetitan.data.digest import digests

        for option, value in (
            ("--steps", self.steps),
            ("--dp-degree", self.dp_degree),
            ("--resume-at", self.resume_at),
            ("--resume-dp-degree", self.resume_dp_degree),
        ):
            _at_least_one(option, value)
        if self.resume_dp_degree is not None and self.resume_at is None:
            raise ConfigError("--resume-dp-degree needs --resume-at STEP")
        if self.resume_at is not None and self.resume_at >= self.steps:
            raise ConfigError(f"--resume-at {self.resume_at} must be below --steps {self.steps}")
        total = hashlib.sha256()
        for step, digest in enumerate(
            digests(
                _resolve_data(self.config, overrides),
                steps=self.steps,
                dp_degree=self.dp_degree,
                resume_at=self.resume_at,
                resume_dp_degree=self.resume_dp_degree,
            ),
            start=1,
        ):
            total.update(bytes.fromhex(digest))
            print(f"step {step} {digest}")
        print(f"total {total.hexdigest()}")


def _at_least_one(option: str, value: int | None) -> None:
    if value is not None and value < 1:
        raise ConfigError(f"{option} {value} must be at least 1")


def _resolve_data(config: Path, overrides: Sequence[str]) -> "Resolved":
    """Resolves a configuration for as many processes as its degrees need at least: data commands start none."""
    import logging

    from codetitan.config import data
    from codetitan.config.resolve import resolve

    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    resolved = resolve(config, overrides, world_size=None, here=False)
    data.require_sources(resolved.config)
    return resolved


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"--html {file} can't be written: {error.strerror}") from None
    print(file)


@dataclass
class TokenizerTrainCommand:
    """Train a byte-level BPE tokenizer and write it as a folder: tokenizer.json and tokenizer.tiktoken."""

    output: Path
    """The folder to write."""

    source: tuple[str, ...] = ("python-stdlib",)
    """What to train on: python-stdlib, directory:PATH, jsonl:PATH, parquet:PATH or huggingface:NAME; several are
    joined."""

    vocab_size: int = 32768
    """Number of ids, sentinels included."""

    dialect: str = "starcoder"
    """Token family whose sentinels get the first ids, e.g. starcoder2 or qwen2.5-coder."""

    def run(self, overrides: Sequence[str]) -> None:
        from codetitan.data.dialects import DIALECTS
        from codetitan.data.sources import SOURCE_TYPES, open_source, source_from_text
        from codetitan.tokenizer.train import train_tokenizer

        if self.dialect not in DIALECTS:
            hint = did_you_mean(self.dialect, DIALECTS)
            raise ConfigError(f'--dialect "{self.dialect}" must be one of {", ".join(DIALECTS)}{hint}')
        opened = []
        for text in self.source:
            options: dict[str, Any] = dict(source_from_text(text))
            kind = options.pop("type")
            if kind not in SOURCE_TYPES or (kind == "python-stdlib") == bool(options):
                raise ConfigError(f'--source "{text}" must be {_SOURCES}{did_you_mean(kind, SOURCE_TYPES)}')
            opened.append(open_source(SOURCE_TYPES[kind](**options)))
        dialect = DIALECTS[self.dialect]
        tokenizer = train_tokenizer(opened, vocab_size=self.vocab_size, output=self.output, dialect=dialect)
        print(f"{self.output}/tokenizer.json: {tokenizer.get_vocab_size():,} ids")


Command = (
    Annotated[ConfigCommand, tyro.conf.subcommand("config")]
    | Annotated[PlanCommand, tyro.conf.subcommand("plan")]
    | Annotated[FlavorsCommand, tyro.conf.subcommand("flavors")]
    | Annotated[DataInspectCommand, tyro.conf.subcommand("data inspect")]
    | Annotated[DataStatsCommand, tyro.conf.subcommand("data stats")]
    | Annotated[DataDigestCommand, tyro.conf.subcommand("data digest")]
    | Annotated[TokenizerTrainCommand, tyro.conf.subcommand("tokenizer train")]
)
COMMANDS = ("config", "plan", "flavors", "data inspect", "data stats", "data digest", "tokenizer train")
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
        if rest and not isinstance(command, _TAKE_OVERRIDES):
            raise ConfigError(f'"{rest[0]}": unknown option; see codetitan --help')
        _check_options(command, rest)
        command.run(rest)
    except ConfigError as error:
        return fail(error)
    except BrokenPipeError:  # `codetitan config … | head`
        sys.stderr.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
