"""The simulator as a fixture: one server a session, which keeps the kernels that its cases have compiled."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from tests.conftest import REPOSITORY
from tests.hopper import libraries
from tests.hopper.report import Report

Simulate = Callable[..., Report]


class SimulationError(Exception):
    """A step that could not be simulated; the end of its log."""


@pytest.fixture(scope="session")
def simulate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulate]:
    """A function (config, *overrides, world_size=1, rank=0, spoilt=None) → Report, which raises what a case raised.

    `spoilt` names a function of `spoilt.py`, run before. A case that was simulated before is not simulated again.
    """
    if reason := libraries.missing():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("hopper")
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.hopper.server"],
        env=libraries.build(folder),
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdin is not None and server.stdout is not None
    reports: dict[str, Report] = {}

    def run(config: str, *overrides: str, world_size: int = 1, rank: int = 0, spoilt: str | None = None) -> Report:
        case = {
            "config": str(REPOSITORY / "train_configs" / f"{config}.toml"),
            "overrides": overrides,
            "world_size": world_size,
            "rank": rank,
            "spoilt": spoilt,
        }
        key = json.dumps(case)
        if key not in reports:
            out, log = folder / f"{len(reports)}.json", folder / f"{len(reports)}.log"
            log.touch()
            print(json.dumps(case | {"out": str(out), "log": str(log)}), file=server.stdin, flush=True)
            status = server.stdout.readline().strip() or "of a server that has ended"
            if status != "0":
                raise SimulationError(f"exit status {status}\n{log.read_text()[-6000:]}")
            reports[key] = Report.read(out)
        return reports[key]

    yield run
    server.stdin.close()
    server.wait(timeout=60)
