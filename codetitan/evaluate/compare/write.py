"""All of a comparison: reads the folders, refuses what does not compare, and shows and writes the rest."""

from collections.abc import Callable, Sequence
from pathlib import Path

from codetitan.errors import ConfigError
from codetitan.evaluate import results
from codetitan.evaluate.compare import agreement, plots, runs, table
from codetitan.evaluate.compare.runs import Run
from codetitan.hf.folder import check_local

MARKDOWN = "comparison.md"
PLOTS: dict[str, Callable[[Sequence[Run], Path], bool]] = {"curves.png": plots.curves, "scores.png": plots.scores}


def compare(
    paths: Sequence[Path], *, output: Path | None, anyway: bool, say: Callable[[str], None] = print
) -> list[Run]:
    """Shows runs side by side.

    Args:
        paths: folders of runs, or that `codetitan evaluate` wrote.
        output: folder for the table and the plots; of an earlier comparison, they are replaced.
        anyway: whether to compare what is measured in different ways.
        say: called with the table, and with where it is.

    Raises:
        ConfigError: a folder has nothing to compare, what they have does not compare, or the output can't be written.
    """
    if output is not None:
        check_local("--output", output)
        if output.exists() and not output.is_dir():
            raise ConfigError(f"--output {output} is no folder")
    found = [runs.read(path, name) for path, name in zip(paths, runs.names(paths), strict=True)]
    if not anyway:
        agreement.check(found)
    text = table.markdown(found, agreement.differing(found))
    written = [] if output is None else _write(found, text, output)
    say(text)
    if written:
        say(f"{output}: {', '.join(written)}")
    return found


def _write(found: Sequence[Run], text: str, output: Path) -> list[str]:
    """Writes the table and the plots; returns their names."""
    try:
        output.mkdir(parents=True, exist_ok=True)
        for name in PLOTS:  # of an earlier comparison
            (output / name).unlink(missing_ok=True)
        pictures = [name for name, draw in PLOTS.items() if draw(found, output / name)]
    except OSError as error:
        raise ConfigError(f"--output {output} can't be written: {error.strerror}") from None
    text += "".join(f"\n![{name.removesuffix('.png')}]({name})\n" for name in pictures)
    results.write(output / MARKDOWN, text)
    return [MARKDOWN, *pictures]
