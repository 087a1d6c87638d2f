import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest

from codetitan import launch, stop
from codetitan.errors import ConfigError
from codetitan.launch import find_nodes, first_host, parse, processes, set_environment
from tests.conftest import REPOSITORY, environment, run_train_sh

SLURM = {
    "SLURM_JOB_ID": "123456", "SLURM_STEP_ID": "2", "SLURM_PROCID": "3", "SLURM_NODEID": "3",
    "SLURM_STEP_NUM_NODES": "4", "SLURM_STEP_NUM_TASKS": "4", "SLURM_STEP_NODELIST": "gpu[007-010]",
    "SLURM_JOB_NODELIST": "gpu[001-010]",
}  # fmt: skip


@pytest.mark.parametrize(("env", "gpus", "n"), [({}, 0, 1), ({}, 8, 8), ({"NGPU": "8"}, 0, 8), ({"NGPU": "2"}, 8, 2)])
def test_processes(env: Mapping[str, str], gpus: int, n: int) -> None:
    assert processes(env, gpus) == n


@pytest.mark.parametrize(
    ("env", "gpus", "line"),
    [
        ({"NGPU": "many"}, 0, "NGPU = 'many' must be a whole number of at least 1"),
        ({"NGPU": "0"}, 0, "NGPU = '0' must be a whole number of at least 1"),
        (
            {"NGPU": "9"},
            8,
            "NGPU = 9 must not exceed the 8 visible GPUs; to train on the CPU set CUDA_VISIBLE_DEVICES=",
        ),
    ],
)
def test_processes_wrong(env: Mapping[str, str], gpus: int, line: str) -> None:
    with pytest.raises(ConfigError) as error:
        processes(env, gpus)
    assert str(error.value) == line


@pytest.mark.parametrize(
    ("nodelist", "host"),
    [
        ("gpu001", "gpu001"), ("gpu[001-004]", "gpu001"), ("gpu[003,007-009]", "gpu003"), ("a1,b2", "a1"),
        ("rack[1-2]n,x", "rack1n"), ("node-7-[12-15]", "node-7-12"),
    ],
)  # fmt: skip
def test_first_host(nodelist: str, host: str) -> None:
    assert first_host(nodelist) == host


def test_nodes() -> None:
    assert find_nodes({}) == (1, ("--standalone",))
    assert find_nodes({"PET_NNODES": "4", "PET_NODE_RANK": "1"}) == (4, ())
    assert find_nodes(SLURM) == (
        4,
        ("--node-rank=3", "--rdzv-backend=c10d", "--rdzv-id=123456.2", "--rdzv-endpoint=gpu007:23456"),
    )
    assert find_nodes({"PET_NNODES": "1", "SLURM_JOB_NUM_NODES": "2"}) == (1, ())
    # A step on one of several nodes.
    one = SLURM | {"SLURM_STEP_NUM_NODES": "1", "SLURM_STEP_NUM_TASKS": "1", "SLURM_JOB_NUM_NODES": "4"}
    assert find_nodes(one) == (1, ("--standalone",))
    # The body of an sbatch script: one process, whatever the number of tasks of the job.
    assert find_nodes({"SLURM_PROCID": "0", "SLURM_NTASKS": "8", "SLURM_JOB_ID": "1"}) == (1, ("--standalone",))
    # `salloc` without srun: the shell runs on one node, outside any step.
    assert find_nodes({k: v for k, v in SLURM.items() if k != "SLURM_PROCID"}) == (1, ("--standalone",))


