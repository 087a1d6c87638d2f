"""The plots of throughput.py: bars a row, lines over the models' sizes, predicted beside measured."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from codetitan.models.code.flavors import FLAVORS

Row = dict[str, Any]
NONE = "–"
MESH = ("replicate", "fsdp", "tp", "pp", "cp")
_COLORS = {"codetitan": "tab:blue", "torchtitan": "tab:orange", "pytorch": "tab:green"}


def _model(settings: Row) -> str:
    flavor, n_params = settings["flavor"], settings["n_params"]
    unchanged = flavor in FLAVORS and FLAVORS[flavor].n_params == n_params
    return flavor if unchanged else f"{flavor} of {n_params / 1e6:,.1f}M"


# what a label says of a row's settings
_SAID: list[Callable[[Row], str]] = [
    _model,
    lambda s: s["attention"],
    lambda s: f"T {s['seq_len']}",
    lambda s: " ".join(f"{name} {s[name]}" for name in MESH if s[name] > 1) or "one device",
    lambda s: f"AC {s['ac']}",
    lambda s: "compile" if s["compile"] else "eager",
    lambda s: s["precision"],
    lambda s: f"micro {s['micro_batch']}",
    lambda s: f"batch {s['global_batch']}",
]


def labels(rows: Sequence[Row], *, by_size: bool = False) -> list[str]:
    """Returns each row's trainer and the settings that differ between rows; by size: between rows of one size.

    A row with a `label` of its own has that instead, but by size.
    """
    groups = defaultdict(list)
    for row in rows:
        groups[row["settings"]["n_params"] if by_size else None].append(row)
    said = [say for say in _SAID if any(len({say(row["settings"]) for row in group}) > 1 for group in groups.values())]
    made = [" · ".join([row["trainer"], *(say(row["settings"]) for say in said)]) for row in rows]
    return made if by_size else [row["settings"].get("label", name) for row, name in zip(rows, made, strict=True)]


def _panels(names: Sequence[str], n: int) -> tuple[Any, Any]:
    """Returns a figure with n panels side by side, a line a name: as high and as wide as the names need."""
    figure, axes = plt.subplots(
        1, n, figsize=(0.5 + 0.08 * max(map(len, names)) + 5 * n, 1.5 + 0.32 * len(names)), sharey=True, squeeze=False,
        layout="constrained",
    )  # fmt: skip
    axes[0][0].set_yticks(range(len(names)), names)
    axes[0][0].set_ylim(len(names) - 0.5, -0.5)
    return figure, axes[0]


def _write_beside(axis: Any, texts: Sequence[str], ends: Sequence[float]) -> None:
    """Writes each line's text to the right of where it ends, and makes room for it."""
    for place, (text, end) in enumerate(zip(texts, ends, strict=True)):
        axis.annotate(text, (end, place), (8, 0), textcoords="offset points", va="center", fontsize=8)
    axis.set_xlim(0, 1.4 * max(ends))


def _save(figure: Any, title: str, file: Path) -> None:
    figure.suptitle(title, fontsize=10)
    figure.savefig(file, dpi=120)
    plt.close(figure)


def plot_by_setting(rows: Sequence[Row], unit: str, title: str, file: Path) -> None:
    """A bar a row: tokens a second with quartiles and, where there is a peak, MFU with full and causal attention."""
    summaries, colors = [row["summary"] for row in rows], [_COLORS[row["trainer"]] for row in rows]
    with_mfu = any(m["mfu_full"] is not None for m in summaries)
    figure, (speed, *rest) = _panels(labels(rows), 1 + with_mfu)
    places = range(len(rows))
    speeds = [m["tok_per_s_per_device"] for m in summaries]
    quartiles = [m["tok_per_s_per_device_quartiles"] for m in summaries]
    around = [[abs(pair[side] - median) for pair, median in zip(quartiles, speeds, strict=True)] for side in (0, 1)]
    speed.barh(places, speeds, color=colors, xerr=around, error_kw={"lw": 1, "capsize": 2})
    speed.set_xlabel(f"tok/s a {unit}, median and quartiles")
    speed.xaxis.set_major_formatter("{x:,.0f}")
    _write_beside(speed, [f"{median:,.0f}" for median in speeds], [high for _, high in quartiles])
    for mfu in rest:
        full, causal = ([100 * (m[name] or 0) for m in summaries] for name in ("mfu_full", "mfu_causal"))
        mfu.barh(places, full, color=colors)
        mfu.plot(causal, places, "k|", ms=10)
        mfu.set_xlabel("MFU in %: the bar with full, the line with causal attention")
        peaks = [m["mfu_peak"] and f"{m['mfu_full']:.1%} of {m['mfu_peak'].upper()}" for m in summaries]
        _write_beside(mfu, [peak or NONE for peak in peaks], full)
    _save(figure, title, file)


