"""What throughput.py leaves: the Markdown table and all of it as JSON; throughput_plots.py draws."""

import functools
import json
import statistics
from collections.abc import Sequence
from pathlib import Path

from codetitan.training.metrics import known_peak_flops
from throughput_plots import MESH, NONE, Row, write_plots

_WORK = ("shape", "seq_len", "global_batch", "micro_batch", "mixed_precision", "devices", "compile")
# baseline → the settings in which codetitan's point must be the same; FP8, which neither has, is compared with BF16.
_SAME = {"torchtitan": (*_WORK, *MESH, "ac", "attention"), "pytorch": _WORK}
_peak_flops = functools.cache(known_peak_flops)  # which logs each time that there is no lspci


def summarize(row: Row, device: Row) -> Row:
    """Returns the figures of a measured row: medians, quartiles, FLOP/s and the shares of a peak where there is one."""
    measured, settings = row["measured"], row["settings"]
    low, median, high = statistics.quantiles(measured["tok_per_s_per_device"], n=4, method="inclusive")
    flop_per_s = settings["flops_per_token"] * median
    peak = _peak_flops(device["name"], settings["peak"]) if device["type"] == "cuda" else None
    return {
        "tok_per_s_per_device": median,
        "tok_per_s_per_device_quartiles": [low, high],
        "step_s": statistics.median(measured["step_s"]),
        "data_share": statistics.median(measured["data_share"]) if measured.get("data_share") else None,
        "memory_gib": measured["memory_gib"],
        "flop_per_s_per_device": flop_per_s,
        "mfu_full": peak and flop_per_s / peak,
        "mfu_causal": peak and settings["causal_flops_per_token"] * median / peak,
        "mfu_peak": peak and settings["peak"],
        "peak_flop_per_s": peak,
    }


def add_ratios(rows: Sequence[Row]) -> None:
    """Sets `ratios` of codetitan's measured rows: baseline → tokens a second relative to it, at the same settings."""
    speeds = {
        (row["trainer"], _same(row, row["trainer"])): row["summary"]["tok_per_s_per_device"]
        for row in rows
        if "summary" in row and row["trainer"] in _SAME
    }
    for row in rows:
        if "summary" in row and row["trainer"] == "codetitan":
            speed = row["summary"]["tok_per_s_per_device"]
            found = {baseline: speeds.get((baseline, _same(row, baseline))) for baseline in _SAME}
            row["ratios"] = {baseline: speed / other for baseline, other in found.items() if other is not None}


def _same(row: Row, baseline: str) -> str:
    return json.dumps([row["settings"][name] for name in _SAME[baseline]])


def one_line(row: Row) -> str:
    """Returns a row as it is printed when its point is done."""
    if row["status"] != "ok":
        return f"{row['name']}: {row['status']}: {row['reason']}"
    tok_per_s, step_s = (statistics.median(row["measured"][name]) for name in ("tok_per_s_per_device", "step_s"))
    return f"{row['name']}: {tok_per_s:,.0f} tok/s each, {step_s:.3f} s/step, {row['measured']['memory_gib']:.2f} GiB"


_COLUMNS = (
    "trainer", "model", "precision", "global batch", "micro batch", "T", "replicas/FSDP/TP/PP/CP", "AC", "compile",
    "tok/s/{unit}", "quartiles", "s/step", "TFLOP/s", "MFU full", "MFU causal", "waits for data", "memory GiB",
    "predicted GiB", "predicted s/step", "× torchtitan", "× PyTorch", "date", "",
)  # fmt: skip


