"""A score of one's own: as a threshold, as a weight, and each way to get it wrong in one line."""

import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

from codetitan.errors import ConfigError
from codetitan.prepare.config import Prepare
from codetitan.prepare.contamination import Contamination
from codetitan.prepare.file import Drop, File
from codetitan.prepare.rules.quality import Quality
from codetitan.prepare.stages.judge import JudgeFiles
from tests.prepare.rules.made import made


@pytest.fixture
def scores() -> Iterator[types.ModuleType]:
    module = types.ModuleType("made_up_scores")
    sys.modules[module.__name__] = module
    yield module
    del sys.modules[module.__name__]


def test_a_threshold_drops(scores: types.ModuleType) -> None:
    def length(file: File) -> float:
        return len(file.text) / 10

    scores.length = length  # type: ignore[attr-defined]
    rule = Quality(enable=True, function="made_up_scores:length", min_score=0.5)
    assert rule.judge(made("x" * 5)) is None and rule.weight(made("x" * 5)) is None
    assert rule.judge(made("x" * 4)) == Drop("quality", "low score", 0.4, 0.5)


def test_a_weight_is_written(scores: types.ModuleType) -> None:
    scores.stars = lambda file: file.stars or 0  # type: ignore[attr-defined]
    rule = Quality(enable=True, function="made_up_scores:stars", use="weight", min_score=7)
    assert rule.judge(made("x")) is None
    weight = rule.weight(made("x"))
    assert weight == 0.0 and isinstance(weight, float)


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("ZeroDivisionError", 'prepare.quality.function = "made_up_scores:f1" failed on owner/repo/src/a.py: '
         "ZeroDivisionError: division by zero"),
        (None, 'prepare.quality.function = "made_up_scores:f2" returned None for owner/repo/src/a.py: it must return a '
         "finite number"),
        (float("nan"), 'prepare.quality.function = "made_up_scores:f3" returned nan for owner/repo/src/a.py: it must '
         "return a finite number"),
        ("0.5", 'prepare.quality.function = "made_up_scores:f5" returned \'0.5\' for owner/repo/src/a.py: it must return '
         "a finite number"),
        (True, 'prepare.quality.function = "made_up_scores:f6" returned True for owner/repo/src/a.py: it must return a '
         "finite number"),
        (10**400, f'prepare.quality.function = "made_up_scores:f7" returned {"1" + "0" * 59} for owner/repo/src/a.py: it '
         "must return a finite number"),
        (-1, 'prepare.quality.function = "made_up_scores:f4" returned -1.0 for owner/repo/src/a.py: a weight must not '
         "be negative"),
    ],
)  # fmt: skip
def test_errors_of_the_function(scores: types.ModuleType, value: object, line: str) -> None:
    name = line.split('"')[1].partition(":")[2]
    setattr(scores, name, (lambda file: 1 / 0) if value == "ZeroDivisionError" else lambda file: value)
    with pytest.raises(ConfigError) as error:
        Quality(enable=True, function=f"made_up_scores:{name}", use="weight").weight(made("x"))
    assert str(error.value) == line


def test_a_function_that_is_not_there(scores: types.ModuleType) -> None:
    with pytest.raises(ConfigError) as error:
        Quality(enable=True, function="made_up_scores:nothing").judge(made("x"))
    assert (
        str(error.value)
        == 'prepare.quality.function = "made_up_scores:nothing": made_up_scores has no function nothing'
    )
    with pytest.raises(ConfigError) as error:
        Quality(enable=True, function="no_such_module:f").judge(made("x"))
    assert str(error.value) == (
        'prepare.quality.function = "no_such_module:f": no_such_module can\'t be imported (ModuleNotFoundError: No '
        "module named 'no_such_module'); is it on PYTHONPATH?"
    )


def test_it_is_looked_for_before_anything_is_read_and_a_change_of_it_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = Quality(enable=True, function="scores_of_ours:good")
    with pytest.raises(ConfigError, match="scores_of_ours can't be imported"):
        rule.check()
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "scores_of_ours.py").write_text("def good(file): return 1\n")
    rule.check()
    before = rule.digest()
    assert before is not None and before == rule.digest() and Quality().digest() is None
    (tmp_path / "scores_of_ours.py").write_text("def good(file): return 2\n")
    assert rule.digest() != before
    # It is a part of what the stage's state is named by.
    judge = JudgeFiles(Prepare(quality=rule, contamination=Contamination(enable=False)), 1)
    assert judge.inputs()["of quality"] == rule.digest()


@pytest.mark.parametrize(
    ("table", "line"),
    [
        ({"enable": True}, 'function is missing; name one, such as "my_scores:educational", or set enable = false'),
        ({"function": "scores"}, 'function = "scores" must be "module:function"'),
        ({"function": ":f"}, 'function = ":f" must be "module:function"'),
        ({"min_score": float("inf")}, "min_score = inf must be finite"),
    ],
)
def test_wrong_tables(table: dict[str, object], line: str) -> None:
    with pytest.raises(ValueError) as error:
        Quality(**table)  # type: ignore[arg-type]
    assert str(error.value) == line
