"""A sample stands for the whole, is the same whatever the tasks, and leaves nothing behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from codetitan.cli import main
from codetitan.data.document import Dropped
from codetitan.data.sources.open import Directory
from codetitan.prepare.config import Prepare
from codetitan.prepare.file import Refused
from codetitan.prepare.run import open_sources
from codetitan.prepare.sample import SampledRead
from tests.conftest import REPOSITORY
from tests.prepare.test_run import code

ALL = 400


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 folders of ten files below one LICENSE."""
    root = tmp_path_factory.mktemp("raw")
    (root / "LICENSE").write_text("MIT License\n")
    for i in range(ALL):
        file = root / f"folder{i // 10}" / f"{i}.py"
        file.parent.mkdir(exist_ok=True)
        file.write_text(code(i, 20))
    return root


def chosen(raw: Path, share: float) -> tuple[set[str], set[str]]:
    """Returns the files of a sample, and those that are read for what they say of licences."""
    read = SampledRead.sample(open_sources(Prepare(sources=[Directory(path=str(raw))])), share)
    assert read.by_folder
    files = [
        each for task in range(read.tasks) for each in read._files(task) if not isinstance(each, Dropped | Refused)
    ]
    return {file.path for file in files if file.in_corpus}, {file.path for file in files if not file.in_corpus}


def test_a_sample_is_whole_folders_and_every_licence(raw: Path) -> None:
    samples = {share: chosen(raw, share) for share in (0.1, 0.4, 0.4, 1.0)}
    assert len(samples[1.0][0]) == ALL and samples[0.1][0] < samples[0.4][0]  # a quarter is part of its whole
    for share, (files, licences) in samples.items():
        assert len(files) % 10 == 0 and 0.4 * share * ALL <= len(files) <= 2 * share * ALL
        assert licences == {"LICENSE"}


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--sample", "0.1"], "--sample goes with --dry-run, which writes nothing; add that"),
        (["--dry-run", "--sample", "0"], "--sample 0.0 must be above 0 and at most 1, such as 0.02"),
        (["--dry-run", "--sample", "2"], "--sample 2.0 must be above 0 and at most 1, such as 0.02"),
        (["--dry-run", "--sample", "x"], "--sample x must be a number"),
        (["--dry-runn"], '--dry-runn: unknown option; did you mean "--dry-run"?'),
        (["--dry-run=yes"], "--dry-run=yes: --dry-run takes no value; leave it out for false"),
    ],
)
def test_mistakes(tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], line: str) -> None:
    assert main(["prepare", "--config", "none.toml", "--output", str(tmp_path), *words]) == 2
    assert capsys.readouterr().err == f"codetitan: error: {line}\n"


def command(raw: Path, folder: Path, *words: str) -> list[str]:
    config = folder / "prepare.toml"
    config.write_text(f'[[prepare.sources]]\ntype = "directory"\npath = "{raw}"\n[prepare.licences]\nenable = false\n')
    return ["prepare", "--config", str(config), "--output", str(folder / "out"), "--dry-run", *words]


def test_another_folder_is_refused(raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("")
    assert main(command(raw, tmp_path)) == 2
    assert "holds something else, such as thesis.tex" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.tex"]


@pytest.mark.slow
def test_it_says_what_the_whole_is_and_leaves_nothing(raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    assert main(command(raw, tmp_path, "--sample", "0.5")) == 0
    said = capsys.readouterr().out
    kept = next(line.split() for line in said.splitlines() if line.startswith("  kept"))
    assert 0.7 * ALL <= int(kept[1].replace(",", "")) <= 1.01 * ALL
    assert "near_duplicates, repository_duplicates: a copy is seen only where" in said and "  time  " in said
    # How large the sample is, it says once.
    assert sum("%)" in line for line in said.splitlines()) == 1 and "50.00%" not in said
    assert list((tmp_path / "tmp").iterdir()) == [] and not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_leaves_nothing(raw: Path, tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "tmp").mkdir()
    words = command(raw, tmp_path, "--sample", "1")
    process = subprocess.Popen(
        [sys.executable, "-m", "codetitan", *words],
        env={**os.environ, "TMPDIR": str(tmp_path / "tmp"), "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while not list((tmp_path / "tmp").glob("codetitan-dry-run-*/*/stages/*/tasks/*")):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(number)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == (75 if number == signal.SIGTERM else 130) and "Traceback" not in errors
    assert not list((tmp_path / "tmp").glob("codetitan-dry-run-*")) and not (tmp_path / "out").exists()