@pytest.mark.parametrize(
    ("env", "text"),
    [
        ({"PET_NNODES": "1:4"}, "PET_NNODES = '1:4' must be one whole number"),
        (SLURM | {"SLURM_STEP_NUM_TASKS": "32"}, "SLURM started 32 tasks on 4 nodes; start one a node"),
        # The body of an sbatch script, and a shell of salloc.
        (
            {"SLURM_PROCID": "0", "SLURM_JOB_ID": "1", "SLURM_JOB_NUM_NODES": "2"},
            r"the SLURM allocation has 2 nodes, and this process is on one of them: start it with srun "
            r"--ntasks-per-node=1 \./run_train\.sh …; or set PET_NNODES=1 to train on this node alone",
        ),
        ({"SLURM_JOB_ID": "1", "SLURM_NNODES": "4"}, "the SLURM allocation has 4 nodes"),
    ],
)
def test_nodes_wrong(env: Mapping[str, str], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        find_nodes(env)


def test_parse() -> None:
    assert parse(["--config", "a.toml", "--x.y", "1"]) == (Path("a.toml"), ["--x.y", "1"])
    assert parse(["--x.y", "1", "--config=a.toml"]) == (Path("a.toml"), ["--x.y", "1"])
    with pytest.raises(ConfigError, match=r'--config: missing; .*; did you mean "--config"\?'):
        parse(["--confg", "a.toml"])


def test_the_cores_are_shared() -> None:
    env: dict[str, str] = {}
    set_environment(env, nproc=8, cores=2, cpu=True)
    assert env["OMP_NUM_THREADS"] == "1"
    env = {"OMP_NUM_THREADS": "5"}
    set_environment(env, nproc=1, cores=2, cpu=False)
    assert env == {"OMP_NUM_THREADS": "5", "PYTORCH_ALLOC_CONF": "expandable_segments:True"}


def test_help() -> None:
    result = subprocess.run(
        [str(REPOSITORY / "run_train.sh"), "--help"], env=environment(1), capture_output=True, text=True
    )
    assert result.returncode == 0 and result.stdout.startswith("usage: codetitan train --config FILE")


@pytest.mark.slow
def test_two_nodes_of_a_slurm_step(tiny: Path, tmp_path: Path) -> None:
    """Two launchers with what srun gives each of them, on this machine, make one run of two processes."""
    launchers = []
    for node in range(2):
        env = environment(1) | {
            "SLURM_JOB_ID": str(os.getpid()), "SLURM_PROCID": str(node), "SLURM_NODEID": str(node),
            "SLURM_STEP_NUM_NODES": "2", "SLURM_STEP_NUM_TASKS": "2", "SLURM_STEP_NODELIST": "localhost,localhost",
        }  # fmt: skip
        launchers.append(
            subprocess.Popen([str(REPOSITORY / "run_train.sh"), "--config", str(tiny)], env=env, cwd=tmp_path)
        )
    assert [launcher.wait(timeout=300) for launcher in launchers] == [0, 0]
    assert (tmp_path / "run" / "checkpoint" / "step-8" / ".metadata").exists()


# The last one is a pipeline, whose ranks end their last step at different times.
EXITS: list[tuple[int, list[str], int]] = [
    (2, ["--training.local_batch_size", "1"], 5),
    (8, ["--training.local_batch_size", "1"], 5),
    (4, ["--parallelism.pipeline_parallel_degree", "2", "--parallelism.tensor_parallel_degree", "2"], 20),
]


@pytest.mark.slow
@pytest.mark.parametrize(("nproc", "mesh", "times"), EXITS)
def test_a_finished_run_always_exits_0(tiny: Path, tmp_path: Path, nproc: int, mesh: list[str], times: int) -> None:
    for _ in range(times):
        shutil.rmtree(tmp_path / "run", ignore_errors=True)
        result = run_train_sh(tiny, "--training.steps", "2", *mesh, nproc=nproc)
        assert result.returncode == 0, result.stdout + result.stderr


def test_a_failed_rank_is_shown_with_the_place_of_its_log(capsys: pytest.CaptureFixture[str]) -> None:
    said = {"message": {"message": "RuntimeError: x", "extraInfo": {"py_callstack": "Traceback: x"}}}
    failure = SimpleNamespace(exitcode=1, error_file_data=said, message="")
    assert launch._report(3, failure, "outputs/a") == 1
    assert capsys.readouterr().err == ("codetitan: rank 3 failed first (its log is in outputs/a/logs):\nTraceback: x\n")


def test_a_request_behind_the_last_step_is_no_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ranks of this node have ended, and another node's have not: the run is not stopped before its first step."""
    codes: list[int] = []
    monkeypatch.setattr(os, "_exit", codes.append)
    monkeypatch.setattr(stop, "children", list)
    monkeypatch.setenv(stop.STATUS, str(tmp_path / "status"))
    launch.pass_on(signal.SIGTERM, 0)
    assert codes == [stop.EXIT_STOPPED]
    (tmp_path / stop.BEGUN).touch()
    launch.pass_on(signal.SIGTERM, 0)
    assert codes == [stop.EXIT_STOPPED]
