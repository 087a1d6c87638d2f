"""What can go wrong on the way out and in: one line that says it, exit code 2, and no folder left behind."""

import dataclasses
import os
import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from codetitan.cli import main
from codetitan.errors import ConfigError
from codetitan.hf import folder as folder_module
from codetitan.hf import weights
from codetitan.hf.export import export
from codetitan.hf.weights import Checkpoint
from codetitan.models.code.model import CodeModel
from codetitan.models.code.rope import RopeConfig
from codetitan.training import description
from codetitan.training.description import KEY
from tests.conftest import codetitan
from tests.hf.conftest import TINY, truncate
from tests.hf.kinds import built, checkpoint, described
from tests.tokenizer.small import written

Spoil = Callable[[Path], Any]


@pytest.fixture(scope="module")
def model() -> CodeModel:
    return built(TINY, RopeConfig())


@pytest.fixture
def saved(tmp_path: Path, model: CodeModel) -> Path:
    return checkpoint(tmp_path / "run" / "checkpoint" / "step-7", model, described(TINY, RopeConfig()))


def only_file(folder: Path, pattern: str) -> Path:
    [file] = folder.glob(pattern)
    return file


def check_refused(act: Callable[[Path], Any], tmp_path: Path, line: str) -> None:
    """`act` fails with `line`, and leaves nothing."""
    before = set(tmp_path.rglob("*"))
    with pytest.raises(ConfigError) as caught:
        act(tmp_path / "output")
    assert str(caught.value).replace(f"{tmp_path}/", "") == line
    assert set(tmp_path.rglob("*")) == before


BAD_CHECKPOINTS: list[tuple[Spoil, str]] = [
    (
        lambda folder: truncate(only_file(folder, "*.distcp")),
        "run/checkpoint/step-7 is damaged: ",
    ),
    (lambda folder: only_file(folder, "*.distcp").unlink(), "run/checkpoint/step-7 is damaged: "),
    (lambda folder: truncate(folder / ".metadata"), "run/checkpoint/step-7 is damaged: its .metadata can't be read ("),
    (
        lambda folder: (folder / ".metadata").write_bytes(b"no pickle"),
        "run/checkpoint/step-7 is damaged: its .metadata can't be read (",
    ),
    (
        lambda folder: (folder / ".metadata").unlink(),
        "run/checkpoint/step-7 is incomplete: its run ended while it was written; complete ones beside it: none",
    ),
    (
        lambda folder: [file.unlink() for file in folder.iterdir()],
        "run/checkpoint/step-7 is no checkpoint, and has none: a folder such as …/checkpoint/step-1000",
    ),
    (shutil.rmtree, "run/checkpoint/step-7: no such folder"),
]


@pytest.mark.parametrize(("spoil", "line"), BAD_CHECKPOINTS)
def test_a_bad_checkpoint(saved: Path, tmp_path: Path, spoil: Spoil, line: str) -> None:
    spoil(saved)
    with pytest.raises(ConfigError) as caught:
        export(saved, tmp_path / "output")
    message = str(caught.value).replace(f"{tmp_path}/", "")
    assert message.startswith(line) and "\n" not in message
    assert not (tmp_path / "output").exists() and not list(tmp_path.glob(".*"))


def test_a_foreign_checkpoint(tmp_path: Path, model: CodeModel) -> None:
    place = checkpoint(tmp_path / "foreign", model, described(TINY, RopeConfig()), lambda state: state.pop(KEY))
    line = "foreign does not say what model it is of: another trainer's, or an older codetitan's"
    check_refused(lambda output: export(place, output), tmp_path, line)


def test_a_later_checkpoint(tmp_path: Path, model: CodeModel, monkeypatch: pytest.MonkeyPatch) -> None:
    later = dataclasses.replace(described(TINY, RopeConfig()), version="9.0")
    with monkeypatch.context() as patch:
        patch.setattr(description, "FORMAT", description.FORMAT + 1)
        place = checkpoint(tmp_path / "later", model, later)
    line = "later was written by codetitan 9.0 in format 3, and codetitan 0.1.0 reads up to format 2; update codetitan"
    check_refused(lambda output: export(place, output), tmp_path, line)


