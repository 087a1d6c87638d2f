"""One configuration gives the same losses on every mesh: `pytest -m parity` runs all cases, plain `pytest` a few."""

import pytest

from tests.parity.compare import Bench
from tests.parity.meshes import CASES, Case

QUICK = [case for case in CASES if case.quick]


@pytest.mark.parity
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_parity(bench: Bench, case: Case) -> None:
    bench.check(case)


@pytest.mark.parametrize("case", QUICK, ids=lambda case: case.name)
def test_parity_of_a_few(bench: Bench, case: Case) -> None:
    bench.check(case)


def test_names_are_unique() -> None:
    assert len({case.name for case in CASES}) == len(CASES)
