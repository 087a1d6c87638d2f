"""Validation in a run: the training does not notice, a run that goes on measures the same, the best is kept."""

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from codetitan.data.validation.find import documents, find
from codetitan.tokenizer.code_tokenizer import CodeTokenizer
from codetitan.training.progress import Best, Progress
from codetitan.training.validation import ValidationConfig
from tests.conftest import REPOSITORY, TINY, codetitan, losses, metrics, run_train

COSTS = ("validation/seconds", "validation/share_of_time")
SET = ["--validation.share", "0.03", "--validation.by", "document", "--validation.tokens", "4000"]
EVERY_2 = [
    *SET,
    "--validation.interval",
    "2",
    "--checkpoint.interval",
    "2",
    "--checkpoint.keep_best",
    "validation/loss",
]


def rounds(folder: Path) -> list[dict[str, Any]]:
    return [
        {name: value for name, value in record.items() if name not in COSTS}
        for record in metrics(folder)
        if record.get("kind") == "validation"
    ]


def training(folder: Path) -> list[tuple[float, float]]:
    return [(record["loss"], record["grad_norm"]) for record in metrics(folder) if "kind" not in record]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("validation")
    config = folder / "tiny.toml"
    base = REPOSITORY / "train_configs" / "debug.toml"
    config.write_text(TINY.format(base=base, dump_folder=folder / "run") + "[dataloader.fim]\nrate = 0.5\n")
    return config


@pytest.fixture(scope="module")
def measured(tiny: Path) -> Path:
    """A run that is measured every second step, and after its last."""
    result = run_train(tiny, *EVERY_2, "--training.steps", "7")
    assert result.returncode == 0, result.stderr
    assert "valid 2  loss" in result.stdout and "best so far" in result.stdout
    return tiny.parent / "run"


def test_the_training_does_not_notice(tiny: Path, measured: Path, tmp_path: Path) -> None:
    """What is held out is so whether it is measured or not; all else is equal in every bit."""
    result = run_train(tiny, *SET, "--training.steps", "7", "--dump_folder", str(tmp_path / "run"))
    assert result.returncode == 0, result.stderr
    assert training(measured) == training(tmp_path / "run")
    assert losses(tmp_path / "run") == [loss for loss, _ in training(measured)]


def test_records(measured: Path) -> None:
    records = metrics(measured)
    assert [record["step"] for record in records if record.get("kind") == "validation"] == [2, 4, 6, 7]
    last = records[-1]
    groups = {f"validation/bits_per_byte{group}" for group in ("", "/python", "/code", "/comment", "/fim")}
    assert {"validation/loss", "validation/set", *groups} <= last.keys()
    assert 0 < last["validation/share_of_time"] < 1
    assert last["validation/loss"] < records[1]["loss"]
    # No time of a round is a step's: else their sum would be longer than the run.
    steps_s = sum(record["step_s"] for record in records if "kind" not in record)
    rounds_s = sum(record["validation/seconds"] for record in records if "kind" in record)
    assert steps_s + rounds_s <= 1.01 * rounds_s / last["validation/share_of_time"]


def test_a_run_that_goes_on_measures_the_same(tiny: Path, measured: Path, tmp_path: Path) -> None:
    """From the checkpoint after a round, as after a kill in the middle of the next one, which leaves nothing."""
    run = tmp_path / "run"
    shutil.copytree(measured, run)
    for step in ("step-6", "step-7"):
        shutil.rmtree(run / "checkpoint" / step)
    result = run_train(tiny, *EVERY_2, "--training.steps", "7", "--dump_folder", str(run))
    assert result.returncode == 0 and "goes on from step 4" in result.stdout, result.stdout + result.stderr
    assert rounds(run) == rounds(measured)
    assert training(run) == training(measured)


