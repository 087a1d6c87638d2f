"""The runs of a session, and docs/parity.md, written when all cases have run."""

import pytest

from tests.conftest import REPOSITORY
from tests.parity.compare import Bench, table
from tests.parity.meshes import CASES

_BENCH = pytest.StashKey[Bench]()


@pytest.fixture(scope="session")
def bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Runs cases; references are shared by all tests."""
    made = Bench(tmp_path_factory.mktemp("parity"))
    request.config.stash[_BENCH] = made
    return made


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A subset must not overwrite the table."""
    bench = session.config.stash.get(_BENCH, None)
    if bench is not None and {case.name for case in CASES} <= bench.outcomes.keys():
        (REPOSITORY / "docs" / "parity.md").write_text(table(bench.outcomes), encoding="utf-8")
