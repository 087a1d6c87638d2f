"""The same outcome for any order, number of shards and tasks, memory and restarts; and work that stays linear."""

import json
import multiprocessing
import random
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from codetitan.errors import ConfigError
from codetitan.prepare.duplicates import parts
from codetitan.prepare.duplicates.config import ExactDuplicates, NearDuplicates
from codetitan.prepare.duplicates.drops import read_drops
from codetitan.prepare.duplicates.hashes import Text
from codetitan.prepare.duplicates.stages import run, stages
from codetitan.prepare.duplicates.work import Work, beside
from codetitan.prepare.file import Drop
from tests.prepare.duplicates.corpora import families, outcome, plain, text, words

NEAR = NearDuplicates(leaders=[2, 1, 4, 64])


@pytest.fixture(scope="module")
def texts() -> list[Text]:
    return families(3, 200)


@pytest.fixture(scope="module")
def expected(texts: list[Text], tmp_path_factory: pytest.TempPathFactory) -> dict:
    found = outcome(texts, tmp_path_factory.mktemp("expected"), near=NEAR, shards=1, tasks=1)
    assert set(found) == set(plain(texts, NEAR))
    return found


@pytest.mark.parametrize("shards", [1, 3, 40])
@pytest.mark.parametrize("tasks", [1, 3, 7])
def test_shards_tasks_and_order_make_no_difference(
    shards: int, tasks: int, texts: list[Text], expected: dict, tmp_path: Path
) -> None:
    shuffled = list(texts)
    random.Random(shards * tasks).shuffle(shuffled)
    assert outcome(shuffled, tmp_path, near=NEAR, shards=shards, tasks=tasks) == expected


def test_memory_makes_no_difference(texts: list[Text], expected: dict, tmp_path: Path) -> None:
    assert outcome(texts, tmp_path, near=NEAR, tasks=2, memory_mb=0.01) == expected
    for pattern in ("*-hash/*/order-002.keys", "*-rank/*/ranked-000005.*", "*-sign/*/buckets-000000.*",
                    "*-verify-0/*/edges-000005.*"):  # fmt: skip
        assert list(tmp_path.glob(pattern)), f"{pattern}: memory was not short"


def test_a_bucket_that_is_larger_than_memory(tmp_path: Path) -> None:
    base = words(random.Random(4), 150)
    stubs = [text(f"{i}", " ".join(["copyright", f"{i}", *base])) for i in range(100)]
    found = outcome(stubs, tmp_path, memory_mb=0.01)
    assert {drop.twin for drop in found.values()} == {"a/b/0"}
    assert len(found) == 99
    assert list(tmp_path.glob("*-compare-0/*/pairs-*-0001.*"))


def test_equal_documents_may_take_each_others_place(texts: list[Text], tmp_path: Path) -> None:
    twice = [*texts[:20], *texts[:20]]
    found = outcome(twice, tmp_path / "1", shards=1)
    assert found == outcome(twice[::-1], tmp_path / "2", shards=4)
    assert set(found) == {each.key for each in texts[:20]}


def in_memory(texts: list[Text], **settings: Any) -> Work:
    work = Work(read=lambda _, shard: texts[shard::3], shards=3, exact=ExactDuplicates(), near=NEAR, tasks=2)
    return replace(work, **settings)


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class Killed(Exception):
    pass


