"""The data for other trainers: the same batches as in ours, without torchtitan; and docs/data.md's example."""

import dataclasses
import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import codetitan.data
from codetitan.config.data import BatchConfig, DataConfig
from codetitan.config.resolve import resolve
from codetitan.config.schema import hints
from codetitan.data import (
    CodeDataLoader,
    CodeTokenizer,
    Directory,
    FimConfig,
    PythonStdlib,
    join,
    open_loader,
    read_config,
)
from codetitan.data.held_out import HeldOutConfig
from codetitan.data.views.digest import digests
from codetitan.errors import ConfigError
from codetitan.training.trainer import CodeTrainer
from codetitan.training.validation import ValidationConfig
from tests.conftest import REPOSITORY, as_arguments

DEBUG = REPOSITORY / "train_configs" / "debug.toml"
SMALL: dict[str, Any] = {
    "training.seq_len": 64,
    "training.global_batch_size": 8,
    "training.local_batch_size": 2,
    "dataloader.block": 4,
}


def of_all(loaders: list[CodeDataLoader], steps: int) -> list[torch.Tensor]:
    """Each step's global batch, int64 (3, G, L), as a trainer on these ranks would see it."""
    iterators = [iter(loader) for loader in loaders]
    found = []
    for _ in range(steps):
        parts = [
            torch.stack([inputs["input"], labels, inputs["positions"]])
            for loader, iterator in zip(loaders, iterators, strict=True)
            for inputs, labels in (next(iterator) for _ in range(loader.microbatches))
        ]
        found.append(torch.cat(parts, 1))
    return found


def opened(ranks: int, overrides: dict[str, Any] = SMALL) -> list[CodeDataLoader]:
    config = read_config(DEBUG, overrides)
    return [open_loader(config, dp_rank=rank, dp_world_size=ranks) for rank in range(ranks)]


@pytest.fixture(scope="module")
def trained_on() -> list[torch.Tensor]:
    """What the trainer is given in six steps: its configuration, built as torchtitan builds it."""
    config = resolve(DEBUG, as_arguments(SMALL), world_size=1).config
    tokenizer = config.tokenizer.build(tokenizer_path=config.hf_assets_path)
    loader = config.dataloader.build(
        dp_world_size=1, dp_rank=0, tokenizer=tokenizer, seq_len=64, local_batch_size=2, snapshot_every_n_steps=1
    )
    return of_all([loader], 6)


def test_the_batches_are_the_trainers_and_go_on_at_another_degree(
    trained_on: list[torch.Tensor], tmp_path: Path
) -> None:
    two = opened(2)
    served = of_all(two, 3)
    assert served[0].shape == (3, 8, 64) and served[0].dtype == torch.int64
    for rank, loader in enumerate(two):
        torch.save(loader.state_dict(), tmp_path / f"{rank}.pt")
    states = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2)]
    alone = opened(1)
    alone[0].load_state_dict(join(states))
    served += of_all(alone, 3)
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(served, trained_on, strict=True))
    for loader, state in zip(two, states, strict=True):  # a rank's own state is enough for the same rank
        loader.load_state_dict(state)
    again = of_all(two, 3)
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(again, trained_on[3:], strict=True))


def test_the_batches_are_those_of_the_digest(trained_on: list[torch.Tensor]) -> None:
    lines = list(digests(resolve(DEBUG, as_arguments(SMALL), world_size=1), steps=2, dp_degree=1))
    hashes = [hashlib.sha256(step.numpy().astype("<i8").tobytes()).hexdigest() for step in trained_on]
    assert hashes[:2] == lines


def test_a_state_that_does_not_fit_is_refused() -> None:
    (whole,) = opened(1)
    quarter = open_loader(read_config(DEBUG, SMALL), dp_rank=1, dp_world_size=4)
    with pytest.raises(ConfigError, match=r"^the state has 2 rows, this rank serves 8 of 8; join the states of all ra"):
        whole.load_state_dict(quarter.state_dict())
    (other,) = opened(1, {**SMALL, "dataloader.seed": 7})
    with pytest.raises(ConfigError, match=r"dataloader\.seed was 42, is 7"):
        other.load_state_dict(whole.state_dict())
    with pytest.raises(ValueError, match="not of one run"):
        join([whole.state_dict(), other.state_dict()])
    with pytest.raises(ValueError, match="dp_rank = 2 must be one of the 2 ranks, from 0"):
        open_loader(read_config(DEBUG), dp_rank=2, dp_world_size=2)


def test_a_configuration_in_python(tmp_path: Path) -> None:
    for n in range(8):
        text = "".join(f"def f{i}(x):\n    return {n} * x + {i}\n\n" for i in range(100))
        (tmp_path / f"{n}.py").write_text(text)
    config = DataConfig(
        dataloader=CodeDataLoader.Config(
            sources=[Directory(path=str(tmp_path), epochs=1), PythonStdlib(epochs=1, max_documents=3)],
            fim=FimConfig(rate=0.5),
        ),
        tokenizer=CodeTokenizer.Config(dialect="qwen2.5-coder"),
        training=BatchConfig(seq_len=128, local_batch_size=4),
    )
    loader = open_loader(config, dp_rank=1, dp_world_size=2)
    assert (loader.rows, loader.microbatches) == (8, 1) and loader.finite
    batches = 0
    for inputs, labels in loader:
        assert inputs["input"].shape == inputs["positions"].shape == labels.shape == (4, 128)
        batches += 1
        if loader.exhausted:
            break
    assert batches > 1


