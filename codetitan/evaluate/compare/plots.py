"""The comparison as pictures: curves over the tokens that a run has seen, and scores with their standard errors."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from codetitan.evaluate.compare.runs import Run
from codetitan.evaluate.compare.table import is_per_cent, label, last, rows
from codetitan.evaluate.report import verbatim

_COLUMNS = 4
_LINES = ("-", "--", "-.", ":")


def _pyplot() -> Any:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot


def curves(runs: Sequence[Run], file: Path) -> bool:
    """Draws each number that is known after several steps, a panel a number and a line a run; returns whether there is
    one."""
    names = [name for name in rows(runs) if any(len(run.curves.get(name, ())) > 1 for run in runs)]
    if not names:
        return False
    pyplot = _pyplot()
    by_tokens = all(point.tokens is not None for run in runs for points in run.curves.values() for point in points)
    columns = min(_COLUMNS, len(names))
    n_rows = math.ceil(len(names) / columns)
    figure, axes = pyplot.subplots(
        n_rows, columns, squeeze=False, figsize=(3.6 * columns, 2.9 * n_rows + 0.5), layout="constrained"
    )
    for axis, name in zip(axes.flat, names, strict=False):
        scale = 100.0 if is_per_cent(name) else 1.0
        for number, run in enumerate(runs):
            points = run.curves.get(name, [])
            places = [point.tokens if by_tokens else point.step for point in points]
            errors = (
                [scale * (point.error or 0.0) for point in points] if any(point.error for point in points) else None
            )
            axis.errorbar(
                places, [scale * point.value for point in points], errors,
                color=f"C{number % 10}", linestyle=_LINES[number % len(_LINES)],  # one may lie upon another
                marker="." if len(points) < 40 else None, capsize=2, lw=1.4,
            )  # fmt: skip
        axis.set_title(verbatim(label(name)) + (", %" if scale > 1 else ""), fontsize=9)
        axis.xaxis.set_major_formatter(pyplot.matplotlib.ticker.EngFormatter(sep=""))
        axis.tick_params(labelsize=8)
        axis.grid(alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
    for axis in axes.flat[len(names) :]:
        axis.set_visible(False)
    figure.supxlabel("tokens seen" if by_tokens else "step", fontsize=9)
    lines = [
        pyplot.Line2D([], [], color=f"C{number % 10}", linestyle=_LINES[number % len(_LINES)])
        for number in range(len(runs))
    ]
    _save(pyplot, figure, lines, runs, file)
    return True


def scores(runs: Sequence[Run], file: Path) -> bool:
    """Draws the last scores of evaluations, a panel a score and a bar a run; returns whether there is one."""
    names = [name for name in rows(runs) if name.startswith("evaluation/")]
    if not names:
        return False
    pyplot = _pyplot()
    columns = min(_COLUMNS, len(names))
    n_rows = math.ceil(len(names) / columns)
    figure, axes = pyplot.subplots(
        n_rows, columns, squeeze=False, figsize=(max(2.4, 0.9 * len(runs)) * columns, 2.9 * n_rows + 0.6),
        layout="constrained",
    )  # fmt: skip
    for axis, name in zip(axes.flat, names, strict=False):
        scale = 100.0 if is_per_cent(name) else 1.0
        for place, run in enumerate(runs):
            score = last(run, name)
            if score is not None:
                error = None if score.standard_error is None else scale * score.standard_error
                bar = axis.bar(place, scale * score.value, yerr=error, capsize=4, color=f"C{place % 10}")
                axis.bar_label(bar, fmt="%.1f" if scale > 1 else "%.3f", fontsize=8, padding=2)
        axis.set_xticks([])
        axis.set_xlim(-0.6, len(runs) - 0.4)  # a place for who has none
        axis.set_title(verbatim(label(name)) + (", %" if scale > 1 else ""), fontsize=9)
        axis.tick_params(labelsize=8)
        axis.set_ylim(0, max(axis.get_ylim()[1], 1.0 if scale > 1 else 0.0))
        axis.spines[["top", "right"]].set_visible(False)
    for axis in axes.flat[len(names) :]:
        axis.set_visible(False)
    patches = [pyplot.Rectangle((0, 0), 1, 1, color=f"C{place % 10}") for place in range(len(runs))]
    _save(pyplot, figure, patches, runs, file)
    return True


def _save(pyplot: Any, figure: Any, handles: Sequence[Any], runs: Sequence[Run], file: Path) -> None:
    """Writes a figure with a legend of the runs; matplotlib itself would leave out one by the name _a."""
    names = [run.name if len(run.name) <= 60 else f"…{run.name[-59:]}" for run in runs]
    labels = [verbatim(name) for name in names]
    figure.legend(handles, labels, loc="outside upper center", ncols=min(4, len(labels)), fontsize=8, frameon=False)
    figure.savefig(file, dpi=130)
    pyplot.close(figure)
