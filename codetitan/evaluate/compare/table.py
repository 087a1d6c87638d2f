"""The comparison as a Markdown table: a row a number, a column a run."""

from collections.abc import Iterator, Sequence

from codetitan.evaluate.compare.runs import Run
from codetitan.evaluate.report import is_share, shown, title
from codetitan.evaluate.scores import Score

_KINDS = ("code", "comment", "docstring")
_LOWER = ("loss", "bits_per_byte")


def rank(name: str) -> tuple[int, int, str]:
    """Orders the names of metrics.jsonl for people: loss, bits per byte, kinds of text, languages, holes, gold."""
    kind, measure, *group = name.split("/")
    if kind == "evaluation":
        return 3, 0, ""
    if not group:
        return 0, _LOWER.index(measure) if measure in _LOWER else 2, measure
    place = 1 if group[0] in _KINDS else 3 if group[0] == "fim" else 4 if group[0] == "gold" else 2
    return 1, place, "/".join([*group, measure])


def label(name: str) -> str:
    """Returns a name of metrics.jsonl as people read it: "bits per byte, fim psm line"."""
    kind, measure, *group = name.split("/")
    if kind == "evaluation":
        return f"{measure} {title(group[0])}" if group else measure
    return ", ".join([title(measure), *([" ".join(group)] if group else [])])


def is_lower_better(name: str) -> bool:
    """Whether less of a number is better."""
    return any(part in _LOWER for part in name.split("/"))


def is_per_cent(name: str) -> bool:
    """Whether a number is a share, shown in per cent."""
    return name.startswith("evaluation/") and is_share(name.rsplit("/", 1)[-1])


def last(run: Run, name: str) -> Score | None:
    """Returns the last value of a number of a run."""
    if name.startswith("evaluation/") and run.tasks:  # of one checkpoint all of them
        _, task, score = name.split("/", 2)
        return run.tasks[task].scores.get(score) if task in run.tasks else None
    if name not in run.curves:
        return None
    point = run.curves[name][-1]
    return Score(point.value, point.error, 0)


def rows(runs: Sequence[Run]) -> list[str]:
    """Returns the names of all numbers, in the order in which they are shown."""
    scores = [f"evaluation/{task}/{score}" for run in runs for task in run.tasks for score in run.tasks[task].scores]
    return sorted(dict.fromkeys([*(name for run in runs for name in run.curves), *scores]), key=rank)


def markdown(runs: Sequence[Run], differences: Sequence[str]) -> str:
    """Returns the table, with what a reader must know below it.

    Args:
        runs: its columns.
        differences: what is compared in spite of them.
    """
    lines = [f"| {' | '.join(['', *(_cell(run.name) for run in runs)])} |", f"| --- |{' --: |' * len(runs)}"]
    for name, value in (("step", "step"), ("tokens", "tokens")):
        if any(getattr(run, value) is not None for run in runs):
            numbers = [getattr(run, value) for run in runs]
            lines.append(_line(name, ["" if number is None else f"{number:,}" for number in numbers]))
    for name in rows(runs):
        scores = [last(run, name) for run in runs]
        texts = ["" if score is None else _text(name, score) for score in scores]
        # What is measured in different ways has no best.
        lines.append(_line(_with_count(name, scores), texts if differences else _best_bold(name, scores, texts)))
        if name == "validation/loss":
            lines.append(_line("lowest loss", list(_lowest(runs))))
    notes = [
        *(f"Compared anyway: {text}." for text in differences),
        *(f"{note}." for run in runs for note in run.notes),
    ]
    if any((score := last(run, name)) and score.standard_error is not None for run in runs for name in rows(runs)):
        bold = "; the best of a row is bold, whether or not it is beyond it"
        notes.append(
            f"± is one standard error over programs or files{bold if len(runs) > 1 and not differences else ''}."
        )
    engines = {run.engine for run in runs if run.engine is not None}
    if len(engines) > 1:
        each = "; ".join(f"{run.name}: {run.engine}" for run in runs if run.engine is not None)
        notes.append(f"The engines differ, which moves scores a little ({each}).")
    return "\n".join(lines) + "\n" + "".join(f"\n{note}\n" for note in notes)


def _line(name: str, cells: Sequence[str]) -> str:
    return f"| {' | '.join([_cell(name), *cells])} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _lowest(runs: Sequence[Run]) -> Iterator[str]:
    for run in runs:
        points = run.curves.get("validation/loss")
        best = min(points, key=lambda point: point.value) if points else None
        yield "" if best is None else f"{best.value:.4f} at step {best.step:,}"


def _with_count(name: str, scores: Sequence[Score | None]) -> str:
    """Returns a row's name, with the number of problems where it is known and the same of all."""
    counts = {score.n for score in scores if score is not None}
    n = counts.pop() if len(counts) == 1 else 0
    return f"{label(name)} ({n:,} problems)" if n else label(name)


def _best_bold(name: str, scores: Sequence[Score | None], texts: list[str]) -> list[str]:
    values = [score.value for score in scores if score is not None]
    if len(values) < 2:
        return texts
    best = min(values) if is_lower_better(name) else max(values)
    best_text = {text for text, score in zip(texts, scores, strict=True) if score is not None and score.value == best}
    if len({text for text in texts if text}) == 1:  # the same as far as it is shown
        return texts
    return [f"**{text}**" if text and text in best_text else text for text in texts]


def _text(name: str, score: Score) -> str:
    if name.startswith("evaluation/"):
        return shown(name.rsplit("/", 1)[-1], score)
    return f"{score.value:.4f}"
