"""What would be done again is what the engine then does, and it is said by the key that has changed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from codetitan.prepare.engine.redo import redo
from codetitan.prepare.engine.state import places


@dataclass(frozen=True)
class Toy:
    """A stage with inputs of one's own."""

    name: str
    after: tuple[str, ...] = ()
    given: Mapping[str, Any] = field(default_factory=dict)
    tasks: int = 2

    def inputs(self) -> Mapping[str, Any]:
        return self.given

    def run(self, task: int, folder: Path) -> Mapping[str, Any]:
        return {}


def toys(longest: int = 1000, include: tuple[str, ...] = ("*.py", "*.c")) -> list[Toy]:
    return [
        Toy("read", (), {"sources": [{"path": "x", "include": list(include)}]}),
        Toy("judge", ("read",), {"rules": {"long_lines": {"max_longest": longest, "enable": True}}}),
        Toy("other", ("read",)),
        Toy("write", ("judge",)),
    ]


def do(stages: list[Toy], folder: Path, tasks: int = 2) -> None:
    for place in places(stages, folder):
        place.make()
        for task in range(tasks):
            place.task(task).mkdir(exist_ok=True)


def test_what_is_said(tmp_path: Path) -> None:
    assert list(redo(toys(), tmp_path)) == []
    do(toys(), tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert list(redo(toys(), tmp_path)) == ["all is done with these settings; nothing would be done again"]
    assert list(redo(toys(2000), tmp_path)) == [
        "stays: read, other",
        "done again: judge and 1 stage after it: rules.long_lines.max_longest: 1000 → 2000",
    ]
    assert next(redo(toys(include=("*.py", "*.go")), tmp_path)) == (
        'done again: read and 3 stages after it: sources.0.include: with "*.go", without "*.c"'
    )
    new = [*toys(), Toy("new", ("write",))]
    assert list(redo(new, tmp_path)) == ["stays: read, judge, other, write", "to be done: new"]
    assert sorted(tmp_path.rglob("*")) == before  # nothing is made


def test_what_is_begun_goes_on(tmp_path: Path) -> None:
    do(toys()[:2], tmp_path)
    do(toys(), tmp_path, 1)
    assert list(redo(toys(), tmp_path)) == [
        "stays: read, judge",
        "goes on: other, 1 of 2 tasks are done",
        "goes on: write, 1 of 2 tasks are done",
    ]
