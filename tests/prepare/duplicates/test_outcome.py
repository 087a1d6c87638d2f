"""What is dropped, beside a plain comparison of all pairs, on made corpora and the standard library."""

import random
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from codetitan.data.shingles import similarity, word_grams
from codetitan.data.sources.open import PythonStdlib, open_source
from codetitan.prepare.duplicates.config import ExactDuplicates, NearDuplicates
from codetitan.prepare.duplicates.hashes import Text
from codetitan.prepare.duplicates.near.choose import UNDECIDED
from codetitan.prepare.duplicates.order import name_of
from tests.data.helpers import plain_grams
from tests.prepare.duplicates.corpora import families, outcome, plain, text, words


def shortened(found: dict[bytes, tuple[bytes, float]]) -> dict[bytes, tuple[str, float]]:
    return {key: (name_of(twin), alike) for key, (twin, alike) in found.items()}


@pytest.mark.parametrize("seed", range(12))
def test_the_outcome_is_that_of_comparing_all_pairs(seed: int, tmp_path: Path) -> None:
    texts = families(seed, 60)
    near = NearDuplicates(leaders=[64])
    found = outcome(texts, tmp_path, near=near)
    assert {key: (drop.twin, drop.similarity) for key, drop in found.items()} == shortened(plain(texts, near))
    assert len(found) > 10


@pytest.mark.parametrize("seed", range(12))
def test_few_leaders_and_many_rounds_drop_the_same(seed: int, tmp_path: Path) -> None:
    """Of large buckets a drop may name another document that stays, as the best one need not have been compared."""
    texts = families(seed, 200)
    near = NearDuplicates(leaders=[1, 1, 2, 1, 5, 64])
    found = outcome(texts, tmp_path, near=near)
    assert set(found) == set(plain(texts, near))
    check_twins(texts, found)
    states = [np.fromfile(tmp_path / f"duplicates-choose-{r}" / "00000" / "state", np.uint8) for r in range(6)]
    for before, after in pairwise(states):  # what is said once holds
        assert np.array_equal(before[before != UNDECIDED], after[before != UNDECIDED])
    undecided = [int((state == UNDECIDED).sum()) for state in states]
    assert undecided[0] > undecided[-1] == 0


@pytest.mark.parametrize("rounds", [1, 2, 3])
def test_too_few_rounds_drop_nothing_wrongly(rounds: int, tmp_path: Path) -> None:
    texts = families(5, 150)
    near = NearDuplicates(leaders=[1] * rounds)
    found = outcome(texts, tmp_path, near=near)
    assert found
    check_twins(texts, found)


def check_twins(texts: list[Text], found: dict) -> None:
    """The document that is named stays, is better, and is as similar as is said."""
    by_name = {name_of(each.key): each for each in texts}
    for each in texts:
        if drop := found.get(each.key):
            twin = by_name[drop.twin]
            assert twin.key not in found
            assert twin.key < each.key
            grams = [np.unique(word_grams(x.texts[0])) for x in (each, twin)]
            alike = similarity(*grams) if len(grams[0]) else 1.0
            assert drop.similarity == alike >= 0.7 or each.texts == twin.texts


def test_planted_pairs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """100 pairs at Jaccard 0.5 to 0.95: what is found is above 0.7, and how much of that is as the bands say."""
    rng = random.Random(16)
    texts, alike = [], {}
    for pair in range(100):
        share = 0.5 + 0.45 * pair / 99
        n = 400
        common = round(2 * n * share / (1 + share))  # of n grams each: common / (2 n - common) = share
        shared = words(rng, common + 4)
        for side in "ab":
            texts.append(text(f"{pair}{side}", " ".join(shared + words(rng, n - common)), stars=side == "a"))
        a, b = (plain_grams(each.texts[0]) for each in texts[-2:])
        alike[texts[-1].key] = len(a & b) / len(a | b)
        assert alike[texts[-1].key] == pytest.approx(share, abs=0.005)
    rng.shuffle(texts)
    found = outcome(texts, tmp_path)
    assert {key: drop.similarity for key, drop in found.items()} == {key: alike[key] for key in found}
    lines = []
    for low, high in ((0.5, 0.7), (0.7, 0.75), (0.75, 0.8), (0.8, 0.85), (0.85, 0.96)):
        inside = [key for key, share in alike.items() if low <= share < high]
        expected = sum(1 - (1 - alike[key] ** 10) ** 25 for key in inside) if low >= 0.7 else 0.0
        n = sum(key in found for key in inside)
        lines.append(f"Jaccard {low:.2f} to {high:.2f}: {n} of {len(inside)} dropped, {expected:.1f} by the bands")
        assert abs(n - expected) <= 3 + 0.25 * len(inside) * (0.7 <= low < 0.8)
    similar = [key for key, share in alike.items() if share >= 0.7]
    recall = sum(key in found for key in similar) / len(similar)
    precision = sum(key in similar for key in found) / len(found)
    with capsys.disabled():
        print("", *lines, f"recall {recall:.3f}, precision {precision:.3f}", sep="\n")
    assert precision == 1.0
    assert recall >= 0.85