# (overrides, the line): the same that ./run_train.sh gives
SLIPS: list[tuple[dict[str, Any], str]] = [
    ({"dataloader.fim.rte": 0.5}, 'dataloader.fim.rte (override): unknown key; did you mean "dataloader.fim.rate"?'),
    ({"dataloader.seq_len": 8}, 'dataloader.seq_len (override): unknown key; did you mean "training.seq_len"?'),
    ({"training.seqlen": 8}, 'training.seqlen (override): unknown key; did you mean "training.seq_len"?'),
    ({"tokeniser.dialect": "starcoder"}, 'tokeniser: unknown key; did you mean "tokenizer"?'),
    ({"hf_asset_path": "x"}, 'hf_asset_path (override): unknown key; did you mean "hf_assets_path"?'),
    ({"training.seq_len": "8"}, 'training.seq_len = "8" (override) must be a whole number'),
    ({"training.seq_len": 1}, "training.seq_len = 1 must be at least 2"),
    ({"training.local_batch_size": 0}, "training.local_batch_size = 0 must be at least 1"),
    ({"training.global_batch_size": 0},
     "training.global_batch_size = 0 must be at least 1, or -1 to have it worked out"),
    ({"training.global_batch_size": 7},
     "training.global_batch_size = 7 must be a multiple of training.local_batch_size · data-parallel degree = 2 · 1 = "
     "2; nearest: 8; or training.local_batch_size = 1"),
    ({"dataloader.sources": []},
     "dataloader.sources: missing; name a corpus, for example --dataloader.sources python-stdlib or "
     "--dataloader.sources directory:PATH"),
    ({"tokenizer.dialect": "starcodr"}, 'tokenizer.dialect = "starcodr" must be one of starcoder, '),
]  # fmt: skip


@pytest.mark.parametrize(("overrides", "line"), SLIPS, ids=[next(iter(overrides)) for overrides, _ in SLIPS])
def test_slips(overrides: dict[str, Any], line: str) -> None:
    with pytest.raises(ConfigError) as ours:
        open_loader(read_config(DEBUG, overrides))
    assert str(ours.value).startswith(line)


def test_what_is_the_trainers_is_not_looked_at(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text(
        f'extends = "{DEBUG}"\ndump_folder = 3\n[training]\nsteps = "many"\nmax_norm = 2.0\n[optimizer]\nlearning = 1\n'
        "[somebody.elses]\nkey = 1\n[dataloader]\nseed = 5\n"
    )
    config = read_config(file)
    assert (config.dataloader.seed, config.training.seq_len, config.hf_assets_path) == (5, 256, "code-32k")
    assert read_config(file, ["--dataloader.seed", "6"]).dataloader.seed == 6  # words of a command line


def test_no_key_of_the_trainer_is_taken_for_a_slip(tmp_path: Path) -> None:
    """The data refuses what looks like one of its own keys: none of the trainer's does."""
    trainer = CodeTrainer.Config()
    file = tmp_path / "run.toml"
    sections = set(hints(CodeTrainer.Config)) - set(hints(DataConfig))
    keys = [field.name for field in dataclasses.fields(trainer.training)]
    others = set(keys) - set(hints(BatchConfig))
    of_validation = set(hints(ValidationConfig)) - set(hints(HeldOutConfig))
    assert len(sections) > 10 and len(others) > 5 and len(of_validation) > 5
    tables = {"": sections, "[training]\n": others, "[validation]\n": of_validation}
    file.write_text("".join(head + "".join(f"{name} = 1\n" for name in names) for head, names in tables.items()))
    assert read_config(file) == DataConfig()


def test_the_defaults_are_the_trainers() -> None:
    trainer, ours = CodeTrainer.Config(), DataConfig()
    assert trainer.hf_assets_path == ours.hf_assets_path
    for name in hints(BatchConfig):
        assert getattr(trainer.training, name) == getattr(ours.training, name)
    for section in ("dataloader", "tokenizer"):
        theirs, mine = getattr(trainer, section), getattr(ours, section)
        assert list(hints(type(theirs))) == list(hints(type(mine)))  # no key is the trainer's alone
        assert all(getattr(theirs, name) == getattr(mine, name) for name in hints(type(mine)))


def test_the_face_is_whole() -> None:
    assert all(getattr(codetitan.data, name) is not None for name in codetitan.data.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = codetitan.data.nonsense


def example() -> tuple[str, str]:
    """The code of docs/data.md and what it says that this prints."""
    section = (REPOSITORY / "docs" / "data.md").read_text(encoding="utf-8").split("## Use it with another trainer")[1]
    found = re.match(r"\s*```python\n(.*?)```\s*```text\n(.*?)```", section, re.DOTALL)
    assert found is not None, "the section begins with the code, and what it prints"
    return found[1], found[2]


def test_the_example_of_the_docs_without_torchtitan(tmp_path: Path) -> None:
    """In a process of its own, as it stands, beside the shipped configurations."""
    code, printed = example()
    (tmp_path / "train_configs").symlink_to(REPOSITORY / "train_configs")
    code += (
        "\nimport json, sys\n"
        "foreign = ('torchtitan', 'torchao', 'codetitan.titan', 'codetitan.training', 'codetitan.device')\n"
        "print(json.dumps([name for name in sys.modules if name.startswith(foreign)]))\n"
        "print(json.dumps(torch.cuda.is_initialized()))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode == 0, result.stderr
    *shown, modules, cuda = result.stdout.splitlines()
    assert shown == printed.splitlines()
    assert (json.loads(modules), json.loads(cuda)) == ([], False)