def test_other_tokens_are_said(tiny: Path, measured: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(measured, run)
    more = [*EVERY_2, "--training.steps", "8", "--dump_folder", str(run)]
    result = run_train(tiny, *more, "--validation.tokens", "5000")
    assert result.returncode == 0 and "validation: other tokens than before (set " in result.stdout, result.stderr
    result = run_train(tiny, *more, "--validation.share", "0.04")
    assert result.returncode == 2 and "validation.share was 0.03, is 0.04" in result.stderr


def test_the_best_is_kept(measured: Path) -> None:
    (best,) = (measured / "best").iterdir()
    values = {record["step"]: record["validation/loss"] for record in rounds(measured)}
    assert best.name == f"step-{min(values, key=lambda step: values[step])}"
    assert (best / ".metadata").is_file()


@pytest.mark.slow
def test_the_best_is_kept_when_it_is_saved_in_the_background(tiny: Path, measured: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    more = ["--training.steps", "7", "--checkpoint.async_mode", "async", "--checkpoint.keep_latest_k", "2"]
    result = run_train(tiny, *EVERY_2, *more, "--dump_folder", str(run))
    assert result.returncode == 0, result.stderr
    assert rounds(run) == rounds(measured) and training(run) == training(measured)
    (best,), (known,) = (run / "best").iterdir(), (measured / "best").iterdir()
    assert best.name == known.name
    begun = ["--checkpoint.initial_load_path", str(best), "--training.steps", "1", "--validation.interval", "1"]
    again = run_train(tiny, *SET, *begun, "--optimizer.lr", "1e-30", "--dump_folder", str(tmp_path / "again"))
    assert again.returncode == 0, again.stderr
    (measured_again,) = rounds(tmp_path / "again")
    assert measured_again["validation/loss"] == min(record["validation/loss"] for record in rounds(run))


def test_patience_ends_a_run_well(tiny: Path, measured: Path, tmp_path: Path) -> None:
    """With a learning rate of nothing the first round stays the best; the same command again does nothing more."""
    folder = str(tmp_path / "run")
    more = ["--optimizer.lr", "1e-30", "--validation.patience", "2", "--dump_folder", folder, "--training.steps", "40"]
    result = run_train(tiny, *EVERY_2, *more)
    assert result.returncode == 0, result.stderr
    assert "ended after step 6: 2 rounds of validation without a better one than" in result.stdout
    assert (tmp_path / "run" / "checkpoint" / "step-6" / ".metadata").is_file()
    assert [path.name for path in (tmp_path / "run" / "best").iterdir()] == ["step-2"]
    result = run_train(tiny, *EVERY_2, *more)
    assert result.returncode == 0 and "ended after step 6" in result.stdout and "step 7/" not in result.stdout


def test_progress() -> None:
    """A checkpoint is saved behind every second round: the best of them is kept, whatever the others were."""
    progress = Progress()
    for step, value in enumerate([3.0, 2.0, 2.0, math.nan, 1.5, 1.6, 1.4, 1.55], start=1):
        progress.take(value, step)
        if step % 2 == 0:
            progress.save(step)
    assert (progress.best, progress.since_best, progress.saved) == (Best(1.4, 7), 1, Best(1.55, 8))
    progress.save(9)  # of a step that was not measured
    assert progress.saved == Best(1.55, 8)


def test_transformers_measures_the_same(tiny: Path, measured: Path, tmp_path: Path) -> None:
    """Loss and bits per byte of the same documents from left to right, by another library from the exported model."""
    import transformers

    done = codetitan("export", "--checkpoint", str(measured), "--output", str(tmp_path / "hf"))
    assert done.returncode == 0, done.stderr
    model = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "hf", dtype=torch.float32)
    tokenizer = CodeTokenizer(CodeTokenizer.Config(), tokenizer_path="code-32k")
    from codetitan.data.sources.open import PythonStdlib

    config = ValidationConfig(share=0.03, by="document")
    found = find(config, [PythonStdlib()], tokens=4000)
    nats = n_tokens = n_bytes = 0.0
    length, left = 64, 2000
    for document in documents(config, [PythonStdlib()], found):
        if left <= 0:
            break
        # A document is cut as in training; here by the one that cuts it, and read by the other library.
        for ids in pieces(document.text, document, tokenizer, length):
            if left <= 0:
                break
            with torch.no_grad():
                logits = model(torch.tensor([ids[:-1]])).logits[0].log_softmax(-1)
            nats -= float(logits.gather(1, torch.tensor(ids[1:])[:, None]).sum())
            n_tokens += len(ids) - 1
            n_bytes += sum(len(tokenizer.encoding.decode_bytes([i])) for i in ids[1:] if i != tokenizer.sentinels.end)
            left -= len(ids) - 1
    last = rounds(measured)[-1]
    assert last["validation/loss"] == pytest.approx(nats / n_tokens, rel=1e-5)
    assert last["validation/bits_per_byte"] == pytest.approx(nats / math.log(2) / n_bytes, rel=1e-5)


def pieces(text: str, document: Any, tokenizer: CodeTokenizer, length: int) -> list[list[int]]:
    from codetitan.data.pieces.fim import FimConfig
    from codetitan.data.pieces.maker import PieceMaker
    from codetitan.data.pieces.metadata import MetadataConfig

    maker = PieceMaker(
        tokenizer.encoding, tokenizer.sentinels, MetadataConfig(repo=0, path=0, stars=0), FimConfig(rate=0),
        seq_len=length, seed=0,
    )  # fmt: skip
    return [piece.ids.tolist() for piece in maker.pieces(document, epoch=0, source=0, index=0)]


def test_json_is_json(measured: Path) -> None:
    for line in (measured / "metrics.jsonl").read_text().splitlines():
        json.loads(line, parse_constant=lambda word: pytest.fail(word))
