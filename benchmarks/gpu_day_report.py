"""What gpu_day.py leaves: results.json, results.md and plots, written again after every check and row."""

import json
import statistics
from collections.abc import Sequence
from pathlib import Path

import throughput_report
from throughput_plots import NONE, Row, plt, write_plots


def _switch_rows(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row.get("group") == "switches" and "summary" in row]


def _speed(row: Row) -> float:
    return float(row["summary"]["tok_per_s_per_device"])


def drift(rows: Sequence[Row]) -> float | None:
    """Returns how far apart the turns of the default are, relative to their mean; None with fewer than two."""
    speeds = [_speed(row) for row in _switch_rows(rows) if row["turn"] is not None]
    return (max(speeds) - min(speeds)) / statistics.fmean(speeds) if len(speeds) > 1 else None


def compared(rows: Sequence[Row]) -> list[Row]:
    """Returns, of each measured switch, its speed relative to the default measured before and after it.

    `ratio` is to the mean of the nearest measured turns on both sides; a switch without any is left out. `verdict` says
    on which side of the drift of all turns it is.
    """
    found, measured, apart = [], _switch_rows(rows), drift(rows)
    for i, row in enumerate(measured):
        if row["turn"] is not None:
            continue
        before = [_speed(other) for other in measured[:i] if other["turn"] is not None][-1:]
        after = [_speed(other) for other in measured[i:] if other["turn"] is not None][:1]
        if not before and not after:
            continue
        ratio = _speed(row) / statistics.fmean(before + after)
        if apart is None:
            verdict = "one turn of the default: no drift known"
        elif abs(ratio - 1) <= apart:
            verdict = f"within the drift of {apart:.1%}"
        else:
            verdict = "faster" if ratio > 1 else "slower"
        found.append({"name": row["name"], "speed": _speed(row), "ratio": ratio, "verdict": verdict})
    return found


def bars(rows: Sequence[Row]) -> list[tuple[str, str, str, str]]:
    """Returns the goals of benchmarks/README.md: what, measured, goal, and whether it is met."""
    measured = [row for row in rows if "summary" in row and row["settings"]["devices"] == 1]
    ours = [row for row in measured if row["trainer"] == "codetitan"]
    by_name = {row["name"]: row for row in measured}

    def bar(what: str, value: float | None, form: str, goal: float, *, most: bool = False) -> None:
        if value is None:
            found.append((what, "not measured", f"{'<' if most else '≥'} {goal:{form}}", NONE))
        else:
            met = value < goal if most else value >= goal
            found.append((what, f"{value:{form}}", f"{'<' if most else '≥'} {goal:{form}}", "yes" if met else "no"))

    found: list[tuple[str, str, str, str]] = []
    small = [
        row
        for row in ours
        if row["settings"]["flavor"] == "350m" and row["settings"]["peak"] == "bf16" and row["summary"]["mfu_full"]
    ]
    for kind, rows_ in (
        ("document masks", [row for row in small if row["settings"]["attention"] != "sdpa"]),
        ("sdpa, no document masks", [row for row in small if row["settings"]["attention"] == "sdpa"]),
    ):
        best = max(rows_, key=lambda row: row["summary"]["mfu_full"], default=None)
        name = f" ({best['name']})" if best else ""
        bar(f"350m, best MFU, {kind}{name}", best and best["summary"]["mfu_full"], ".1%", 0.5)
    bf16, fp8 = by_name.get("1_3b, bf16"), by_name.get("1_3b, FP8 tensorwise")
    bar("1_3b, FP8 tensorwise × bf16", _speed(fp8) / _speed(bf16) if fp8 and bf16 else None, ".3f", 1.15)
    for baseline, goal in (("torchtitan", 1.05), ("pytorch", 1.0)):
        row = by_name.get("350m, none, codetitan", {})
        bar(f"350m × {baseline}", row.get("ratios", {}).get(baseline), ".3f", goal)
    shares = [row["summary"]["data_share"] for row in ours if row["summary"]["data_share"] is not None]
    bar("share of a step that waits for data, worst row", max(shares, default=None), ".2%", 0.01, most=True)
    return found


def _table(columns: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
    cells = [columns, ["---"] * len(columns), *lines]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in cells] + [""]


def markdown(run: Row, checks: Sequence[Row], rows: Sequence[Row]) -> str:
    """Returns the report; every row has been summarized."""
    device = run["device"]
    lines = [f"# A day with {run['processes']} × {device['name']}", ""]
    if run["tiny"]:
        lines += ["With `--check`, every run made tiny: a check of the programs, no statement on speed.", ""]
    lines += [f"{name}: {value}  " for name, value in run["environment"].items()]
    lines += ["", f"{run['date']}; the budget was {run['minutes']:g} minutes.", "", "## Checks", ""]
    checked = [
        (
            row["name"],
            row["question"],
            row["verdict"],
            row["detail"],
            f"{row['wall_s']:.0f}" if "wall_s" in row else NONE,
        )
        for row in checks
    ]
    lines += _table(("check", "question", "verdict", "figures", "s"), checked)
    if not run["tiny"]:  # a tiny run's ratios would be taken for an answer
        lines += ["## Goals", "", *_table(("what", "measured", "goal", "met"), bars(rows))]
    if switched := compared(rows):
        lines += ["## Switches, each alone, against the default before and after it", ""]
        cells = [(one["name"], f"{one['speed']:,.0f}", f"{one['ratio']:.3f}", one["verdict"]) for one in switched]
        lines += _table(("switch", "tok/s", "× default", ""), cells)
    lines += ["## Rows", "", *throughput_report.table(run, rows), ""]
    return "\n".join([*lines, *throughput_report.origin(run)])


def plot_switches(rows: Sequence[Row], file: Path) -> None:
    """A bar a switch: percent faster than the default, with the default's drift as a band."""
    switched, apart = compared(rows), drift(rows)
    figure, axis = plt.subplots(figsize=(9, 1.5 + 0.32 * len(switched)), layout="constrained")
    percent = [100 * (one["ratio"] - 1) for one in switched]
    axis.barh(range(len(switched)), percent, color="tab:blue")
    axis.set_yticks(range(len(switched)), [one["name"] for one in switched])
    axis.invert_yaxis()
    if apart is not None:
        axis.axvspan(-100 * apart, 100 * apart, color="lightgrey", zorder=0, label="drift of the default")
        axis.legend(loc="best", fontsize=8)
    axis.axvline(0, color="black", lw=0.8)
    axis.set_xlabel("% more tok/s than the default")
    figure.savefig(file, dpi=120)
    plt.close(figure)


def _replace(file: Path, text: str) -> None:
    part = file.with_name(f".{file.name}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(file)


def write(folder: Path, run: Row, checks: Sequence[Row], rows: Sequence[Row], *, plots: bool) -> list[Path]:
    """Writes what there is by now, each file in one piece; returns the files.

    Args:
        folder: of the results.
        run: the environment of this start.
        checks: a record of each check, those not run too.
        rows: a record of each row, those not run too.
        plots: whether a row has changed since they were drawn.
    """
    rows = throughput_report.summarized(rows, run["device"])
    content = {**run, "checks": list(checks), "rows": rows, "switches": compared(rows)}
    _replace(folder / "results.json", json.dumps(content, indent=1) + "\n")
    _replace(folder / "results.md", markdown(run, checks, rows))
    files = [folder / "results.json", folder / "results.md"]
    if plots:
        files += write_plots(folder, run, [row for row in rows if row.get("group") != "switches"])
        if compared(rows):
            files.append(folder / "switches.png")
            plot_switches(rows, files[-1])
    return files
