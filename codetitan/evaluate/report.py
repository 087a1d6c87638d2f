"""Results for people: a line a task, a table in Markdown, bars with standard errors."""

from pathlib import Path

from codetitan.errors import ConfigError
from codetitan.evaluate.problems import counts
from codetitan.evaluate.results import Results, TaskResult
from codetitan.evaluate.scores import Score

MARKDOWN, PLOT = "results.md", "results.png"
_PER_CENT = ("pass@", "exact", "syntax")


def is_share(name: str) -> bool:
    """Whether a score is a share, shown in per cent."""
    return name.startswith(_PER_CENT)


def shown(name: str, score: Score) -> str:
    """Returns a score as people read it: 12.8 ± 2.6 %, or 0.912 ± 0.014."""
    if is_share(name):
        error = "" if score.standard_error is None else f" ± {100 * score.standard_error:.1f}"
        return f"{100 * score.value:.1f}{error} %"
    error = "" if score.standard_error is None else f" ± {score.standard_error:.3f}"
    return f"{score.value:.3f}{error}"


def title(name: str) -> str:
    """Returns a score's name as people read it."""
    return {"bits_per_byte": "bits per byte", "exact": "exact match"}.get(name, name)


def line(name: str, result: TaskResult) -> str:
    """Returns one line on a task."""
    numbers = ", ".join(f"{title(score)} {shown(score, value)}" for score, value in result.scores.items())
    each = result.completions // result.problems
    drawn = f" × {each} completions" if each > 1 else ""
    cut = f" ({result.truncated} prompts cut to the context)" if result.truncated else ""
    left_out = f"; left out: {counts(result.left_out)}" if result.left_out else ""
    return f"{name}: {numbers}; {result.problems:,} problems{drawn}{cut}{left_out}"


def markdown(results: Results) -> str:
    """Returns the table of all tasks, and how each was asked."""
    model, engine = results.model, results.engine
    step = "" if model.get("step") is None else f", step {model['step']}"
    rows = [
        f"# {model['path']}{step}",
        "",
        f"codetitan {results.codetitan}, {engine.get('back_end')}, {engine.get('device')}, {engine.get('dtype')}; "
        f"model {str(model.get('fingerprint'))[:12]}, tokenizer {model.get('tokenizer')}. ± is one standard error over "
        "the problems, those of one program or file drawn together.",
        "",
        "| task | score | value | problems | protocol |",
        "| --- | --- | --: | --: | --- |",
    ]
    for name, task in results.tasks.items():
        asked = _asked(task)
        for score, value in task.scores.items():
            rows.append(f"| {name} | {title(score)} | {shown(score, value)} | {value.n:,} | {asked} |")
            name = asked = ""
    for name, task in results.tasks.items():
        for by, groups in task.groups.items():
            columns = list(dict.fromkeys(score for scores in groups.values() for score in scores))
            rows += ["", f"**{name}** by {by}", "", f"| {by} | problems | {' | '.join(map(title, columns))} |"]
            rows.append(f"| --- | --: |{' --: |' * len(columns)}")
            for group, scores in groups.items():
                cells = [shown(score, scores[score]) if score in scores else "" for score in columns]
                n = max((score.n for score in scores.values()), default=0)
                rows.append(f"| {group or 'other'} | {n:,} | {' | '.join(cells)} |")
        if task.reasons:
            rows += ["", f"**{name}**: {counts(task.reasons)}. Every completion: `{task.samples}`."]
        if task.left_out:
            rows += ["", f"**{name}** left out: {counts(task.left_out)}."]
    return "\n".join(rows) + "\n"


def _asked(task: TaskResult) -> str:
    protocol = task.protocol
    limit = f", limit {protocol['limit']}" if protocol.get("limit") else ""
    if "temperature" not in protocol:
        return f"{protocol['data']['name']}{limit}"
    how = "greedy"
    if protocol["temperature"]:
        how = (
            f"T {protocol['temperature']}, top-p {protocol['top_p']}, n {protocol['samples']}, seed {protocol['seed']}"
        )
    order = f", {protocol['order']}" if protocol.get("order") else ""
    return f"{protocol['name']}, {how}{order}{limit}"


def verbatim(text: str) -> str:
    """Returns a text as matplotlib shows it: it reads what stands between two $ as a formula."""
    return text.replace("$", r"\$")


def plot(results: Results, file: Path) -> None:
    """Draws a bar a score with its standard error: shares above, bits per byte below."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    bars = [
        (f"{task}  {title(name)}", name, score)
        for task, result in results.tasks.items()
        for name, score in result.scores.items()
    ]
    panels = [
        (label, scale, chosen)
        for label, scale in (("%", 100.0), ("bits per byte", 1.0))
        if (chosen := [(text, score) for text, name, score in bars if is_share(name) == (scale > 1)])
    ]
    heights = [1 + len(chosen) for _, _, chosen in panels]
    figure, axes = pyplot.subplots(
        len(panels),
        1,
        squeeze=False,
        figsize=(9, 1.2 + 0.4 * sum(heights)),
        height_ratios=heights,
        layout="constrained",
    )
    for axis, (label, scale, chosen) in zip(axes[:, 0], panels, strict=True):
        values = [scale * score.value for _, score in chosen]
        errors = [scale * (score.standard_error or 0.0) for _, score in chosen]
        axis.barh(range(len(chosen)), values, xerr=errors, capsize=3, color="#4c72b0", height=0.6)
        for place, (value, error) in enumerate(zip(values, errors, strict=True)):
            text = f"{value:.1f} ± {error:.1f}" if scale > 1 else f"{value:.3f} ± {error:.3f}"
            axis.annotate(text, (value + error, place), va="center", xytext=(4, 0), textcoords="offset points")
        axis.set_yticks(range(len(chosen)), [text for text, _ in chosen], fontsize=9)
        axis.invert_yaxis()
        axis.set_xlabel(f"{label} (± one standard error)")
        longest = max(value + error for value, error in zip(values, errors, strict=True))
        axis.set_xlim(0, 1.15 * max(longest, 1.0 if scale > 1 else 1e-3))
        axis.spines[["top", "right"]].set_visible(False)
    step = "" if results.model.get("step") is None else f", step {results.model['step']}"
    figure.suptitle(verbatim(f"{results.model['path']}{step}"), fontsize=10)
    try:
        figure.savefig(file, dpi=150)
    except OSError as error:
        file.unlink(missing_ok=True)
        raise ConfigError(f"{file} can't be written: {error.strerror}") from None
    finally:
        pyplot.close(figure)