def _cells(row: Row) -> list[str]:
    if row["status"] in ("refused", "not run"):
        return [row["trainer"], *[NONE] * (len(_COLUMNS) - 2), f"{row['status']}: {row['reason']} ({row['name']})"]
    s = row["settings"]
    cells = [
        row["trainer"], f"{s['flavor']} ({s['n_params'] / 1e6:,.1f}M)", s["precision"], str(s["global_batch"]),
        str(s["micro_batch"]), str(s["seq_len"]), "/".join(str(s[name]) for name in MESH), s["ac"],
        "yes" if s["compile"] else "no",
    ]  # fmt: skip
    if row["status"] == "failed":
        return [*cells, *[NONE] * (len(_COLUMNS) - len(cells) - 2), row["date"], f"failed: {row['reason']}"]
    m, prediction, ratios = row["summary"], row.get("prediction", {}), row.get("ratios", {})
    low, high = m["tok_per_s_per_device_quartiles"]

    def optional(value: float | None, form: str, suffix: str = "") -> str:
        return NONE if value is None else f"{value:{form}}{suffix}"

    of_peak = f" of {m['mfu_peak'].upper()}" if m["mfu_peak"] else ""
    return [
        *cells,
        f"{m['tok_per_s_per_device']:,.0f}",
        f"{low:,.0f}–{high:,.0f}",
        f"{m['step_s']:.3f}",
        f"{m['flop_per_s_per_device'] / 1e12:.3g}",
        optional(m["mfu_full"], ".1%", of_peak),
        optional(m["mfu_causal"], ".1%", of_peak),
        optional(m["data_share"], ".1%"),
        f"{m['memory_gib']:.2f}",
        optional(prediction.get("memory_gib"), ".2f"),
        optional(prediction.get("step_s"), ".3f"),
        optional(ratios.get("torchtitan"), ".3f"),
        optional(ratios.get("pytorch"), ".3f"),
        row["date"],
        s.get("label", ""),
    ]


def table(run: Row, rows: Sequence[Row]) -> list[str]:
    """Returns the lines of the table and of the notes that explain it; every row has been summarized."""
    on_gpu = run["device"]["type"] == "cuda"
    columns = [column.format(unit="GPU" if on_gpu else "process") for column in _COLUMNS]
    cells = [columns, ["---"] * len(columns), *(_cells(row) for row in rows)]
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in cells]
    notes = [
        f"Medians and quartiles of {run['steps']} steps after {run['warm_up']} of warm-up; the memory is the peak "
        + ("that the allocator reserved." if on_gpu else "of the resident set."),
        "TFLOP/s are a device's, with full attention (PaLM's formula, as torchtitan counts); causal attention halves "
        "that term. " + ("A share names its peak, dense." if on_gpu else "A CPU has no peak here, so there is no MFU."),
        "× is tokens a second relative to the baseline at the same settings; codetitan logs every step, the "
        "baselines none, and they have no FP8; plain PyTorch has random tokens, no document masks and no activation "
        "checkpointing.",
    ]
    errors = {row["prediction"]["error"] for row in rows if "error" in row.get("prediction", {})}
    notes += [f"No prediction by `codetitan plan`: {error}" for error in sorted(errors)]
    if any("memory_gib" in row.get("prediction", {}) for row in rows):
        notes.append(f"Predictions are those of `codetitan plan` for {run['gpu']}.")
    notes += sorted({note for row in rows for note in row.get("notes", [])})
    return [*lines, "", *(f"- {note}" for note in notes)]


def origin(run: Row) -> list[str]:
    """Returns the lines that end a report: versions and command."""
    versions = ", ".join(f"{name} {version}" for name, version in run["versions"].items())
    return [f"{versions}.", "", "```bash", run["command"], "```", ""]


def markdown(run: Row, rows: Sequence[Row]) -> str:
    """Returns the report; every row has been summarized."""
    device = run["device"]
    lines = [f"# Throughput: {run['processes']} × {device['name']}", ""]
    if device["type"] != "cuda":
        lines += [f"On a CPU ({device['cores']} cores): a check of the programs, no statement on speed.", ""]
    return "\n".join([*lines, *table(run, rows), "", *origin(run)])


def summarized(rows: Sequence[Row], device: Row) -> list[Row]:
    """Returns the rows with `summary`, and `ratios` to the baselines, where something was measured."""
    rows = [dict(row) | ({"summary": summarize(row, device)} if row["status"] == "ok" else {}) for row in rows]
    add_ratios(rows)
    return rows


def write_report(folder: Path, run: Row, rows: Sequence[Row]) -> list[Path]:
    """Writes the table, the JSON and the plots that the rows allow; returns the files."""
    rows = summarized(rows, run["device"])
    (folder / "results.json").write_text(json.dumps({**run, "rows": rows}, indent=1) + "\n", encoding="utf-8")
    (folder / "results.md").write_text(markdown(run, rows), encoding="utf-8")
    return [folder / "results.json", folder / "results.md", *write_plots(folder, run, rows)]
