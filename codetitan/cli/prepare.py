"""`codetitan prepare`: from raw code to a corpus, and why a file is not in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from codetitan.errors import ConfigError


@dataclass
class PrepareCommand:
    """Make a corpus of raw code: rules, licences, secrets, duplicates; each drop with its reason.

    Then `codetitan prepare why` says why a file is not in it, and `codetitan prepare diff` compares two.
    """

    config: Path
    """The TOML file, with a table [prepare]."""

    output: Path
    """The folder for corpus, dropped, licences, report.html and report.md: new, or of an earlier command, which then
    goes on."""

    remove_old: bool = False
    """Remove what commands with other thresholds or sources have left in the folder."""

    dry_run: bool = False
    """Say what it would come to, from a sample, and what of the folder would be done again; write nothing there."""

    sample: Annotated[float | None, tyro.conf.arg(metavar="SHARE")] = None
    """With --dry-run: the share of the raw code, such as 0.02; without it about 50 MB."""

    def run(self, overrides: Sequence[str]) -> None:
        if self.sample is not None and not 0 < self.sample <= 1:
            raise ConfigError(f"--sample {self.sample} must be above 0 and at most 1, such as 0.02")
        if self.sample is not None and not self.dry_run:
            raise ConfigError("--sample goes with --dry-run, which writes nothing; add that")
        try:
            self._run(overrides)
        except KeyboardInterrupt as error:  # the engine tells of one that falls into its stages what is done
            if self.dry_run:
                print("stopped; a dry run leaves nothing behind")
            elif not getattr(error, "__notes__", ()):
                print("stopped; the same command goes on")
            raise

    def _run(self, overrides: Sequence[str]) -> None:
        from codetitan.prepare.config import read_config

        if self.dry_run:
            from codetitan.prepare.dry_run import dry_run

            dry_run(read_config(self.config, overrides), self.output, self.sample)
            return
        from codetitan.prepare.run import prepare

        prepare(read_config(self.config, overrides), self.output, remove_old=self.remove_old)


@dataclass
class PrepareWhyCommand:
    """Say why a file is not in a corpus; codetitan prepare why --output DIR PATH for short."""

    WORDS = "--path"

    output: Path
    """Of codetitan prepare."""

    path: Annotated[tuple[str, ...], tyro.conf.arg(metavar="PATH", help_behavior_hint="(required)")] = ()
    """REPOSITORY/PATH, a path, or the end of one."""

    def run(self, overrides: Sequence[str]) -> None:
        from codetitan.prepare.report.why import why

        if len(self.path) != 1:
            raise ConfigError("prepare why: name one file; codetitan prepare why --output DIR PATH")
        for line in why(self.output, self.path[0]):
            print(line)


@dataclass
class PrepareDiffCommand:
    """Compare two corpora: what each keeps, and which files one drops by which rule; codetitan prepare diff A B."""

    WORDS = "--outputs"

    outputs: Annotated[tuple[Path, ...], tyro.conf.arg(metavar="A B", help_behavior_hint="(required)")] = ()
    """Two folders, each the --output of codetitan prepare."""

    show: int = 3
    """How many files of each kind of difference are named."""

    def run(self, overrides: Sequence[str]) -> None:
        from codetitan.prepare.report.diff import diff

        if self.show < 0:
            raise ConfigError(f"--show {self.show} must not be negative; 0 names no file")
        if len(self.outputs) != 2:
            raise ConfigError(
                f"prepare diff: compares two folders, not {len(self.outputs)}; codetitan prepare diff A B"
            )
        for line in diff(*self.outputs, self.show):
            print(line)