def test_the_standard_library(tmp_path: Path) -> None:
    source = open_source(PythonStdlib())
    documents = [source.read(i) for i in range(100, 330)]
    texts = [text(each.path, each.text, repo="python/cpython") for each in documents]
    near = NearDuplicates()
    found = outcome(texts, tmp_path, near=near, shards=3)
    assert {key: (drop.twin, drop.similarity) for key, drop in found.items()} == shortened(plain(texts, near))
    assert sum(drop.rule == "near_duplicates" for drop in found.values()) > 20  # encodings copy each other


def test_a_chain_does_not_collapse(tmp_path: Path) -> None:
    """Each is similar to the next, and not to the one after it: every second one stays."""
    rng = random.Random(0)
    every = words(rng, 1000)
    texts = [text(f"{i}", " ".join(every[40 * i : 40 * i + 300]), stars=100 - i) for i in range(8)]
    near = NearDuplicates(bands=50, rows=4)
    assert [plain(texts, near, all_pairs=True).get(each.key) is None for each in texts] == [True, False] * 4
    found = outcome(texts, tmp_path, near=near)
    assert [each.key not in found for each in texts] == [True, False] * 4
    assert [found[each.key].twin for each in texts[1::2]] == [f"a/b/{i}" for i in (0, 2, 4, 6)]


def test_the_best_one_stays(tmp_path: Path) -> None:
    rng = random.Random(1)
    base = " ".join(words(rng, 100))
    texts = [
        text("few", base + " end", stars=3),
        text("copyleft", base, stars=1000, permissive=False),
        text("many", base + " another end", stars=500),
        text("unknown", base + "  ", stars=None),
    ]
    found = outcome(texts, tmp_path)
    assert {name_of(key): drop.twin for key, drop in found.items()} == {
        f"a/b/{path}": "a/b/many" for path in ("few", "copyleft", "unknown")
    }


def test_exact_copies(tmp_path: Path) -> None:
    texts = [
        text("a", "x = 1\n", stars=2),
        text("b", "x = 1\n", stars=9),
        text("c", "x  =  1\n", stars=5),
        text("d", "x = 2\n"),
        text("e", ""),
        text("f", ""),
        text("g", "{}"),
        text("h", "()"),
    ]
    off = NearDuplicates(enable=False)
    found = outcome(texts, tmp_path / "1", near=off)
    assert {name_of(key): drop.twin for key, drop in found.items()} == {"a/b/a": "a/b/b", "a/b/f": "a/b/e"}
    drop = found[texts[0].key]
    assert (drop.rule, drop.reason, drop.similarity) == ("exact_duplicates", "the same text", 1.0)
    found = outcome(texts, tmp_path / "2", near=off, exact=ExactDuplicates(white_space=False))
    assert {name_of(key) for key in found} == {"a/b/a", "a/b/c", "a/b/f"}
    assert outcome(texts, tmp_path / "3", near=off, exact=ExactDuplicates(enable=False)) == {}
    # without a word there is nothing to compare
    found = outcome(texts, tmp_path / "4", exact=ExactDuplicates(enable=False))
    assert {name_of(key) for key in found} == {"a/b/a", "a/b/c"}


def test_an_exact_copy_of_a_near_duplicate_names_what_stays(tmp_path: Path) -> None:
    base = " ".join(words(random.Random(2), 100))
    texts = [text("best", base, stars=9), text("near", base + " end", stars=5), text("copy", base + " end", stars=1)]
    found = outcome(texts, tmp_path)
    assert {name_of(key): drop.twin for key, drop in found.items()} == {"a/b/near": "a/b/best", "a/b/copy": "a/b/best"}
    assert found[texts[1].key].similarity == found[texts[2].key].similarity == pytest.approx(96 / 97)
    assert [found[each.key].rule for each in texts[1:]] == ["near_duplicates", "exact_duplicates"]


def test_nothing_to_compare(tmp_path: Path) -> None:
    assert outcome([], tmp_path / "1", shards=1) == outcome([], tmp_path / "2", shards=3) == {}
    assert outcome([text("a", "one word")], tmp_path / "3", shards=5, tasks=3) == {}
