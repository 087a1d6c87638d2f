"""`codetitan compare`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from codetitan.errors import ConfigError


@dataclass
class CompareCommand:
    """Put runs and evaluations side by side: validation curves, last numbers, scores with their standard errors."""

    WORDS: ClassVar[str] = "--runs"

    runs: tuple[Path, ...] = ()
    """Folders of runs (dump_folder), or that `codetitan evaluate` wrote; codetitan compare RUN RUN … for short."""

    output: Path | None = None
    """Write the table there too (comparison.md), with curves.png and scores.png."""

    anyway: bool = False
    """Compare what was measured on different tokens, or asked in different ways."""

    def run(self, overrides: Sequence[str]) -> None:
        from codetitan.evaluate.compare.write import compare

        if not self.runs:
            raise ConfigError("compare: no run is named; codetitan compare outputs/a outputs/b")
        compare(self.runs, output=self.output, anyway=self.anyway)
