"""The step of every shipped configuration is generated for Hopper and compiled, once, and fits."""

from pathlib import Path

import pytest

from tests.config.test_plans import tokenizer
from tests.conftest import REPOSITORY
from tests.hopper.conftest import Simulate

# The GPUs that each is for; one where it names none.
WORLD_SIZES = {
    "debug": 1,
    "debug_infill": 1,
    "code_20m": 1,
    "code_20m_prepared": 1,
    "code_70m": 1,
    "code_200m": 1,
    "code_350m": 1,
    "code_350m_8gpu": 8,
    "code_700m": 1,
    "code_1_3b": 8,
    "code_1_3b_8gpu_fp8": 8,
    "code_3b": 8,
    "code_7b": 8,
    "code_7b_64gpu_16k": 64,
    "code_7b_64gpu_fp8": 64,
    "code_15b": 64,
    "code_15b_64gpu": 64,
    "code_15b_512gpu": 512,
    "continue_qwen2_5_coder_1_5b_8gpu": 8,
    "continue_starcoder2_3b_8gpu": 8,
    "sft_debug": 1,
    "dpo_debug": 1,
    "sft_350m": 1,
    "dpo_350m": 1,
    "sft_qwen2_5_coder_1_5b_8gpu": 8,
}


def test_none_is_left_out() -> None:
    files = {file.stem for file in (REPOSITORY / "train_configs").glob("*.toml")}
    assert set(WORLD_SIZES) == files - {"base"}


@pytest.mark.hopper
@pytest.mark.parametrize("config", WORLD_SIZES)
def test_compiles_for_hopper(simulate: Simulate, config: str) -> None:
    report = simulate(config, *tokenizer(Path(config)), world_size=WORLD_SIZES[config])
    assert report.complaints() == []
    assert report.count("flex_attention", backward=False) == 1
    assert report.count("flex_attention_backward", backward=True) == 1
    assert any(kernel.stores_float8 for kernel in report.kernels) == ("fp8" in config)
