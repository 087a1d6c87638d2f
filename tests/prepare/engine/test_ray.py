"""By Ray, on a cluster of this machine's: the same bytes, and a line where datatrove has none."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from codetitan.errors import ConfigError
from codetitan.prepare.engine.tables import Local, Ray
from tests.conftest import REPOSITORY
from tests.prepare.engine import toys

ray = pytest.importorskip("ray", reason="Ray is not installed (pip install ray)")

HOW = Ray(memory_gb=0.5)


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", f"{REPOSITORY}:{Path(ray.__file__).parent.parent}")
        patch.setenv("RAY_AUTH_MODE", "disabled")
        ray.init(num_cpus=2, log_to_driver=False, include_dashboard=False)
        yield
        ray.shutdown()


def line(call: Callable[[], object]) -> str:
    with pytest.raises(ConfigError) as error:
        call()
    return re.sub(r"-[0-9a-f]{16}\b", "-DIGEST", str(error.value))


def test_the_same_bytes(corpus: Path, tmp_path: Path) -> None:
    statistics, said = toys.run(corpus, tmp_path / "ray", HOW)
    alone, _ = toys.run(corpus, tmp_path / "alone", Local(workers=2))
    assert statistics == alone
    assert toys.snapshot(tmp_path / "ray") == toys.snapshot(tmp_path / "alone") != {}
    assert any(line.startswith("1/2 count: 5 of 5 tasks, 5.0 kB in ") for line in said)


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("fail", 'stage "count", task 1, 001.txt: ZeroDivisionError: of 1 by 0; mend that'),
        ("die", 'stage "count", task 1: its worker was killed (SIGKILL), as the kernel does when memory ends'),
    ],
)
def test_a_task_that_fails(corpus: Path, tmp_path: Path, trap: Callable[..., None], what: str, text: str) -> None:
    trap(count_1=what)
    assert line(lambda: toys.run(corpus, tmp_path / "out", HOW, tasks=2)).startswith(text)
    trap()
    toys.run(corpus, tmp_path / "out", HOW, tasks=2)
    assert toys.found(tmp_path / "out") == toys.expected(corpus)


def test_a_cluster_that_is_too_small(corpus: Path, tmp_path: Path) -> None:
    assert re.fullmatch(
        r"prepare.executor: a task asks for cpus = 9 of memory_gb = 2 each, and the cluster has 2 cores and [\d.]+ GiB; ask for less",
        line(lambda: toys.run(corpus, tmp_path / "out", Ray(cpus=9))),
    )
