"""Every shipped configuration is valid at the number of GPUs in its name, by the user's command."""

import re
from pathlib import Path

import pytest

from codetitan.cli import main
from codetitan.config.resolve import resolve
from tests.conftest import REPOSITORY

FILES = sorted(path for path in (REPOSITORY / "train_configs").glob("*.toml") if path.name != "base.toml")


def world_sizes(path: Path) -> list[int]:
    named = re.search(r"_(\d+)gpu", path.stem)
    return [int(named[1])] if named else [1, 8]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_shipped_configurations_are_valid(path: Path) -> None:
    for world_size in world_sizes(path):
        config = resolve(path, [], world_size=world_size, here=False).config
        p = config.parallelism
        assert config.training.global_batch_size % (config.training.local_batch_size) == 0
        if p.pipeline_parallel_degree > 1:
            counts = [sum(name.startswith("layers.") for name in stage) for stage in config.model_spec.model.stages]
            assert sum(counts) == config.model.shape().n_layers and min(counts) > 0


def test_plans_of_1_8_64_and_512_gpus() -> None:
    assert {1, 8, 64, 512} == {world_size for path in FILES for world_size in world_sizes(path)}


def test_the_command_asks_for_no_gpu(capsys: pytest.CaptureFixture[str]) -> None:
    """FP8, async TP and a kernel for Hopper: checked on a laptop, refused where they would run without a GPU."""
    file = str(REPOSITORY / "train_configs" / "code_15b_512gpu.toml")
    needs = [
        "--compile.enable_async_tensor_parallel",
        "--float8.recipe",
        "tensorwise",
        "--model.attention",
        "flex_flash",
    ]
    assert main(["config", "--config", file, "--world-size", "512", *needs]) == 0
    assert 'recipe = "tensorwise"' in capsys.readouterr().out
