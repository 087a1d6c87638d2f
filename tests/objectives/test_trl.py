"""Losses, gradient norms and rewards of a step beside TRL's, of the same weights and records, through our export."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from codetitan.config.resolve import resolve
from codetitan.data.rows.loader import CodeDataLoader
from codetitan.hf.export import export
from codetitan.tokenizer.code_tokenizer import CodeTokenizer
from tests.conftest import REPOSITORY
from tests.hf.conftest import Install, install
from tests.parity.compare import Bench, as_overrides
from tests.parity.conftest import bench
from tests.parity.meshes import OBJECTIVES, Settings

__all__ = ["bench", "install"]

TRL = ("trl==1.16.0", "accelerate==1.15.0")
EACH = {
    "checkpoint.enable": True, "checkpoint.interval": 1, "checkpoint.keep_latest_k": 0, "validation.share": 0,
    "validation.interval": "none", "training.global_batch_size": 4, "training.steps": 2, "training.max_norm": "inf",
    "lr_scheduler.warmup_steps": 0, "lr_scheduler.total_steps": 100,
}  # fmt: skip


def batch(bench: Bench, settings: Settings, step: int) -> list[dict[str, str]]:
    """Returns the records of a step."""
    words = [word.replace("{folder}", str(bench.folder)) for word in as_overrides(settings)]
    config = resolve(bench.config, words, world_size=1, here=False).config
    tokenizer = CodeTokenizer(config.tokenizer, tokenizer_path=config.hf_assets_path)
    loader = CodeDataLoader(
        config.dataloader, dp_world_size=1, dp_rank=0, tokenizer=tokenizer, seq_len=config.training.seq_len,
        local_batch_size=4, rows=4,
    )  # fmt: skip
    samples = [next(batches) for batches in [loader.samples()] for _ in range(step)][-1]
    lines = [int(part.piece.name.rpartition(":")[2]) - 1 for sample in samples for part in sample]
    records = (bench.folder / "dpo.jsonl").read_text().splitlines()
    return [json.loads(records[line]) for line in lines]


def theirs(install: Install, folder: Path, *arguments: Any) -> dict[str, float]:
    script = Path(__file__).with_name("trl_losses.py")
    done = subprocess.run(
        [sys.executable, str(script), *map(str, arguments)], cwd=folder, capture_output=True, text=True,
        env=os.environ | {"PYTHONPATH": f"{install(*TRL)}:{REPOSITORY}", "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("RESULT"))
    found: dict[str, float] = json.loads(line.removeprefix("RESULT"))
    return found


@pytest.mark.slow
def test_a_step_is_trls(bench: Bench, install: Install, tmp_path: Path) -> None:
    folder = bench.new_folder()
    sft = OBJECTIVES["SFT"] | EACH
    curve = bench.train(1, sft, folder)
    for step in (1, 2):
        export(folder / "checkpoint" / f"step-{step}", tmp_path / f"sft-{step}")
    found = theirs(
        install, tmp_path, "sft", tmp_path / "sft-1", "", json.dumps(batch(bench, sft, 2)), "{}"
    )  # the weights after step 1, in step 2
    assert curve.losses[1] == pytest.approx(found["loss"], rel=1e-4)
    assert curve.grad_norms[1] == pytest.approx(found["grad_norm"], rel=1e-4)
    begins = {"checkpoint.initial_load_path": str(folder / "checkpoint" / "step-2")}
    forms: dict[str, tuple[Settings, dict[str, Any]]] = {
        "sigmoid": ({}, {"beta": 0.1}),
        "length-normalised": ({"objective.length_normalised": True}, {"loss_type": ["sigmoid_norm"], "beta": 0.1}),
        "ipo": (
            {"objective.loss": "ipo", "objective.beta": 0.5, "objective.length_normalised": True},
            {"loss_type": ["ipo"], "beta": 0.5},
        ),
    }
    for name, (settings, options) in forms.items():
        dpo = OBJECTIVES["DPO"] | EACH | begins | settings
        run = bench.new_folder()
        curve = bench.train(1, dpo, run)
        export(run / "checkpoint" / "step-1", tmp_path / name)
        found = theirs(
            install, tmp_path, "dpo", tmp_path / name, tmp_path / "sft-2", json.dumps(batch(bench, dpo, 2)),
            json.dumps(options),
        )  # fmt: skip
        assert curve.losses[1] == pytest.approx(found["loss"], rel=1e-4), name
        assert curve.grad_norms[1] == pytest.approx(found["grad_norm"], rel=1e-4), name
        if name == "sigmoid":
            measured = json.loads((run / "metrics.jsonl").read_text().splitlines()[1])
            for ours, its in (
                ("chosen", "chosen"),
                ("rejected", "rejected"),
                ("margin", "margins"),
                ("accuracy", "accuracies"),
            ):
                assert measured[f"rewards/{ours}"] == pytest.approx(found[f"rewards/{its}"], rel=1e-4, abs=1e-6)
