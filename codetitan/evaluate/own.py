"""A task of one's own: a file of problems that are run, or of holes that are compared or run."""

from pathlib import Path

from codetitan.errors import ConfigError
from codetitan.evaluate import files
from codetitan.evaluate.problems import Problem, Task
from codetitan.evaluate.protocols import Protocol

_RUN = ("prompt", "test", "entry_point")
_HOLE = ("prefix", "suffix", "middle")


def task(name: str, path: Path, protocol: Protocol) -> Task:
    """Returns the task of a file: `prompt, test, entry_point`, or `prefix, suffix, middle` and maybe a test.

    `task_id`, `language` and `solution` may be there too. The first line decides which of the two it is.

    Raises:
        ConfigError: a line lacks a column, or has a test where the first has none.
    """
    records, digest = files.read(name, path)
    first = records[0][1]
    fills = "prefix" in first or "middle" in first
    if not fills and not any(column in first for column in _RUN):
        raise ConfigError(
            f"--data {name}={path}: line {records[0][0]} has neither {', '.join(_RUN)} nor {', '.join(_HOLE)}; it has "
            f"{', '.join(map(str, first)) or 'no column'}"
        )
    runs = not fills or "test" in first
    columns = (*(_HOLE if fills else ("prompt",)), *(("test",) if runs else ()))
    problems = []
    for line, record in records:
        if not runs and "test" in record:
            raise ConfigError(
                f"--data {name}={path}: line {line} has a test, and line {records[0][0]} has none: give each hole one, "
                "and all are run, or none, and all are compared"
            )
        values = dict(zip(columns, files.texts(name, path, line, record, columns), strict=True))
        entry_point = record.get("entry_point")
        if not fills:
            (entry_point,) = files.texts(name, path, line, record, ("entry_point",))
        test = values.get("test", "")
        prefix = values["prefix"] if fills else protocol.asked(values["prompt"])
        solution = values["middle"] if fills else str(record.get("solution", record.get("canonical_solution", "")))
        lead = prefix if fills else protocol.lead(values["prompt"])
        suffix = values["suffix"] if fills else None
        reference = "" if not solution else (prefix if fills else values["prompt"]) + solution + (suffix or "")
        problems.append(
            Problem(
                id=str(record.get("task_id", f"line {line}")),
                prefix=prefix,
                suffix=suffix,
                solution=solution,
                lead=lead,
                test=test,
                entry_point=entry_point if isinstance(entry_point, str) else None,
                reference=reference,
                language=str(record.get("language", "python")),
            )
        )
    return files.task(
        name,
        path,
        digest,
        problems,
        judged="program" if runs else "exact",
        stops=() if fills else protocol.stops,
        modules=("numpy",) if "numpy" in protocol.prelude and not fills else (),
    )
