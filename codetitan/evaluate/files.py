"""Files of problems: JSON Lines, plain or gzipped, or a JSON array; what is wrong names the file, line and column."""

import gzip
import json
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from codetitan.errors import ConfigError
from codetitan.evaluate.problems import Problem, Task, sha256

Record = dict[str, Any]


def read(task: str, path: Path) -> tuple[list[tuple[int, Record]], str]:
    """Reads the records of a file.

    Args:
        task: which asks for it.
        path: the file.

    Returns:
        (line, record) of each, lines from 1 (of an array, its place), and the SHA-256 of the text, unzipped.

    Raises:
        ConfigError: there is no such file, it has no record, or a line is no JSON object.
    """
    called = f"--data {task}={path}"
    try:
        data = path.read_bytes()
        if path.suffix == ".gz":
            data = gzip.decompress(data)
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{called}: {error.strerror or error}") from None
    except (EOFError, zlib.error):
        raise ConfigError(f"{called}: is no whole gzip file") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{called}: is no UTF-8") from None
    records: list[tuple[int, Any]] = []
    if text.lstrip().startswith("["):
        try:
            records = list(enumerate(json.loads(text), start=1))
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"{called}: is no JSON array ({error})") from None
    else:
        # A line ends with \n alone: JSON may hold U+2028, at which splitlines would cut.
        for number, line in enumerate(text.split("\n"), start=1):
            if line.strip():
                try:
                    records.append((number, json.loads(line)))
                except (ValueError, RecursionError) as error:
                    raise ConfigError(f"{called}: line {number} is no JSON ({error})") from None
    for number, record in records:
        if not isinstance(record, dict):
            raise ConfigError(f"{called}: line {number} is no JSON object")
    if not records:
        raise ConfigError(f"{called}: is empty; a problem a line is needed")
    return records, sha256(data)


def texts(task: str, path: Path, line: int, record: Record, columns: Sequence[str]) -> list[str]:
    """Returns columns of a record that must be texts; `a|b` is whichever is there.

    Raises:
        ConfigError: one is missing, or is no text.
    """
    found = []
    for column in columns:
        name = next((name for name in column.split("|") if name in record), None)
        if name is None:
            needed = ", ".join(column.replace("|", " or ") for column in columns)
            raise ConfigError(
                f"--data {task}={path}: line {line} has no column {column.replace('|', ' or ')}; {task} needs "
                f"{needed}, and it has {', '.join(map(str, record)) or 'none'}"
            )
        if not isinstance(record[name], str):
            kind = type(record[name]).__name__
            raise ConfigError(f"--data {task}={path}: line {line}: {name} must be a text, and is a {kind}")
        found.append(record[name])
    return found


def text_list(task: str, path: Path, line: int, record: Record, column: str) -> list[str]:
    """Returns a column of a record that must be a list of texts; [] where it is missing.

    Raises:
        ConfigError: it is something else.
    """
    value = record.get(column, [])
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ConfigError(f"--data {task}={path}: line {line}: {column} must be a list of texts")
    return value


def check_ids(task: str, path: Path, ids: Iterable[object]) -> None:
    """No two problems have one id: what is done is kept by it.

    Raises:
        ConfigError: two have.
    """
    seen: set[object] = set()
    for name in ids:
        if name in seen:
            raise ConfigError(f'--data {task}={path}: two problems have the id "{name}"')
        seen.add(name)


def task(name: str, path: Path, digest: str, problems: Sequence[Problem], **rest: Any) -> Task:
    """Returns the task that a file's problems are: programs, where `rest`, more of a Task, does not say otherwise.

    Raises:
        ConfigError: two have one id.
    """
    check_ids(name, path, [problem.id for problem in problems])
    return Task(
        **{"judged": "program"} | rest, name=name, problems=problems, data={"name": path.name, "sha256": digest}
    )
