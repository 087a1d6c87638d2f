"""`codetitan data inspect`, `stats`, `digest` and `held-out`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from codetitan.cli.options import at_least_one
from codetitan.errors import ConfigError

if TYPE_CHECKING:
    from codetitan.config.resolve import Resolved


@dataclass
class DataInspectCommand:
    """Show packed rows in colour: documents, metadata, prefix, suffix, middle; of conversations, what is learnt; or the
    kinds of text.

    Every other option is an override: --section.key VALUE.
    """

    config: Path
    """The TOML file."""

    rows: int = 4
    """Rows to show, from the first of the first step."""

    kinds: bool = False
    """Show code, comments and documentation instead; where there is no colour, «comment …» and «docstring …»."""

    html: Path | None = None
    """Write them as a page instead."""

    def run(self, overrides: Sequence[str]) -> None:
        import io

        from rich.console import Console

        from codetitan.data.views import inspect
        from codetitan.data.views.digest import open_loaders

        at_least_one("--rows", self.rows)
        if self.html is not None and not self.html.absolute().parent.is_dir():
            raise ConfigError(f"--html {self.html} can't be written: No such file or directory")
        resolved = _resolve_data(self.config, overrides)
        (loader,) = open_loaders(resolved, 1, annotate=self.kinds)
        seq_len = resolved.config.training.seq_len
        width = 120 if self.html is not None else None
        console = Console(record=True, file=io.StringIO(), width=width) if self.html else Console(highlight=False)
        conversations = loader.config.conversations is not None
        without_colour = self.html is None and (console.color_system is None or console.no_color)
        marked = (self.kinds or conversations) and without_colour
        console.print(inspect.legend(kinds=self.kinds, marked=marked, conversations=conversations))
        for row in inspect.rows(loader, loader.tokenizer, seq_len, self.rows, marked=marked):
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

        from codetitan.data.views import stats
        from codetitan.data.views.digest import open_loaders

        at_least_one("--steps", self.steps)
        at_least_one("--documents", self.documents)
        if self.plot is not None and self.plot.suffix not in (".png", ".pdf", ".svg"):
            raise ConfigError(f"--plot {self.plot} must end in .png, .pdf or .svg")
        (loader,) = open_loaders(_resolve_data(self.config, overrides), 1)
        console = Console(highlight=False)
        corpora = []
        for selection in loader.selections:
            corpora.append(stats.read_through(selection, loader, at_most=self.documents))
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

        from codetitan.data.views.digest import digests

        for option, value in (
            ("--steps", self.steps),
            ("--dp-degree", self.dp_degree),
            ("--resume-at", self.resume_at),
            ("--resume-dp-degree", self.resume_dp_degree),
        ):
            at_least_one(option, value)
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


@dataclass
class DataHeldOutCommand:
    """Write the documents that a run is measured on, as JSON Lines, in the order in which it takes them.

    They are of a share that is held out, or of validation.sources, without those of which the training has a copy. A
    run of the same configuration finds the answer in the cache. Every other option is an override: --section.key VALUE.
    """

    config: Path
    """The TOML file, such as the config.toml of a run's folder."""

    output: Path
    """The file to write, such as held-out.jsonl, for `codetitan evaluate --data`."""

    def run(self, overrides: Sequence[str]) -> None:
        import json

        from codetitan.data.validation.find import documents
        from codetitan.training.validation import look

        config = _resolve_data(self.config, overrides).config
        sources = config.dataloader.sources
        found = look(config.validation, sources)
        if found is None:
            raise ConfigError("validation.share = 0.0: nothing is held out; set it, or name validation.sources")
        lines = []
        for document in documents(config.validation, sources, found):
            record = {"text": document.text, "path": document.path, "language": document.language}
            record |= {} if document.repo is None else {"repo": document.repo}
            lines.append(json.dumps(record | ({} if document.licence is None else {"license": document.licence})))
        _write(self.output, "".join(f"{line}\n" for line in lines), "--output")
        print(found.summary(config.validation))


def _resolve_data(config: Path, overrides: Sequence[str]) -> "Resolved":
    """Resolves a configuration for as many processes as its degrees need at least: data commands start none."""
    import logging

    from codetitan.config import data
    from codetitan.config.load import find
    from codetitan.config.resolve import resolve

    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    resolved = resolve(find(config), overrides, world_size=None, here=False)
    data.require_sources(resolved.config)
    return resolved


def _write(file: Path, text: str, option: str = "--html") -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{option} {file} can't be written: {error.strerror}") from None
    print(file)
