"""From samples to a task's numbers."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from codetitan.evaluate import scores
from codetitan.evaluate.answers import samples_file
from codetitan.evaluate.folder import Line
from codetitan.evaluate.problems import Task
from codetitan.evaluate.results import TaskResult
from codetitan.evaluate.scores import Score

GROUPED_BY = ("language", "kind")


def counted(
    task: Task, lines: Sequence[Line], protocol: Mapping[str, Any], n: int, ks: Sequence[int], truncated: int = 0
) -> TaskResult:
    """Returns the numbers of a task.

    Args:
        task: what was asked.
        lines: its samples.
        protocol: how it was asked.
        n: samples of each problem.
        ks: of pass@k; at most n each.
        truncated: prompts that did not fit whole.
    """
    groups: dict[str, dict[str, dict[str, Score]]] = {}
    for by in GROUPED_BY:
        of_group: dict[str, list[Line]] = defaultdict(list)
        for line in lines:
            of_group[line[by]].append(line)
        if len(of_group) > 1:
            groups[by] = {group: _scores(task, of_group[group], n, ks) for group in sorted(of_group)}
    return TaskResult(
        protocol=dict(protocol),
        problems=len(task.problems),
        completions=0 if task.judged == "bits" else len(lines),
        scores=_scores(task, lines, n, ks),
        groups=groups,
        reasons=dict(Counter(line["reason"] for line in lines if "reason" in line).most_common()),
        truncated=truncated,
        left_out=dict(task.left_out),
        samples=samples_file(task),
    )


def _scores(task: Task, lines: Sequence[Line], n: int, ks: Sequence[int]) -> dict[str, Score]:
    cluster = {problem.id: problem.cluster for problem in task.problems}
    if task.judged == "bits":
        nats, n_bytes, ids = ([line[column] for line in lines] for column in ("nats", "bytes", "task_id"))
        return {"bits_per_byte": scores.bits_per_byte(nats, n_bytes, [cluster[number] for number in ids])}
    of_problem: dict[str, list[Line]] = defaultdict(list)
    for line in lines:
        of_problem[line["task_id"]].append(line)
    found: dict[str, Score] = {}
    if task.judged == "program":
        correct = [sum(line["passed"] for line in of_one) for of_one in of_problem.values()]
        clusters = [cluster[number] for number in of_problem]
        found = {f"pass@{k}": scores.passing(correct, n, k, clusters) for k in ks}
    for name, key in (("exact", "exact"), ("syntax", "parses")):
        # None: the language has no grammar here, or the file did not parse before.
        shares = {
            number: sum(known) / len(known)
            for number, of_one in of_problem.items()
            if (known := [bool(line[key]) for line in of_one if line.get(key) is not None])
        }
        if shares:
            found[name] = scores.mean(list(shares.values()), [cluster[number] for number in shares])
    return found
