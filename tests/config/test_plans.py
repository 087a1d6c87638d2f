"""Every shipped configuration is valid at the number of GPUs in its name, by the user's command."""

import dataclasses
import re
from pathlib import Path

import pytest

from codetitan.cli import main
from codetitan.config.render import render
from codetitan.config.resolve import resolve
from tests.conftest import REPOSITORY

FILES = sorted(path for path in (REPOSITORY / "train_configs").glob("*.toml") if path.name != "base.toml")


def world_sizes(path: Path) -> list[int]:
    named = re.search(r"_(\d+)gpu", path.stem)
    if path.stem in ("debug_infill", "sft_debug", "dpo_debug"):  # four rows
        return [1, 2]
    return [int(named[1])] if named else [1, 8]


def tokenizer(path: Path) -> list[str]:
    """One that is there, for what goes on from imported weights, whose tokenizer comes with them."""
    if "qwen2_5" in path.stem or "starcoder2" in path.stem:
        chat = ["--tokenizer.chat", "alpaca"] if path.stem.startswith("sft_") else []
        return ["--hf_assets_path", "code-32k", *chat]
    return []


@pytest.mark.parametrize(("path", "world_size"), [(path, n) for path in FILES for n in world_sizes(path)], ids=str)
def test_shipped_configurations(tmp_path: Path, path: Path, world_size: int) -> None:
    """Every shipped file is valid with a source that is there, and prints as the same configuration."""
    words = ["--dataloader.sources", "python-stdlib", *tokenizer(path)]
    first = resolve(path, words, world_size=world_size, here=False)
    assert first.config.checkpoint.enable and not first.config.checkpoint.last_save_model_only
    stages = first.config.model_spec.model.stages
    counts = [sum(name.startswith("layers.") for name in stage) for stage in stages]
    assert not stages or (sum(counts) == first.config.model.shape().n_layers and min(counts) > 0)
    (tmp_path / "again.toml").write_text(render(first))
    second = resolve(tmp_path / "again.toml", [], world_size=world_size, here=False)
    for field in dataclasses.fields(first.config):
        if field.name != "model_spec":
            assert getattr(first.config, field.name) == getattr(second.config, field.name), field.name
    assert first.config.model_spec.model.to_dict() == second.config.model_spec.model.to_dict()


def test_plans_of_1_8_64_and_512_gpus() -> None:
    assert {1, 8, 64, 512} <= {world_size for path in FILES for world_size in world_sizes(path)}


def test_the_command_asks_for_no_gpu(capsys: pytest.CaptureFixture[str]) -> None:
    """Checked on a laptop; refused where they would run without a GPU."""
    file = str(REPOSITORY / "train_configs" / "code_15b_64gpu.toml")
    degrees = ["--parallelism.tensor_parallel_degree", "8", "--parallelism.data_parallel_shard_degree", "8"]
    for option in (
        ["--float8.recipe", "mxfp8"],
        ["--compile.enable_async_tensor_parallel"],
        ["--model.attention", "flex_flash"],
        ["--training.enable_cpu_offload"],
    ):
        assert main(["config", "--config", file, *degrees, *option]) == 0, option
        assert f"{option[-1].rsplit('.', 1)[-1]}" in capsys.readouterr().out
