"""kill -9 of a worker, of the command or of all of it at random moments, then the same command: the same corpus."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.prepare.engine.test_killed import kill, until_it_works
from tests.prepare.test_run import _MIT, code, digests

pytest.importorskip("rensa", reason="codetitan[prepare] is not installed")

_TIMES = 8


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Of a corpus with copies, near-copies, secrets and several licences, in enough tasks to be killed in each stage."""
    draw = random.Random(5)
    for number in range(40):
        repo = tmp_path / "raw" / f"repo-{number:02}"
        repo.mkdir(parents=True)
        (repo / "LICENSE").write_text(_MIT if number % 5 else "All rights reserved. You must not copy this.\n")
        for file in range(60):
            seed = draw.randrange(1500)
            mail = f'MAIL = "jane.doe{seed}@company-mail.net"\n' if file % 7 == 0 else ""
            (repo / f"file_{file}.py").write_text(code(seed) + mail + f"last = {draw.randrange(3)}\n")
    config = tmp_path / "prepare.toml"
    config.write_text(
        "[prepare]\nshards = 4\n[prepare.contamination]\nenable = false\n"
        f'[[prepare.sources]]\ntype = "directory"\npath = "{tmp_path}/raw"\nrepo_depth = 1\n'
    )
    return config


def start(config: Path, output: Path, workers: int) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "codetitan", "prepare", "--config", str(config), "--output", str(output),
         "--prepare.executor.workers", str(workers)],
        cwd=REPOSITORY, env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def corpus(output: Path) -> dict[str, str]:
    return digests(output) | {"report.md": (output / "report.md").read_text()}


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_the_same_corpus(config: Path, tmp_path: Path, seed: int) -> None:
    calm = start(config, tmp_path / "calm", workers=1)
    _, errors = calm.communicate(timeout=600)
    assert calm.returncode == 0, errors
    draw, output, killed = random.Random(seed), tmp_path / "out", list[str]()
    while True:
        process = start(config, output, workers=draw.randint(1, 3))
        if len(killed) < _TIMES:
            until_it_works(process, output)
            try:
                process.wait(timeout=draw.uniform(0.0, 1.5))
            except subprocess.TimeoutExpired:
                killed.append(kill(process, draw))
        try:
            _, errors = process.communicate(timeout=600)
        finally:
            process.kill()
        if process.returncode == 0:
            assert corpus(output) == corpus(tmp_path / "calm")
            if len(killed) == _TIMES:
                break
            output = tmp_path / f"out-{len(killed)}"  # it was quicker; from the start again
        else:
            assert process.returncode in (2, -signal.SIGKILL), errors
            assert process.returncode != 2 or ("its worker was killed (SIGKILL)" in errors and errors.count("\n") == 1)
    print(f"seed {seed}: {', '.join(killed)}")
    assert len(corpus(output)) > 8 and len(set(killed)) > 1
