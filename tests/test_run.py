"""Whole runs, started as a user starts them: meshes, kills, restarts, exit codes."""

import math
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
import tomli

from codetitan.lock import Lock
from tests.conftest import REPOSITORY, environment, losses, metrics, run_train, run_train_sh


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[float], Path]:
    """The losses of an uninterrupted single process, and its folder."""
    folder = tmp_path_factory.mktemp("reference")
    config = write_tiny(folder)
    (folder / "temporary").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(folder / "temporary"))
        result = run_train_sh(config)
    assert result.returncode == 0, result.stdout + result.stderr
    return losses(folder / "run"), folder / "run"


def write_tiny(folder: Path) -> Path:
    from tests.conftest import TINY

    path = folder / "tiny.toml"
    path.write_text(
        TINY.format(base=REPOSITORY / "train_configs" / "debug.toml", dump_folder=folder / "run"), encoding="utf-8"
    )
    return path


def close(a: list[float], b: list[float], relative: float) -> bool:
    return len(a) == len(b) and all(abs(x - y) <= relative * abs(y) for x, y in zip(a, b, strict=True))


def test_what_a_run_leaves(reference: tuple[list[float], Path]) -> None:
    curve, folder = reference
    assert curve[-1] < curve[0]
    assert {"config.toml", "metrics.jsonl", "checkpoint", "tb", "logs"} <= {path.name for path in folder.iterdir()}
    assert sorted(path.name for path in (folder / "checkpoint").iterdir()) == ["step-3", "step-6", "step-8"]
    assert list((folder / "tb").glob("events.out.tfevents.*"))
    left = [path.name for path in (folder.parent / "temporary").iterdir()]
    assert not [name for name in left if not name.startswith("torchinductor_")]  # a cache: one a user
    record = metrics(folder)[-1]
    assert record["step"] == 8 and record["tokens_seen"] == 8 * 8 * 64
    assert {"loss", "grad_norm", "lr", "tok_per_s", "memory_gib"} <= record.keys()
    if record["mfu"] is not None:
        pytest.fail("a CPU has no known peak")


def test_the_saved_config_can_be_run_again(reference: tuple[list[float], Path], tmp_path: Path) -> None:
    curve, folder = reference
    shutil.copy(folder / "config.toml", tmp_path / "again.toml")
    result = run_train(tmp_path / "again.toml", "--dump_folder", str(tmp_path / "run"))
    assert result.returncode == 0, result.stderr
    assert losses(tmp_path / "run") == curve


def test_two_processes_give_the_losses_of_one(tiny: Path, tmp_path: Path, reference: tuple[list[float], Path]) -> None:
    result = run_train(tiny, nproc=2)
    assert result.returncode == 0, result.stdout + result.stderr
    assert close(losses(tmp_path / "run"), reference[0], 1e-5)


@pytest.mark.slow  # parity's quick cases have both, one by one
def test_multi_query_attention_and_untied_embeddings_shard(tiny: Path, tmp_path: Path) -> None:
    curves = []
    for nproc in (1, 2):
        folder = tmp_path / f"run{nproc}"
        overrides = ["--model.n_kv_heads", "1", "--model.tie_embeddings", "false", "--training.steps", "3"]
        result = run_train(tiny, "--dump_folder", str(folder), *overrides, nproc=nproc)
        assert result.returncode == 0, result.stdout + result.stderr
        curves.append(losses(folder))
    assert close(curves[0], curves[1], 1e-5)


def start(config: Path, *overrides: str, nproc: int = 1) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [str(REPOSITORY / "run_train.sh"), "--config", str(config), *overrides],
        env=environment(nproc), cwd=config.parent, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip


def wait_for(path: Path, text: str, timeout_s: float = 120) -> None:
    deadline = time.monotonic() + timeout_s
    while not (path.exists() and text in path.read_text()):
        assert time.monotonic() < deadline, f"{path} has no {text}"
        time.sleep(0.02)


def descendants(pid: int) -> list[int]:
    """Children, and theirs, of a process."""
    children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return children + [grandchild for child in children for grandchild in descendants(child)]


