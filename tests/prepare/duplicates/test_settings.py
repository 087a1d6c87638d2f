"""The tables, and the words of their errors."""

import sys

import pytest

from codetitan.errors import ConfigError
from codetitan.prepare.duplicates.config import NearDuplicates


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"similarity": 0.0}, "prepare.near_duplicates.similarity = 0.0 must be above 0 and at most 1"),
        ({"similarity": 1.5}, "prepare.near_duplicates.similarity = 1.5 must be above 0 and at most 1"),
        ({"bands": 0}, "prepare.near_duplicates.bands = 0 must be 1 to 512"),
        ({"rows": 513}, "prepare.near_duplicates.rows = 513 must be 1 to 512"),
        ({"leaders": []}, "prepare.near_duplicates.leaders = [] must have numbers of 1 to 1024, one a round"),
        ({"leaders": [8, 0]}, "prepare.near_duplicates.leaders = [8, 0] must have numbers of 1 to 1024, one a round"),
    ],
)
def test_a_value_out_of_range(settings: dict, error: str) -> None:
    with pytest.raises(ConfigError) as found:
        NearDuplicates(**settings)
    assert str(found.value) == error


def test_rensa_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rensa", None)
    NearDuplicates(enable=False).check()
    with pytest.raises(ConfigError) as error:
        NearDuplicates().check()
    assert str(error.value) == (
        "prepare.near_duplicates.enable = true needs rensa, which is not installed: pip install -e '.[prepare]'"
    )
