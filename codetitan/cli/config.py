"""`codetitan config` and `flavors`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from codetitan.cli.options import at_least_one


@dataclass
class ConfigCommand:
    """Print the resolved configuration, of a run or of prepare, as TOML, each value with where it came from.

    Every other option is an override: --section.key VALUE.
    """

    config: Path
    """The TOML file."""

    world_size: int | None = None
    """Check the plan for this many processes; default: for as few as its degrees allow. Needs no GPU."""

    def run(self, overrides: Sequence[str]) -> None:
        at_least_one("--world-size", self.world_size)
        from codetitan import starts
        from codetitan.config.load import find, load

        file, collected = find(self.config), starts.pause()  # nothing here lives long
        from codetitan.config.render import render, render_tables
        from codetitan.config.resolve import resolve

        if "prepare" in (tree := load(file, overrides)):
            from codetitan.prepare.config import Root

            print(render_tables(Root.of(tree), tree), end="")
            return

        resolved = resolve(file, overrides, world_size=self.world_size, here=False)
        starts.go_on(collected)
        print(render(resolved), end="")


@dataclass
class FlavorsCommand:
    """Print the table of model sizes: parameters, FLOPs a token, heads."""

    seq_len: int = 4096
    """Sequence length for the FLOPs of attention."""

    def run(self, overrides: Sequence[str]) -> None:
        from codetitan.models.code.flavors import table

        at_least_one("--seq-len", self.seq_len)
        print(table(self.seq_len))