def gone(pids: list[int], within_s: float = 10) -> bool:
    """Whether none of the processes runs any more; a zombie does not."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if not [pid for pid in pids if Path(f"/proc/{pid}").exists() and not is_zombie(pid)]:
            return True
        time.sleep(0.05)
    return False


def is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_kill_and_restart(tiny: Path, tmp_path: Path, reference: tuple[list[float], Path]) -> None:
    """kill -9 of the launcher: its rank goes with it; a run on two processes finishes it, with the same losses."""
    run = tmp_path / "run"
    process = start(tiny)
    wait_for(run / "metrics.jsonl", '"step": 5,')
    ranks = descendants(process.pid)
    process.kill()
    process.communicate()
    assert ranks and gone(ranks)
    assert (run / "checkpoint" / "step-3" / ".metadata").exists()
    with (run / "metrics.jsonl").open("a") as file:
        file.write('{"step": 6, "lo')  # the line under way
    # A checkpoint that was being written: everything but its last file.
    shutil.copytree(run / "checkpoint" / "step-3", run / "checkpoint" / "step-6")
    (run / "checkpoint" / "step-6" / ".metadata").unlink()
    result = run_train_sh(tiny, nproc=2)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "goes on from step 3 of" in result.stdout
    assert close(losses(run), reference[0], 1e-5)


def test_restart_on_the_same_mesh_is_exact(tiny: Path, tmp_path: Path, reference: tuple[list[float], Path]) -> None:
    run = tmp_path / "run"
    shutil.copytree(reference[1], run)
    for step in (6, 8):
        shutil.rmtree(run / "checkpoint" / f"step-{step}")
    result = run_train(tiny)
    assert result.returncode == 0, result.stderr
    assert losses(run) == reference[0]


def test_a_finished_run_is_left_alone(tiny: Path, tmp_path: Path, reference: tuple[list[float], Path]) -> None:
    shutil.copytree(reference[1], tmp_path / "run")
    result = run_train(tiny)
    assert result.returncode == 0, result.stderr
    assert "has its 8 steps" in result.stdout
    assert losses(tmp_path / "run") == reference[0]


def test_interrupt_ends_every_process(tiny: Path, tmp_path: Path) -> None:
    """Ctrl-C: the terminal sends SIGINT to the launcher; every rank ends, and one line says so."""
    process = start(tiny, "--training.steps", "100000", nproc=2)
    wait_for(tmp_path / "run" / "metrics.jsonl", '"step": 3,')
    ranks = descendants(process.pid)
    assert len(ranks) >= 2
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in stderr
    assert "codetitan: stopped by SIGINT; the same command goes on from the last checkpoint" in stderr
    assert gone(ranks, within_s=0.1)


def test_a_request_to_stop_saves_after_a_step_of_all_ranks(
    tiny: Path, tmp_path: Path, reference: tuple[list[float], Path]
) -> None:
    """SIGTERM to the launcher, as a scheduler sends it; the same command goes on as if nothing had been."""
    run = tmp_path / "run"
    process = start(tiny, nproc=2)
    wait_for(run / "metrics.jsonl", '"step": 4,')
    process.send_signal(signal.SIGTERM)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 75 and stderr == ""
    done = len(losses(run))
    assert stdout.endswith(f"stopped by SIGTERM after step {done}; the same command goes on\n")
    assert (run / "checkpoint" / f"step-{done}" / ".metadata").exists()
    assert 4 <= done < 8
    result = run_train(tiny, "--optimizer.eps", "1e-9")
    assert result.returncode == 0, result.stderr
    assert f"goes on from step {done} of" in result.stdout
    assert "changed optimizer.eps was 1e-08, is 1e-09" in result.stdout
    assert close(losses(run), reference[0], 1e-5)


def test_gradients_that_are_not_finite_are_one_line(tiny: Path, tmp_path: Path) -> None:
    """The first step makes weights of 1e30, finite ones; the second step's gradients are not, and nothing is saved."""
    words = ["--optimizer.lr", "1e30", "--lr_scheduler.warmup_steps", "0", "--training.max_norm", "1e30"]
    result = run_train(tiny, *words, "--checkpoint.interval", "1")
    assert result.returncode == 2
    assert result.stderr.startswith(
        "codetitan: error: step 2: the norm of the gradients is nan, and its update is not "
    )
    assert result.stderr.count("\n") == 1
    assert [path.name for path in (tmp_path / "run" / "checkpoint").iterdir()] == ["step-1"]