def test_a_checkpoint_without_a_tensor(tmp_path: Path, model: CodeModel) -> None:
    name = "layers.0.attention.wo.weight"
    place = checkpoint(tmp_path / "c", model, described(TINY, RopeConfig()), lambda state: state.pop(name))
    line = f"c is damaged: {name} should be (32, 32), and is missing"
    check_refused(lambda output: export(place, output), tmp_path, line)


def test_of_a_run_the_last_complete_checkpoint(saved: Path, tmp_path: Path) -> None:
    shutil.copytree(saved, saved.with_name("step-10"))
    shutil.copytree(saved, saved.with_name("step-11"))
    (saved.with_name("step-11") / ".metadata").unlink()
    assert export(tmp_path / "run", tmp_path / "output") == saved.with_name("step-10")
    line = (
        "run/checkpoint/step-11 is incomplete: its run ended while it was written; complete ones beside it: step-10, "
        "step-7"
    )
    check_refused(lambda output: export(saved.with_name("step-11"), tmp_path / "new"), tmp_path, line)


def test_a_tokenizer_that_is_missing_or_another(saved: Path, tmp_path: Path, model: CodeModel) -> None:
    said = dataclasses.replace(described(TINY, RopeConfig()), tokenizer=str(tmp_path / "gone"))
    place = checkpoint(tmp_path / "moved", model, said)
    with pytest.raises(ConfigError, match=r"^the model's tokenizer is missing or broken; say where it is with --tok"):
        export(place, tmp_path / "output")
    other = written("gpt2", tmp_path / "other")
    with pytest.raises(ConfigError, match=r"^the tokenizer .*other is not the model's: its fingerprint is other \("):
        export(place, tmp_path / "output", tokenizer_path=str(other))
    assert not (tmp_path / "output").exists()
    export(place, tmp_path / "output", tokenizer_path="code-32k")


def test_an_output_that_exists(saved: Path, tmp_path: Path) -> None:
    (tmp_path / "output").mkdir()
    export(saved, tmp_path / "output")  # empty: nothing is lost
    with pytest.raises(ConfigError, match=r"output exists; remove it or choose another$"):
        export(saved, tmp_path / "output")
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"output can't be written: Not a directory$"):
        export(saved, tmp_path / "file" / "output")


def test_a_disk_without_room(saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_module.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 10**5))
    line = "--output output needs 0.00 GB, and its disk has 0.00 GB free; make room or choose another"
    check_refused(lambda output: export(saved, output), tmp_path, line)


@pytest.mark.parametrize("command", ["export", "import"])
def test_a_disk_that_fills_up(saved: Path, exported: Path, tmp_path: Path, command: str) -> None:
    """A file may not grow beyond 3 MB: the system refuses in the middle of the tensors."""
    source = ["--checkpoint", str(saved)] if command == "export" else ["--model", str(exported)]
    done = codetitan(command, *source, "--output", str(tmp_path / "output"), largest_file_bytes=3_000_000)
    assert done.returncode == 2 and "File too large" in done.stderr
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("codetitan: error: --output "), done.stderr
    assert not (tmp_path / "output").exists() and not list(tmp_path.glob(".*"))