def plot_by_size(rows: Sequence[Row], unit: str, title: str, file: Path) -> None:
    """Tokens a second and, where there is a peak, MFU over the parameters: a line a setting."""
    lines = defaultdict(list)
    for name, row in zip(labels(rows, by_size=True), rows, strict=True):
        lines[name].append(row)
    with_mfu = any(row["summary"]["mfu_full"] is not None for row in rows)
    figure, axes = plt.subplots(
        1, 1 + with_mfu, figsize=(6 * (1 + with_mfu), 4 + 0.2 * len(lines)), squeeze=False, layout="constrained"
    )
    sizes = {row["settings"]["n_params"]: _model(row["settings"]) for row in rows}
    panels = [("tok_per_s_per_device", f"tok/s a {unit}", 1), ("mfu_full", "MFU in %, full attention", 100)]
    for axis, (figure_name, said, scale) in zip(axes[0], panels, strict=False):
        for i, (name, line) in enumerate(sorted(lines.items())):
            drawn = sorted(
                (row["settings"]["n_params"], scale * row["summary"][figure_name])
                for row in line
                if row["summary"][figure_name] is not None
            )
            marker, color = "osD^vPX*"[i % 8], plt.get_cmap("tab20")(i % 20)
            axis.plot([x for x, _ in drawn], [y for _, y in drawn], marker=marker, color=color, label=name)
        axis.set(xscale="log", xlabel="model", ylabel=said, ylim=(0, None))
        axis.minorticks_off()
        axis.set_xticks(list(sizes), list(sizes.values()))
        axis.yaxis.set_major_formatter("{x:,.0f}")
        axis.grid(alpha=0.3)
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", fontsize=8)
    _save(figure, title, file)


def plot_predicted(rows: Sequence[Row], title: str, file: Path) -> None:
    """Predicted against measured memory and time of a step, a line a row."""
    figure, axes = _panels(labels(rows), 2)
    for axis, figure_name, said in zip(axes, ("memory_gib", "step_s"), ("memory in GiB", "s a step"), strict=True):
        measured = [row["summary"][figure_name] for row in rows]
        predicted = [row["prediction"][figure_name] for row in rows]
        axis.hlines(range(len(rows)), measured, predicted, color="lightgrey", zorder=0)
        axis.plot(measured, range(len(rows)), "o", color="tab:blue", label="measured")
        axis.plot(predicted, range(len(rows)), "D", mfc="none", color="tab:red", label="predicted")
        axis.set_xlabel(said)
        errors = [f"{p / m - 1:+.0%}" for m, p in zip(measured, predicted, strict=True)]
        _write_beside(axis, errors, [max(pair) for pair in zip(measured, predicted, strict=True)])
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=8)
    _save(figure, title, file)


def write_plots(folder: Path, run: Row, rows: Sequence[Row]) -> list[Path]:
    """Draws the plots that the rows allow; returns the files."""
    files: list[Path] = []
    measured = [row for row in rows if "summary" in row]
    on_gpu = run["device"]["type"] == "cuda"
    unit, title = "GPU" if on_gpu else "process", f"{run['processes']} × {run['device']['name']}"
    if not on_gpu:
        title += " (a CPU: that all of them run, not how fast they are on a GPU)"
    if measured:
        files.append(folder / "by-setting.png")
        plot_by_setting(measured, unit, title, files[-1])
    if len({row["settings"]["n_params"] for row in measured}) > 1:
        files.append(folder / "by-size.png")
        plot_by_size(measured, unit, title, files[-1])
    predicted = [row for row in measured if "memory_gib" in row.get("prediction", {})]
    if predicted and on_gpu:  # a prediction is a GPU's
        files.append(folder / "predicted.png")
        plot_predicted(predicted, title, files[-1])
    return files
