"""Shares of languages: what `kept` works out, that draws keep it, and that they depend on nothing but the content."""

import math
import random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from codetitan.errors import ConfigError
from codetitan.prepare.rules.balance import Balance, draw_of
from tests.prepare.rules.made import made

NAMES = ("python", "java", "c", "go", "rust")
COUNTS = st.dictionaries(st.sampled_from(NAMES), st.integers(1, 10**12), min_size=1)


def test_named_languages_are_brought_to_seventy_per_cent() -> None:
    rule = Balance(enable=True, languages=["python", "java"])
    kept = rule.kept({"python": 600, "java": 300, "c": 60, "go": 40})
    assert kept == {"python": pytest.approx(7 / 27), "java": pytest.approx(7 / 27), "c": 1.0, "go": 1.0}
    assert rule.kept({"python": 400, "java": 300, "c": 300}) == {"python": 1.0, "java": 1.0, "c": 1.0}
    assert rule.kept({"c": 5, "go": 0}) == {"c": 1.0}
    assert rule.kept({}) == {}
    assert Balance().kept({"python": 600, "c": 1}) == {"python": 1.0, "c": 1.0}


def test_shares_of_ones_own() -> None:
    rule = Balance(enable=True, shares={"python": 0.5, "c": 0.25})
    kept = rule.kept({"python": 100, "c": 100, "go": 50, "rust": 50})
    assert kept == {"python": 1.0, "c": 0.5, "go": 0.5, "rust": 0.5}  # 100 + 50 + 50
    rule = Balance(enable=True, shares={"python": 0.7, "c": 0.2, "go": 0.1})
    assert rule.kept({"python": 70, "c": 20, "go": 10, "rust": 50})["rust"] == 0.0


@given(COUNTS, st.floats(0.05, 1.0), st.sets(st.sampled_from(NAMES), min_size=1))
def test_at_most(counts: dict[str, int], most: float, named: set[str]) -> None:
    rule = Balance(enable=True, languages=sorted(named), max_share=most)
    if set(counts) <= named and most < 1:
        with pytest.raises(ConfigError):
            rule.kept(counts)
        return
    kept = rule.kept(counts)
    left = {language: n * kept[language] for language, n in counts.items()}
    together = sum(n for language, n in left.items() if language in named)
    assert together <= most * sum(left.values()) * (1 + 1e-9)
    assert all(0 <= share <= 1 for share in kept.values())
    before = sum(n for language, n in counts.items() if language in named)
    if before > most * sum(counts.values()):  # no more is left out than that
        assert together == pytest.approx(most * sum(left.values()))


@given(COUNTS, st.dictionaries(st.sampled_from(NAMES), st.floats(0.01, 1.0), min_size=1))
def test_shares_are_met_and_the_scarcest_is_whole(counts: dict[str, int], weights: dict[str, float]) -> None:
    assume(set(weights) <= set(counts))
    scale = 1.0 if set(weights) == set(counts) else 0.9
    shares = {language: scale * weight / sum(weights.values()) for language, weight in weights.items()}
    kept = Balance(enable=True, shares=shares).kept(counts)
    left = {language: n * kept[language] for language, n in counts.items()}
    for language, share in shares.items():
        assert left[language] == pytest.approx(share * sum(left.values()))
    assert max(kept.values()) == pytest.approx(1.0)
    assert len({kept[language] for language in counts if language not in shares}) <= 1


def test_draws_keep_the_share_and_depend_on_the_content_alone() -> None:
    rule = Balance(enable=True, languages=["python"])
    files = [made(f"x = {i}\n", "python" if i % 10 else "c") for i in range(5000)]
    counts = {"python": 4500, "c": 500}
    kept = rule.kept(counts)
    left = {file.text for file in files if rule.judge(file, kept) is None}
    n = sum(file.language == "python" and file.text in left for file in files)
    assert n == pytest.approx(500 * 7 / 3, rel=0.08)
    assert {file.text for file in files if file.language == "c"} <= left
    random.Random(0).shuffle(files)
    assert {file.text for file in files if rule.judge(file, kept) is None} == left
    more = {language: min(1.0, 2 * share) for language, share in kept.items()}
    assert left <= {file.text for file in files if rule.judge(file, more) is None}


def test_the_drop_says_the_draw_and_the_share() -> None:
    file = made("x")
    drop = Balance(enable=True, languages=["python"]).judge(file, {"python": 0.0})
    assert drop is not None and drop.threshold == 0.0 and drop.reason == "language above its share"
    assert drop.value == draw_of("2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881")  # sha256 of "x"
    draw = float(drop.value or 0)
    assert Balance().judge(file, {"python": draw}) is not None
    assert Balance().judge(file, {"python": math.nextafter(draw, 1)}) is None
    assert draw_of("a") == 0.5269663185194211  # the same on any machine, for ever


@pytest.mark.parametrize(
    ("table", "counts", "line"),
    [
        ({"languages": ["python"]}, {"python": 5},
         "prepare.balance.max_share = 0.7: the corpus has nothing but python, which prepare.balance.languages names; "
         "add sources in other languages, or set max_share = 1"),
        ({"shares": {"c": 0.5}}, {"python": 5},
         "prepare.balance.shares.c = 0.5: the corpus has nothing in it; remove it, or add a source"),
        ({"shares": {"c": 0.5}}, {"c": 5},
         "prepare.balance.shares add up to 0.5, but the corpus has nothing beside c; make them 1 together"),
    ],
)  # fmt: skip
def test_what_a_corpus_can_not_have(table: dict[str, object], counts: dict[str, int], line: str) -> None:
    with pytest.raises(ConfigError) as error:
        Balance(enable=True, **table).kept(counts)  # type: ignore[arg-type]
    assert str(error.value) == line


@pytest.mark.parametrize(
    ("table", "line"),
    [
        ({"languages": ["pyhton"]}, 'languages has "pyhton", which is no language; did you mean "python"?'),
        ({"shares": {"cc": 0.5}}, 'shares has "cc", which is no language'),
        ({"shares": {"c": 0.5, "go": 0.6}}, "shares add up to 1.1; they must not be above 1 together"),
        ({"shares": {"c": 0.0}}, "shares has c = 0.0, which must lie above 0, and not above 1"),
        ({"max_share": 0.0}, "max_share = 0.0 must lie above 0, and not above 1"),
        ({"enable": True}, "languages and shares: one of them must be given"),
        ({"enable": True, "languages": ["c"], "shares": {"c": 0.1}}, "languages and shares: one of them must be given"),
    ],
)
def test_wrong_tables(table: dict[str, object], line: str) -> None:
    with pytest.raises(ValueError) as error:
        Balance(**table)  # type: ignore[arg-type]
    assert str(error.value).startswith(line)