@pytest.mark.parametrize("seed", range(4))
def test_restarts_leave_the_same_bytes(
    seed: int, texts: list[Text], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = tmp_path / "whole"
    run(in_memory(texts), whole)
    rng = random.Random(seed)
    for part in (part for part in vars(parts).values() if isinstance(part, type) and issubclass(part, parts.Part)):
        if "run" in vars(part):
            monkeypatch.setattr(part, "run", killed_at_times(vars(part)["run"], rng))
    ends = 0
    while True:
        try:
            run(in_memory(texts), tmp_path / "restarted")
            break
        except Killed:
            ends += 1
    assert ends > 3
    assert content(tmp_path / "restarted") == content(whole)
    assert sum(map(len, run(in_memory(texts), tmp_path / "restarted").values())) == 0


def killed_at_times(do: Any, rng: random.Random) -> Any:
    def run(self: Any, task: int, folder: Path) -> Mapping[str, Any]:
        statistics = do(self, task, folder)
        if rng.random() < 0.3:
            for path in list(folder.iterdir())[::2]:
                path.write_bytes(path.read_bytes()[:5])
            raise Killed
        return statistics

    return run


def test_every_stage_reads_what_it_says(texts: list[Text], tmp_path: Path) -> None:
    """An engine keeps the outcome of a stage for as long as those that it names are the same."""
    read: dict[str, set[str]] = {}

    def earlier(folder: Path, stage: str) -> list[Path]:
        read.setdefault(folder.parent.name, set()).add(stage)
        return beside(folder, stage)

    work = in_memory(texts, earlier=earlier)
    run(work, tmp_path)
    names = [stage.name for stage in stages(work)]
    for stage in stages(work):
        assert set(stage.after) == read.get(stage.name, set()), stage.name
        assert set(stage.after) <= set(names[: names.index(stage.name)])


def one_document(folder: Path, shard: int) -> list[Text]:
    return [text(f"{shard}", "the same words in each of the shards")]


def test_a_stage_runs_in_another_process(tmp_path: Path) -> None:
    work = Work(read=one_document, shards=3, exact=ExactDuplicates(enable=False), near=NEAR, inputs={"corpus": "x"})
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context) as pool:
        for stage in stages(work):
            for task in range(stage.tasks):
                folder = tmp_path / stage.name / f"{task:05}"
                folder.mkdir(parents=True)
                assert json.dumps(pool.submit(stage.run, task, folder).result())
            assert json.dumps(stage.inputs())
    [(_, drop)] = read_drops(tmp_path / "duplicates-drops" / "00002", 0.7)
    assert drop == Drop("near_duplicates", "nearly the same text", 1.0, 0.7, "a/b/0", 1.0)


def test_what_the_settings_change_is_redone(texts: list[Text]) -> None:
    def changed(**near: Any) -> set[str]:
        one, other = (stages(in_memory(texts, near=replace(NEAR, **settings))) for settings in ({}, near))
        return {a.word for a, b in zip(one, other, strict=True) if a.inputs() != b.inputs()}

    assert changed(similarity=0.8) == {"verify"}
    assert changed(bands=20) == {"sign"}
    assert changed(leaders=[2, 1, 4, 63]) == {"compare"}
    assert changed() == set()


def test_a_shard_that_changes_is_refused(texts: list[Text], tmp_path: Path) -> None:
    for n, said in ((5, "has 5 now"), (20, "has more now")):
        given = iter([texts[:10], texts[:n]])
        work = Work(read=lambda *_: next(given), shards=1, exact=ExactDuplicates(), near=NEAR)  # noqa: B023
        with pytest.raises(ConfigError) as error:
            run(work, tmp_path / str(n))
        assert str(error.value) == (
            f"shard 0 had 10 documents when they were hashed, and {said}; remove the output and start again"
        )


def test_stubs_take_seconds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """50,000 licence stubs, a tenth of them the same and all others nearly: in 25 buckets of tens of thousands."""
    rng = random.Random(7)
    base = words(rng, 150)
    texts = []
    for i in range(50_000):
        year = "2001" if i % 10 == 0 else f"{i}"
        texts.append(text(f"{i}", " ".join(["copyright", year, *base]), stars=rng.randrange(1000)))
    work = in_memory(texts, near=NearDuplicates())
    start = time.process_time()
    statistics = run(work, tmp_path)
    seconds = time.process_time() - start
    dropped = {kind: sum(each[f"{kind}_duplicates"] for each in statistics["duplicates-drops"])
               for kind in ("exact", "near")}  # fmt: skip
    assert dropped == {"exact": 5000, "near": 44_999}
    compared = [sum(each["compared"] for each in statistics[f"duplicates-verify-{r}"]) for r in range(2)]
    assert compared[0] <= 12 * 45_000
    assert compared[1:] == [0]
    with capsys.disabled():
        print(f"\n50,000 stubs: {seconds:.1f} CPU seconds")
    assert seconds < 60


def test_unlike_documents_in_a_bucket_stay_linear(tmp_path: Path) -> None:
    """1,500 files from one template, each pair at Jaccard 0.65: nothing is dropped, and few pairs are compared."""
    rng = random.Random(9)
    template = words(rng, 160)
    texts = [text(f"{i}", " ".join(template + words(rng, 43))) for i in range(1500)]
    near = NearDuplicates()
    statistics = run(in_memory(texts, near=near), tmp_path)
    assert sum(each["near_duplicates"] for each in statistics["duplicates-drops"]) == 0
    pairs = sum(each["pairs"] for r in range(2) for each in statistics[f"duplicates-compare-{r}"])
    assert 1500 < pairs < 72 * 25 * 1500 / 2
    verified = sum(each["compared"] for r in range(2) for each in statistics[f"duplicates-verify-{r}"])
    assert verified < 1500 * 1499 / 2
