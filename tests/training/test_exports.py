"""Exports during a run: every k-th checkpoint and the last; one that fails does not stop the training."""

import shutil
from concurrent.futures import Future
from pathlib import Path

from safetensors.torch import load_file

from codetitan.hf.export import export
from codetitan.models.code.rope import RopeConfig
from codetitan.models.code.shape import Flavor
from codetitan.training.exports import Exports
from tests.conftest import run_train
from tests.hf.kinds import built, checkpoint, described


def test_every_second_checkpoint_and_the_last(tiny: Path, tmp_path: Path) -> None:
    options = ["--checkpoint.interval", "2", "--training.steps", "5", "--checkpoint.keep_latest_k", "2"]
    exports = ["--checkpoint.export_every_k", "2", "--checkpoint.export_dtype", "bfloat16"]
    done = run_train(tiny, *options, *exports)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "run" / "export"
    assert sorted(path.name for path in folder.iterdir()) == ["step-4", "step-5"]
    assert done.stdout.count("exported ") == 2
    export(tmp_path / "run", tmp_path / "again", dtype="bfloat16")
    by_hand, in_run = (load_file(path / "model.safetensors") for path in (tmp_path / "again", folder / "step-5"))
    assert all((by_hand[name] == tensor).all() for name, tensor in in_run.items())
    config = (folder / "step-5" / "README.md").read_text().split("```toml\n")[1]
    assert "steps = 5" in config and "[dataloader.fim]" in config and "parallelism" not in config


def test_a_failure_is_said(tmp_path: Path) -> None:
    shape = Flavor(32, 1, 2, 1, 48, 32768, True)
    saved = checkpoint(tmp_path / "step-3", built(shape, RopeConfig()), described(shape, RopeConfig()))
    said: list[str] = []
    warned: list[str] = []
    exports = Exports(tmp_path / "export", "float32", said.append, warned.append)
    saving: Future[object] = Future()
    failed: Future[object] = Future()
    exports.start(saved, saving)
    exports.start(saved, failed)
    assert not list(tmp_path.glob("export/*")), "it waits until the checkpoint is saved"
    (tmp_path / "export" / "step-3").mkdir(parents=True)
    (tmp_path / "export" / "step-3" / "of an earlier run").touch()
    failed.set_exception(OSError())
    saving.set_result(None)
    shutil.rmtree(saved)  # the trainer keeps the latest alone
    exports.start(tmp_path / "step-9", None)  # is not there
    exports.close()
    assert len(said) == 1 and said[0].startswith(f"exported {tmp_path}/export/step-3 in ")
    assert warned == [f"{tmp_path}/step-9 was not exported: No such file or directory"]
    assert "of an earlier run" not in {path.name for path in (tmp_path / "export" / "step-3").iterdir()}
    damaged = checkpoint(tmp_path / "step-4", built(shape, RopeConfig()), described(shape, RopeConfig()))
    (damaged / ".metadata").write_bytes(b"")
    exports = Exports(tmp_path / "export", "float32", said.append, warned.append)
    exports.start(damaged, None)
    exports.close()
    assert len(said) == 1 and warned[1].startswith(f"{tmp_path}/step-4 was not exported: {tmp_path}/export/.step-4.c")
