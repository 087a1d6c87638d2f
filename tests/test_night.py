"""A night: a run that is signalled, killed and started again at random moments, and loses nothing that was promised."""

import os
import random
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.conftest import losses, run_train_sh
from tests.test_run import close, descendants, gone, start, write_tiny

INTERVAL, STEPS = 3, 100


@pytest.mark.slow  # 32 starts of four processes: seven minutes on two cores
def test_thirty_signals(tmp_path: Path) -> None:
    """USR1, TERM, KILL of a rank, of the launcher, of all; the losses are those of a run that nobody disturbed."""
    words = ["--training.steps", str(STEPS), "--training.local_batch_size", "1"]
    (tmp_path / "calm").mkdir()
    calm = run_train_sh(write_tiny(tmp_path / "calm"), *words, nproc=4)
    assert calm.returncode == 0, calm.stderr
    config = write_tiny(tmp_path)
    run = tmp_path / "run"
    chance = random.Random(0)
    kinds = ["USR1", "TERM", "KILL a rank", "KILL the launcher", "KILL all", "TERM a rank"]
    told = []
    for night in range(30):
        before = saved(run)
        process = start(config, *words, nproc=4)
        # Some come before the first step, in the middle of the imports.
        time.sleep(chance.uniform(0, 4) if chance.random() < 0.3 else 0)
        if chance.random() < 0.7:
            wait_for_progress(run, process, before + chance.randrange(1, 5))
        kind = kinds[night % len(kinds)]
        pids = descendants(process.pid)
        disturb(kind, process, pids, chance)
        stdout, stderr = process.communicate(timeout=120)
        told.append((kind, process.returncode, before, saved(run)))
        assert "Traceback" not in stderr, stderr
        assert gone(pids), f"{kind}: orphans"
        assert process.returncode != 0, "it was done before the thirtieth signal"
        after, reached = saved(run), last_step(run)
        assert after >= before, told
        if process.returncode == 75 and (match := re.search(r"stopped by \w+ after step (\d+)", stdout)):
            assert after == int(match[1]), told
        elif "belongs to a run on" not in stderr:
            assert reached - after <= INTERVAL, told
    result = run_train_sh(config, *words, nproc=4)
    assert result.returncode == 0, result.stderr
    assert close(losses(run), losses(tmp_path / "calm" / "run"), 1e-5)
    assert {kind for kind, *_ in told} == set(kinds), told


def saved(run: Path) -> int:
    """The last complete checkpoint."""
    return max((int(path.parent.name[5:]) for path in (run / "checkpoint").glob("step-*/.metadata")), default=0)


def last_step(run: Path) -> int:
    """The last step in the metrics, but for a torn line."""
    path = run / "metrics.jsonl"
    steps = re.findall(r'^\{"step": (\d+),.*\}$', path.read_text(), re.MULTILINE) if path.exists() else []
    return int(steps[-1]) if steps else 0


def wait_for_progress(run: Path, process: "subprocess.Popen[str]", step: int) -> None:
    deadline = time.monotonic() + 120
    while last_step(run) < step and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def disturb(kind: str, process: "subprocess.Popen[str]", pids: list[int], chance: random.Random) -> None:
    ranks = pids or [process.pid]
    to = {
        "USR1": [(process.pid, signal.SIGUSR1)],
        "TERM": [(process.pid, signal.SIGTERM)],
        "KILL a rank": [(chance.choice(ranks), signal.SIGKILL)],
        "KILL the launcher": [(process.pid, signal.SIGKILL)],
        "KILL all": [(pid, signal.SIGKILL) for pid in [process.pid, *pids]],
        "TERM a rank": [(chance.choice(ranks), signal.SIGTERM)],
    }
    for pid, number in to[kind]:
        try:
            os.kill(pid, number)
        except ProcessLookupError:  # it has just ended by itself
            continue
