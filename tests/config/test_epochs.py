"""The length of a run in epochs: the steps are those after which the data has ended."""

import json
from pathlib import Path

import pytest

from codetitan.config.resolve import resolve
from codetitan.data.library import open_loader, read_config
from codetitan.errors import ConfigError
from tests.config.test_wrong import DEBUG


@pytest.fixture
def overrides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("CODETITAN_CACHE", str(tmp_path / "cache"))
    records = [{"instruction": f"Add {n}.", "output": f"x + {n}\n" * (n % 30 + 1)} for n in range(200)]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    words = {
        "objective.name": "sft", "tokenizer.chat": "alpaca", "training.global_batch_size": 4,
        "training.local_batch_size": 2,
        "dataloader.sources": f"[{{type = 'jsonl', path = '{tmp_path / 'pairs.jsonl'}'}}]",
    }  # fmt: skip
    return [word for key, value in words.items() for word in (f"--{key}", str(value))]


@pytest.mark.parametrize("world_size", [1, 2])
def test_the_steps_serve_every_epoch(overrides: list[str], world_size: int) -> None:
    config = resolve(DEBUG, [*overrides, "--training.epochs", "3"], world_size=world_size).config
    again = resolve(DEBUG, [*overrides, "--training.epochs", "3"], world_size=world_size).config  # from the cache
    assert again.training.steps == config.training.steps
    served = read_config(DEBUG, [*overrides, "--dataloader.sources.0.epochs", "3"])
    loader = open_loader(served)
    batches = iter(loader)
    for step in range(config.training.steps):
        assert not loader.exhausted, step
        for _ in range(loader.microbatches):
            next(batches)
    assert loader.exhausted
    (source,) = loader.served(loader.served_counts()).sources.values()
    per_epoch = source / 3
    assert per_epoch == int(per_epoch)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--training.tokens", "1M"], "training.tokens = 1M and training.epochs = 2 (command line): give one of them"),
        (
            ["--dataloader.sources.0.weight", "1"],
            "training.epochs = 2 and dataloader.sources.0.weight = 1.0: with shares, sources end at different times; "
            "give the length in training.steps or training.tokens",
        ),
        (
            ["--dataloader.sources.0.epochs", "3"],
            "training.epochs = 2 and dataloader.sources.0.epochs = 3: give one of them",
        ),
    ],
)
def test_what_contradicts_it(overrides: list[str], words: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        resolve(DEBUG, [*overrides, "--training.epochs", "2", *words], world_size=1)
    assert str(error.value) == message


def test_steps_that_are_written_later_hold(overrides: list[str], tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text(f'extends = "{DEBUG}"\n[training]\nepochs = 2\n')
    config = resolve(file, [*overrides, "--training.steps", "7"], world_size=1).config
    assert (config.training.steps, config.training.epochs) == (7, None)