def test_a_folder_has_one_owner(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    Lock(tmp_path / "run").take()
    result = run_train(tiny)
    assert result.returncode == 2
    assert result.stderr.startswith(f'codetitan: error: dump_folder = "{tmp_path}/run" belongs to a run on ')
    assert f"process {os.getpid()}, since" in result.stderr and result.stderr.count("\n") == 1


def test_a_corpus_that_can_not_be_decoded_is_one_line(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "a.py").write_bytes(b"\xff\xfe")
    result = run_train(tiny, "--dataloader.sources", f"directory:{tmp_path / 'corpus'}", nproc=2)
    assert result.returncode == 2
    folder = tmp_path / "corpus"
    assert result.stderr == (
        f"codetitan: error: dataloader.sources: no document of directory:{folder} can be used: 1 not UTF-8\n"
    )
    assert result.stdout == ""


@pytest.mark.parametrize("nproc", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_changed_global_batch_is_refused_by_name(
    tiny: Path, tmp_path: Path, reference: tuple[list[float], Path], nproc: int
) -> None:
    """Every rank finds it, and the launcher says it once."""
    shutil.copytree(reference[1], tmp_path / "run")
    result = run_train_sh(tiny, "--training.global_batch_size", "4", "--training.steps", "9", nproc=nproc)
    assert result.returncode == 2
    assert result.stderr.startswith(
        "codetitan: error: the checkpoint's data can't be continued: training.global_batch_size was 8, is 4; restore it"
    )
    assert result.stderr.count("\n") == 1


def test_a_changed_corpus_is_refused(tiny: Path, tmp_path: Path, reference: tuple[list[float], Path]) -> None:
    shutil.copytree(reference[1], tmp_path / "run")
    words = ["--dataloader.seed", "7", "--training.steps", "9"]
    result = run_train(tiny, *words)
    assert result.returncode == 2
    assert "codetitan: error: the checkpoint's data can't be continued: dataloader.seed was 42, is 7" in result.stderr
    result = run_train(tiny, *words, "--checkpoint.exclude_from_loading", "dataloader")  # as it says
    assert result.returncode == 0, result.stderr
    assert len(losses(tmp_path / "run")) == 9
    assert metrics(tmp_path / "run")[-1]["tokens_seen"] == 9 * 8 * 64  # counted through


def test_a_checkpoint_of_another_model_is_refused(
    tiny: Path, tmp_path: Path, reference: tuple[list[float], Path]
) -> None:
    shutil.copytree(reference[1], tmp_path / "run")
    result = run_train(tiny, "--model.ffn_dim", "256", "--training.steps", "9")
    assert result.returncode == 2
    assert result.stderr.startswith(
        f"codetitan: error: {tmp_path}/run/checkpoint/step-8 is of another model: model.ffn_dim was 384, is 256; "
    )
    assert "set another --dump_folder" in result.stderr and "Traceback" not in result.stderr + result.stdout


def test_a_damaged_checkpoint_is_refused(tiny: Path, tmp_path: Path, reference: tuple[list[float], Path]) -> None:
    shutil.copytree(reference[1], tmp_path / "run")
    shard = tmp_path / "run" / "checkpoint" / "step-8" / "__0_0.distcp"
    with shard.open("r+b") as file:
        file.seek(20_000_000)
        file.write(bytes(4096))
    result = run_train(tiny)
    assert result.returncode == 2
    assert result.stderr == (
        f"codetitan: error: {shard.parent} is damaged: __0_0.distcp has changed between bytes 16,777,216 and "
        "33,554,432; step-6 is whole: go on from it with --checkpoint.load_step latest-good\n"
    )
    result = run_train(tiny, "--checkpoint.load_step", "latest-good")
    assert result.returncode == 0 and "goes on from step 6 of" in result.stdout
    assert losses(tmp_path / "run") == reference[0]


def test_a_disk_that_fills_up_is_one_line(tiny: Path, tmp_path: Path) -> None:
    """The operating system refuses to write the checkpoint."""
    result = run_train(tiny, largest_file_bytes=2_000_000)
    assert result.returncode == 2
    assert result.stderr == (
        f"codetitan: error: {tmp_path}/run/checkpoint/step-3 can't be written: File too large; make room and start the "
        "same command again, it goes on from the checkpoint before\n"
    )


def test_the_resolved_config_is_toml(reference: tuple[list[float], Path]) -> None:
    config = tomli.loads((reference[1] / "config.toml").read_text())
    assert config["training"]["steps"] == 8 and config["optimizer"]["betas"] == [0.9, 0.95]


def test_the_end_of_the_data_is_one_line(tiny: Path, tmp_path: Path) -> None:
    """Two processes whose rows end at different steps stop together, with the number of steps that there were."""
    (tmp_path / "code").mkdir()
    for i in range(24):
        (tmp_path / "code" / f"{i}.py").write_text(f"x = {i}\n" * (1 + 2 * i))
    source = f'[{{type="directory",path="{tmp_path}/code",epochs=1}}]'
    overrides = ("--dataloader.sources", source, "--training.steps", "100", "--checkpoint.enable", "false")
    result = run_train(tiny, *overrides, nproc=2)
    done = metrics(tmp_path / "run")[-1]
    assert 3 < done["step"] < 100 and all(math.isfinite(loss) for loss in losses(tmp_path / "run"))
    assert result.returncode == 2
    assert result.stderr == (
        f"codetitan: error: dataloader.sources: every source has served its epochs after {done['step']} steps; raise "
        f"their epochs, or set training.steps = {done['step']}\n"
    )
    assert done["sources/" + f"directory:{tmp_path}/code"] > 2000
