"""What does not fit into memory comes out as what does."""

import json
import random
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from codetitan.prepare.engine.stage import RECORD
from codetitan.prepare.stages import read
from codetitan.prepare.stages.deal import Dealer, dealt, in_order
from codetitan.prepare.stages.facts import GatherFacts, Known
from codetitan.prepare.stages.read import _FactsRuns
from codetitan.prepare.tables import NUMBER, TEXT

_COLUMNS = {"path": TEXT, "content": TEXT, "n": NUMBER}
_LARGE = 1 << 30


def some_rows(n: int) -> list[dict[str, Any]]:
    draw = random.Random(7)
    return [{"path": f"{draw.randrange(50)}.py", "content": "x" * draw.randrange(3_000), "n": i} for i in range(n)]


def test_dealt_rows_come_back_in_their_order(tmp_path: Path) -> None:
    rows = some_rows(300)
    for name, memory in (("one", _LARGE), ("many", 20_000)):
        with Dealer(tmp_path, name, _COLUMNS, 7, memory=memory) as dealer:
            for row in rows:
                dealer.add(row["n"] % 6, row | {"more": 1})
        assert [list(dealt([tmp_path], name, shard)) for shard in range(7)] == [rows[i::6] for i in range(6)] + [[]]
    assert len(list(tmp_path.glob("one-*"))) == 2 and len(list(tmp_path.glob("many-*"))) > 20


def test_what_failed_leaves_no_run(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), Dealer(tmp_path, "some", _COLUMNS, 2, memory=_LARGE) as dealer:
        dealer.add(0, {"path": "a"})
        raise ZeroDivisionError
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("memory", [_LARGE, 50_000])
def test_in_order(tmp_path: Path, memory: int) -> None:
    rows = some_rows(300)
    found = in_order(iter(rows), lambda row: row["path"], _COLUMNS, tmp_path, memory=memory)
    first = next(found)
    assert len(list(tmp_path.iterdir())) == (0 if memory == _LARGE else 19)
    assert [first, *found] == sorted(rows, key=lambda row: row["path"])  # which keeps the order of the same
    assert not list(tmp_path.iterdir())


def test_facts_of_many_trees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever runs they were written in, and by how many tasks: each is found, with all that was said of it."""
    monkeypatch.setattr(read, "_FACTS_HELD", 10_000)
    for stage, tasks, after in (("read", 2, {}), ("facts", 3, {"read": "read"}), ("asks", 1, {"facts": "facts"})):
        (tmp_path / stage).mkdir()
        (tmp_path / stage / RECORD).write_text(json.dumps({"tasks": tasks, "after": after}))
        for task in range(tasks):
            (tmp_path / stage / "tasks" / f"{task:05}").mkdir(parents=True)
    names = [f"tree {i}" for i in range(200)]
    for task in range(2):
        runs = _FactsRuns(tmp_path / "read" / "tasks" / f"{task:05}")
        for name in random.Random(task).sample(names, 200):
            runs.add(name, f"{task}/LICENSE", f"Of {name}, by {task}.")
        runs.write()
    assert len(list(tmp_path.glob("read/tasks/00000/*"))) > read.FACTS_FILES
    statistics = [GatherFacts(3).run(task, tmp_path / "facts" / "tasks" / f"{task:05}") for task in range(3)]
    assert sum(found["trees"] for found in statistics) == 200
    known = Known(tmp_path / "asks" / "tasks" / "00000")
    for name in names:
        assert sorted(known.texts(name).values()) == [f"Of {name}, by 0.", f"Of {name}, by 1."]
    assert not known.texts("another") and not known.texts(None)


def test_a_merge_holds_a_little_of_each_run(tmp_path: Path) -> None:
    columns = {"path": TEXT, "content": TEXT}
    found = ({"path": f"{i * 7 % 300:03}", "content": f"{i:03}" * 35_000} for i in range(300))  # 31 MB, in five runs
    tracemalloc.start()
    try:
        paths = [row["path"] for row in in_order(found, lambda row: row["path"], columns, tmp_path, memory=6 << 20)]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert paths == [f"{i:03}" for i in range(300)]
    assert peak < 20e6  # 31 MB, were each run a group
