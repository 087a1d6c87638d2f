"""What is done is known by what it is of: unchanged nothing runs, and a threshold redoes what depends on it."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from codetitan import lock
from codetitan.errors import ConfigError
from codetitan.prepare.engine import state
from codetitan.prepare.engine.state import claim, outputs, places
from tests.prepare.engine import toys


def stages(out: Path) -> dict[str, int]:
    """The stages' folders, and when a task of each was last done."""
    return {
        path.name: max((task.stat().st_mtime_ns for task in path.glob("tasks/*")), default=0)
        for path in out.glob("stages/*")
    }


def test_thresholds(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    statistics, _ = toys.run(corpus, out)
    first, bytes_ = stages(out), toys.snapshot(out)
    again, said = toys.run(corpus, out)
    assert (again, said) == (statistics, ["nothing is left to do: all 2 stages are done"])
    assert toys.snapshot(out) == bytes_ and stages(out) == first

    _, said = toys.run(corpus, out, at_least=3)  # of the second stage
    assert re.fullmatch(
        r"not used: [0-9.]+ k?B of 1 stage with other thresholds or input; --remove-old removes them", said[0]
    )
    second = stages(out)
    assert len(second) == 3 and all(second[name] == done for name, done in first.items())

    _, said = toys.run(corpus, out, min_length=5, remove_old=True)  # of the first: both
    assert re.fullmatch(r"removed [0-9.]+ k?B of 3 stages with other thresholds or input", said[0])
    assert len(stages(out)) == 2 and not stages(out).keys() & second.keys() - first.keys()
    assert toys.found(out) == toys.expected(corpus, min_length=5)

    (lost,) = out.glob("stages/count-*/tasks/00001")
    bytes_ = toys.snapshot(out)
    lost.rename(tmp_path / "lost")
    toys.run(corpus, out, min_length=5)
    assert toys.snapshot(out) == bytes_


def test_a_name_is_of_everything_that_matters(corpus: Path, tmp_path: Path) -> None:
    def names(*stages: object) -> list[str]:
        return [place.folder.name for place in places(stages, tmp_path)]  # type: ignore[arg-type]

    count, most = names(toys.Count(corpus), toys.Most(corpus))
    assert names(toys.Count(corpus, sleep_s=1), toys.Most(corpus)) == [count, most]
    assert names(toys.Count(corpus, tasks=6), toys.Most(corpus))[1] != most
    assert names(toys.Count(corpus), toys.Most(corpus, at_least=5)) != [count, most]
    other = toys.Count(corpus, name="other")
    assert names(toys.Count(corpus), other, toys.Most(corpus))[2] == most  # it comes after `count` alone
    assert names(toys.Count(corpus), other, toys.Most(corpus, after=("count", "other")))[2] != most
    (corpus / "020.txt").touch()
    assert names(toys.Count(corpus), toys.Most(corpus))[1] != most


def test_stages_that_make_no_sense(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r'stage "count": its name must be its own'):
        places([toys.Count(corpus), toys.Count(corpus)], tmp_path)
    with pytest.raises(ValueError, match=r'stage "most" comes after "count", which does not come before it'):
        places([toys.Most(corpus), toys.Count(corpus)], tmp_path)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ({"notes.txt": "mine"}, "holds something else, such as notes.txt; choose a new folder with --output DIR"),
        ({"state.json": '{"made_by": "another"}'},
         "was not made by codetitan prepare; choose a new folder with --output DIR"),
        ({"state.json": '{"made_by": "codetitan prepare", "format": 2}'},
         "is of format 2, and this codetitan knows format 1; choose a new folder with --output DIR, or take the codetitan that made it"),
    ],
)  # fmt: skip
def test_another_folder_is_refused(tmp_path: Path, content: dict[str, str], text: str) -> None:
    for name, what in content.items():
        (tmp_path / name).write_text(what)
    with pytest.raises(ConfigError) as error:
        claim(tmp_path)
    assert str(error.value).endswith(text)
    assert str(error.value).startswith(f'output = "{tmp_path}" ')


def test_a_broken_state_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text("{")
    with pytest.raises(
        ConfigError, match=r"state.json is not what was written there; remove .* or choose a new folder"
    ):
        claim(tmp_path)


def test_a_beginning_that_was_killed_is_no_other_folder(tmp_path: Path) -> None:
    (tmp_path / "state.json.partial").write_text("{")
    (tmp_path / lock.NAME).touch()
    claim(tmp_path)
    assert json.loads((tmp_path / "state.json").read_text()) == {"made_by": "codetitan prepare", "format": 1}
    claim(tmp_path)


def test_a_stages_folder_that_is_another_is_refused(corpus: Path, tmp_path: Path) -> None:
    (place,) = places([toys.Count(corpus)], tmp_path)
    place.make()
    place.make()
    (place.folder / "stage.json").write_text("{}")
    with pytest.raises(ConfigError, match=f"stage.json is not what made that folder; remove {place.folder}$"):
        place.make()


def test_leftovers_are_cleared(corpus: Path, tmp_path: Path) -> None:
    (place,) = places([toys.Count(corpus)], tmp_path)
    place.make()
    for name in ("00000", "00001.partial-12-3", "00002.partial-12-4.cleared"):
        (place.tasks / name / "log").mkdir(parents=True)
    place.clear()
    assert [path.name for path in place.tasks.iterdir()] == ["00000"]
    assert place.left() == [1, 2, 3, 4]


def test_a_task_whose_leftovers_were_cleared_is_not_whole(corpus: Path, tmp_path: Path) -> None:
    """A job on another node may be alive after all: what it would give its name has gone."""
    from codetitan.prepare.engine.task import perform

    class Cleared(toys.Count):
        def run(self, task: int, folder: Path) -> dict[str, int]:
            place.clear()
            return {}

    (place,) = places([Cleared(corpus)], tmp_path)
    place.make()
    with pytest.raises(ConfigError, match=r'stage "count", task 1: FileNotFoundError'):
        perform(place, 1)
    assert list(place.tasks.iterdir()) == []


def test_a_task_that_another_did_meanwhile_stays(corpus: Path, tmp_path: Path) -> None:
    from codetitan.prepare.engine.task import perform

    class Twice(toys.Count):
        def run(self, task: int, folder: Path) -> dict[str, int]:
            place.task(task).mkdir(exist_ok=True)
            (place.task(task) / "first").touch()
            return {}

    (place,) = places([Twice(corpus)], tmp_path)
    place.make()
    perform(place, 1)
    assert [path.name for path in place.task(1).iterdir()] == ["first"]
    assert [path.name for path in place.tasks.iterdir()] == ["00001"]


def test_a_disk_that_is_full_for_the_engine_too(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trap: Callable[..., None]
) -> None:
    from codetitan.prepare.engine import task

    (place,) = places([toys.Count(corpus)], tmp_path)
    place.make()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(
        ConfigError, match=r"task 1: the disk of .* is full; .*failures/00001.txt can\'t be written: No"
    ):
        task.perform(place, 1)
    assert list(place.tasks.iterdir()) == []


def test_outputs(corpus: Path, tmp_path: Path) -> None:
    found = outputs([toys.Count(corpus), toys.Most(corpus)], tmp_path)
    assert [path.name for path in found["most"]] == ["00000", "00001", "00002"]
    assert found["most"][0].parents[2] == tmp_path / state.STAGES
