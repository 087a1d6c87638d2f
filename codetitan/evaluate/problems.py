"""What a task is made of: problems, and how an answer to one is judged."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

Judged = Literal["program", "exact", "bits"]


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing to ask.

    Attributes:
        id: of the set, such as HumanEval/0.
        prefix: what the model is given before; of a text that is scored, what it is given.
        suffix: what stands behind the hole; None: the text goes on.
        solution: what the set has as the answer; of a text that is scored, the text. "" where there is none.
        lead: what stands before the completion in the program that is run.
        test: the program's test; "" where none is run.
        entry_point: the function that the test is given; None: it is a script.
        reference: trusted code whose names the test may use.
        language: of the text.
        kind: of the hole.
        of: the file that it is, or is a part of, as others may be; "": see `cluster`.
    """

    id: str
    prefix: str
    suffix: str | None = None
    solution: str = ""
    lead: str = ""
    test: str = ""
    entry_point: str | None = None
    reference: str = ""
    language: str = "python"
    kind: str = ""
    of: str = ""

    @property
    def cluster(self) -> str:
        """What it shares with problems that are answered alike for it: of a hole the text that it is in."""
        if self.of or self.suffix is None:
            return self.of or self.id
        return self.prefix + self.solution + self.suffix

    def program(self, completion: str) -> str:
        """Returns the program that a completion makes."""
        return self.lead + completion + (self.suffix or "")


@dataclass(frozen=True, kw_only=True)
class Task:
    """A set of problems.

    Attributes:
        name: as `--tasks` takes it.
        judged: by running a program, by comparing with the solution, or by the bits that the solution takes.
        problems: in order; their ids differ.
        data: name and SHA-256 of what they were read from; of documents, of what is asked.
        stops: what ends a completion.
        asked: what else the protocol of this task is: JSON.
        modules: packages that the sandbox needs for it.
        cpu_s: processor time that a program may take.
        max_new_tokens: of a completion; None: the protocol's.
        strips: whether whitespace around a completion goes before it is run.
        left_out: reason → files, folders and records that were looked at and are no problem.
    """

    name: str
    judged: Judged
    problems: Sequence[Problem]
    data: Mapping[str, Any]
    stops: tuple[str, ...] = ()
    asked: Mapping[str, Any] = field(default_factory=dict)
    modules: tuple[str, ...] = ()
    cpu_s: float = 5.0
    max_new_tokens: int | None = None
    strips: bool = False
    left_out: Mapping[str, int] = field(default_factory=dict)

    @property
    def infills(self) -> bool:
        """Whether there are holes to be filled."""
        return any(problem.suffix is not None for problem in self.problems)

    def spread(self, limit: int | None) -> "Task":
        """Returns the task with at most `limit` of its problems, evenly spread: the first holes are all of
        one program."""
        n = len(self.problems)
        if limit is None or limit >= n:
            return self
        return replace(self, problems=[self.problems[i * n // limit] for i in range(limit)])


def sha256(data: bytes) -> str:
    """Returns the SHA-256 of data in hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def sha256_of(problems: Iterable[Problem]) -> str:
    """Returns the SHA-256 of what is asked: a line of JSON a problem, with id, prefix, suffix and solution."""
    digest = hashlib.sha256()
    for problem in problems:
        line = [problem.id, problem.prefix, problem.suffix, problem.solution]
        digest.update(json.dumps(line).encode() + b"\n")
    return digest.hexdigest()


def counts(left_out: Mapping[str, int]) -> str:
    """Returns reasons as people read them: 4 not UTF-8, 1 too large."""
    return ", ".join(f"{n:,} {reason}" for reason, n in sorted(left_out.items(), key=lambda item: (-item[1], item[0])))
