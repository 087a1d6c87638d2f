"""By SLURM: the scripts that are written and submitted, run by a stand-in for it (the programs in slurm/)."""

import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from codetitan.errors import ConfigError
from codetitan.prepare.engine import slurm
from codetitan.prepare.engine.tables import Local, Slurm
from tests.conftest import REPOSITORY
from tests.prepare.engine import toys

PROGRAMS = REPOSITORY / "tests" / "prepare" / "engine" / "slurm"
# 5 tasks of `count`: 3 jobs, as two arrays; 3 of `most`: 2 jobs, as one
HOW = Slurm(
    partition="cpu", time="2:00:00", memory_gb=3, workers=7, tasks_per_job=2, max_array_size=2, qos="high",
    options={"account": "code"},
)  # fmt: skip


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The stand-in's folder: jobs, by number."""
    (tmp_path / "slurm").mkdir()
    monkeypatch.setenv("FAKE_SLURM", str(tmp_path / "slurm"))
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    monkeypatch.setenv("PATH", f"{PROGRAMS}:{os.environ['PATH']}")
    monkeypatch.setattr(slurm, "POLL_S", 0.05)
    return tmp_path / "slurm"


def line(call: Callable[[], object]) -> str:
    with pytest.raises(ConfigError) as error:
        call()
    return re.sub(r"-[0-9a-f]{16}\b", "-DIGEST", str(error.value))


def test_arrays(
    corpus: Path, tmp_path: Path, cluster: Path, trap: Callable[..., None], capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    trap(count_1="fail")
    assert line(lambda: toys.run(corpus, out, HOW)).startswith(
        'stage "count", task 1, 001.txt: ZeroDivisionError: of 1 by 0; mend that, and the same command goes on (traceback in '
    )
    jobs = [path.read_text().splitlines() for path in sorted(cluster.glob("*.sh"))]
    assert len(jobs) == 3
    for job, name in zip(jobs, ["count", "count", "most"], strict=True):
        options = {line.removeprefix("#SBATCH --") for line in job if line.startswith("#SBATCH")}
        logs = next(out.glob(f"stages/{name}-*")) / "datatrove" / "slurm_logs" / "%A_%a.out"
        assert options == {
            "cpus-per-task=1", "mem-per-cpu=3G", "nodes=1", "partition=cpu", f"job-name=prepare-{name}", "time=2:00:00",
            f"output={logs}", f"error={logs}", "array=0-1%7", "qos=high", "requeue", "kill-on-invalid-dep=yes",
            "account=code",
        }  # fmt: skip
        assert f"export PATH={Path(sys.executable).parent}:$PATH" in "\n".join(job)
    asked = [path.read_text().splitlines() for path in sorted(cluster.glob("*.options"))]
    assert asked == [
        ["--export=ALL,RUN_OFFSET=0"],
        ["--export=ALL,RUN_OFFSET=1", "--dependency=afterany:1000"],
        ["--export=ALL,RUN_OFFSET=0", "--dependency=afterok:1000:1001"],  # all arrays, not the last alone
    ]
    assert (cluster / "1002.end").read_text() == "cancelled"

    trap()
    statistics, said = toys.run(corpus, out, HOW)
    assert said[0] == "count: 1 of 5 tasks as job 1003"
    assert toys.found(out) == toys.expected(corpus)
    alone, _ = toys.run(corpus, tmp_path / "alone", Local(workers=2))
    assert statistics == alone and toys.snapshot(out) == toys.snapshot(tmp_path / "alone")
    assert toys.run(corpus, out, HOW)[1] == ["nothing is left to do: all 2 stages are done"]
    assert capfd.readouterr() == ("", "")


def test_jobs_that_wait_are_not_submitted_again(corpus: Path, tmp_path: Path, cluster: Path) -> None:
    out = tmp_path / "out"
    (cluster / "queues").touch()
    text = line(lambda: toys.run(corpus, out, HOW))  # the queue is empty, and nothing is done
    assert text.startswith('stage "count", task 0: not done, as 5 of 5, and no job is in the queue any more')
    assert text.endswith("raise prepare.executor.time or memory_gb, and the same command goes on")

    kept = json.loads(next(out.glob("stages/count-*/jobs.json")).read_text())
    assert kept == {"jobs": ["1000", "1001"]}
    partial = next(out.glob("stages/count-*/tasks")) / "00000.partial-1-1"
    partial.mkdir()
    (cluster / "unreachable").touch()
    assert line(lambda: toys.run(corpus, out, HOW)).startswith("squeue does not answer, and jobs of an earlier command")
    (cluster / "unreachable").unlink()

    (cluster / "queue").write_text("1001\n1002\n77\n")
    said: list[str] = []

    def interrupt(text: str) -> None:
        said.append(text)
        if len(said) == 2:
            raise KeyboardInterrupt

    from codetitan.prepare.engine.run import execute

    with pytest.raises(KeyboardInterrupt):
        execute([toys.Count(corpus), toys.Most(corpus)], out, HOW, interrupt)
    assert said[:2] == [
        "count: waits for job 1001 of an earlier command",
        "most: waits for job 1002 of an earlier command",
    ]
    assert len(list(cluster.glob("*.sh"))) == 3
    assert partial.exists()  # it may be the job's


def test_ctrl_c_leaves_the_jobs(corpus: Path, tmp_path: Path, cluster: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (cluster / "queues").touch()
    (cluster / "queue").write_text("1000\n1002\n")

    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    said: list[str] = []
    monkeypatch.setattr(slurm.time, "sleep", interrupt)
    from codetitan.prepare.engine.run import execute

    with pytest.raises(KeyboardInterrupt):
        execute([toys.Count(corpus), toys.Most(corpus)], tmp_path / "out", HOW, said.append)
    assert said[-2:] == [
        "jobs 1000, 1001, 1002 go on; the same command waits for them, `scancel 1000 1001 1002` ends them",
        "stopped; no task is done yet; the same command starts it again",
    ]


def test_what_sbatch_refuses(corpus: Path, tmp_path: Path, cluster: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (cluster / "refuses").touch()
    assert line(lambda: toys.run(corpus, tmp_path / "out", HOW)) == (
        'stage "count": sbatch refused its jobs (exit code 1, its reason stands above); mend [prepare.executor], and the '
        "same command goes on"
    )
    assert "invalid partition" in capfd.readouterr().err


def test_no_slurm_here(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert line(lambda: toys.run(corpus, tmp_path / "out", HOW)) == (
        'prepare.executor.name = "slurm": there is no sbatch here; start it where jobs are submitted'
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["out of runs", "o'ut", "out$HOME", "a;b", "100%"])
def test_a_folder_whose_name_is_none_for_a_script(corpus: Path, tmp_path: Path, cluster: Path, name: str) -> None:
    """datatrove writes paths into shell scripts as they are: every job would end at once."""
    assert re.fullmatch(
        r'prepare.executor.name = "slurm": the scripts can\'t have the path ".*"; choose an --output of letters, digits, '
        "and . _ - . = @ , : alone",
        line(lambda: toys.run(corpus, tmp_path / name, HOW)),
    )
    assert not list(cluster.iterdir())