MISTYPED: list[tuple[list[str], str]] = [
    (["infill", "--model", "M"], "give either --prefix-file or --file"),
    (
        ["infill", "--model", "M", "--file", "F", "--curser", "1:1"],
        '--curser: unknown option; did you mean "--cursor"?',
    ),
    (["infill", "--model", "M", "--file", "F"], "--file needs --cursor LINE:COLUMN"),
    (["infill", "--model", "M", "--file", "F", "--cursor", "2"], '--cursor "2" must be LINE:COLUMN, such as 3:1'),
    (["infill", "--model", "M", "--file", "F", "--cursor", "9:1"], "--cursor 9:1: the file has 3 lines"),
    (["infill", "--model", "M", "--file", "F", "--cursor", "1:9"], "--cursor 1:9: line 1 has columns 1 to 6"),
    (["infill", "--model", "M", "--prefix-file", "F"], "--prefix-file and --suffix-file belong together; of a single "),
    (["complete", "--model", "M", "--prefix-file", "no"], "--prefix-file no: No such file or directory"),
    (["complete", "--model", "M", "--prefix-file", "F", "--cursor", "1:1"], "--cursor needs --file"),
    (["complete", "--model", "M", "--prefix-file", "F", "--top-p", "0"], "--top-p 0.0 must lie above 0 and up to 1"),
    (["complete", "--model", "M", "--prefix-file", "F", "--temperature", "-1"], "--temperature -1.0 must be 0, or a n"),
    (["complete", "--model", "M", "--prefix-file", "F", "--samples", "0"], "--samples 0 must be at least 1"),
    (["complete", "--model", "M", "--prefix-file", "F", "--seed", "-1"], "--seed -1 must be a whole number from 0 to "),
    (["infill", "--model", "M", "--prefix-file", "-", "--suffix-file", "-"], "--prefix-file - --suffix-file -: only "),
    (["complete", "--model", "no", "--prefix-file", "F"], "no: no such folder"),
    (["complete", "--model", "M", "--prefix-file", "F"], "M is no checkpoint, and has none: a folder such as"),
    (["export", "--checkpoint", "M", "--output", "O"], "M is no checkpoint, and has none: a folder such as"),
    (["export", "--checkpoint", "M", "--output", "O", "--max-shard-gb", "0"], "--max-shard-gb 0.0 must be above 0"),
    (["export", "--checkpoint", "M", "--output", "O", "--max-shard-gb", "inf"], "--max-shard-gb inf must be finite"),
    (["export", "--checkpoint", "M", "--output", "s3://b/O"], "--output s3:/b/O is not on this machine; copy it"),
    (["export", "--checkpoint", "s3://b/M", "--output", "O"], "s3:/b/M is not on this machine; copy it"),
    (["import", "--model", "M", "--output", "O"], "--model M has no config.json: it is no folder in Hugging Face form"),
    (["import", "--model", "M", "--output", "O", "--dialect", "starcoder3"], '--dialect "starcoder3" must be one of'),
]


@pytest.mark.parametrize(("arguments", "line"), MISTYPED)
def test_mistyped(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    line: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "M").mkdir()
    (tmp_path / "F").write_text("x = 1\n\ny")
    assert main(arguments) == 2
    written = capsys.readouterr().err
    assert written.startswith(f"codetitan: error: {line}") and written.count("\n") == 1, written
    assert not (tmp_path / "O").exists()


def test_a_pickle_of_other_bytes(saved: Path, tmp_path: Path) -> None:
    """Whatever stands in .metadata: a line, or by luck the same model."""
    whole, refused = (saved / ".metadata").read_bytes(), 0
    for i in range(0, len(whole), max(1, len(whole) // 60)):
        for spoilt in (whole[:i], whole[:i] + bytes([whole[i] ^ 0x55]) + whole[i + 1 :]):
            (saved / ".metadata").write_bytes(spoilt)
            try:
                assert Checkpoint(saved).description == described(TINY, RopeConfig())
            except ConfigError as error:
                refused += 1
                assert "\n" not in str(error) and str(error).startswith(str(saved))
    assert refused > 60, "every truncation, and some of the other bytes"


def test_other_folders_beside_checkpoints(saved: Path, tmp_path: Path) -> None:
    shutil.copytree(saved, saved.with_name("step-9.bak"))
    assert export(tmp_path / "run", tmp_path / "output") == saved


def test_ctrl_c_is_no_damage(saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    checkpoint = Checkpoint(saved)
    monkeypatch.setattr(weights._Planner, "commit_tensor", interrupted)
    with pytest.raises(KeyboardInterrupt):
        checkpoint.write(tmp_path, None)


@pytest.mark.parametrize("name", ["output", "out[1]"])
def test_what_was_killed_is_removed_by_the_next(saved: Path, tmp_path: Path, name: str) -> None:
    dead = subprocess.Popen(["true"])
    dead.wait()
    host = socket.gethostname()
    for pid in (dead.pid, os.getpid()):
        (tmp_path / f".{name}.{host}-{pid}.partial").mkdir()
    (tmp_path / f".{name}.{host}-{os.getpid()}.partial").rename(tmp_path / f".{name}.{host}-1.partial")  # alive
    export(saved, tmp_path / name)
    assert [path.name for path in tmp_path.glob(".*")] == [f".{name}.{host}-1.partial"]


def test_parents_go_with_a_failure(saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_module.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 10**5))
    with pytest.raises(ConfigError):
        export(saved, tmp_path / "new" / "folder" / "output")
    assert not (tmp_path / "new").exists()
