"""config.json read: published models by their sizes, windows, widths of heads."""

from dataclasses import replace
from typing import Any

import pytest

from codetitan.errors import ConfigError
from codetitan.hf.architectures.config_json import config_json, read_config
from codetitan.models.code.flavors import FLAVORS
from codetitan.models.code.rope import RopeConfig
from tests.hf.kinds import described
from tests.hf.test_published import SENTINELS


def published(architecture: str, sizes: tuple[int, ...], **others: Any) -> dict[str, Any]:
    names = ("hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "intermediate_size")
    return {
        "architectures": [f"{architecture}ForCausalLM"],
        **dict(zip((*names, "vocab_size"), sizes, strict=True)),
        **others,
    }


# What matters of the config.json of published models, and their parameters as their model cards count them.
PUBLISHED: dict[str, tuple[dict[str, Any], int]] = {
    "Qwen2.5-Coder-1.5B": (
        published(
            "Qwen2", (1536, 28, 12, 2, 8960, 151936), model_type="qwen2", tie_word_embeddings=True, rope_theta=1e6,
            use_sliding_window=False, sliding_window=32768, max_window_layers=28, attention_dropout=0.0,
        ),
        1_543_714_304,
    ),
    "Qwen2.5-Coder-7B": (
        published("Qwen2", (3584, 28, 28, 4, 18944, 152064), use_sliding_window=False, sliding_window=131072),
        7_615_616_512,
    ),
    "Qwen3-8B": (
        published("Qwen3", (4096, 36, 32, 8, 12288, 151936), head_dim=128, attention_bias=False, sliding_window=None),
        8_190_735_360,
    ),
    "StarCoder2-3B": (
        published(
            "Starcoder2", (3072, 30, 24, 2, 12288, 49152), sliding_window=4096, use_bias=True, norm_epsilon=1e-5,
            residual_dropout=0.1, embedding_dropout=0.1, attention_dropout=0.1, mlp_type="default",
        ),
        3_030_371_328,
    ),
    "Mistral-7B-v0.1": (published("Mistral", (4096, 32, 32, 8, 14336, 32000)), 7_241_732_096),
    "deepseek-coder-1.3b": (
        published("Llama", (2048, 24, 16, 16, 5504, 32256), rope_scaling={"type": "linear", "factor": 4.0}),
        1_346_471_936,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_models(name: str) -> None:
    config, n_params = PUBLISHED[name]
    architecture, shape, _, _ = read_config(config, "config.json")
    assert [architecture.name] == config["architectures"] and shape.n_params == n_params
    assert shape.sliding_window == (4096 if name in ("StarCoder2-3B", "Mistral-7B-v0.1") else None)


SMALL = (64, 4, 4, 2, 96, 512)
WINDOWS: list[tuple[str, dict[str, Any], int | None]] = [
    ("Mistral", {}, 4096),
    ("Mistral", {"sliding_window": None}, None),
    ("Starcoder2", {}, None),
    ("Llama", {"sliding_window": 8}, None),  # transformers' Llama has none, whatever the file says
    ("Qwen2", {"sliding_window": 8}, None),
    ("Qwen2", {"use_sliding_window": True, "sliding_window": 8}, None),  # from layer 28 of 4 on
    ("Qwen2", {"use_sliding_window": True, "sliding_window": 8, "max_window_layers": 0}, 8),
    ("Qwen3", {"use_sliding_window": True, "sliding_window": 8, "layer_types": ["sliding_attention"] * 4}, 8),
    ("Qwen3", {"use_sliding_window": True, "sliding_window": 8, "layer_types": ["full_attention"] * 4}, None),
    ("Qwen3", {"use_sliding_window": True, "sliding_window": None}, None),
]


@pytest.mark.parametrize(("architecture", "keys", "window"), WINDOWS)
def test_windows(architecture: str, keys: dict[str, Any], window: int | None) -> None:
    assert read_config(published(architecture, SMALL, **keys), "c")[1].sliding_window == window


WINDOW = {"use_sliding_window": True, "sliding_window": 8}
REFUSED: list[tuple[str, dict[str, Any], str]] = [
    (
        "Qwen2",
        {**WINDOW, "max_window_layers": 3},
        "c: max_window_layers = 3: layers 3 have a sliding window, 0-2 have none; codetitan's model has one in all "
        "layers or in none",
    ),
    (
        "Qwen3",
        {**WINDOW, "layer_types": ["sliding_attention", "full_attention"] * 2},
        "c: layer_types: layers 0, 2 have a sliding window, 1, 3 have none; codetitan's model has one in all layers or "
        "in none",
    ),
    (
        "Qwen3",
        {"layer_types": ["sliding_attention"] * 4},
        "c: layer_types gives layers 0-3 a sliding window, which use_sliding_window and sliding_window turn off",
    ),
    (
        "Qwen3",
        {"layer_types": ["full_attention"] * 3},
        "c: layer_types must have an entry for each of num_hidden_layers = 4 layers",
    ),
    (
        "Qwen3",
        {"layer_types": ["linear_attention"] * 4},
        'c: layer_types has "linear_attention"; codetitan\'s model knows full_attention and sliding_attention',
    ),
    ("Qwen2", {**WINDOW, "max_window_layers": -1}, "c: max_window_layers = -1 must be a whole number of at least 0"),
    ("Mistral", {"sliding_window": 0}, "c: sliding_window = 0 must be a whole number of at least 1"),
    ("Qwen3", {"head_dim": None}, "c: head_dim = null must be a whole number of at least 1"),
    (
        "Qwen2",
        {"head_dim": 32},
        "c: head_dim = 32; codetitan's model needs hidden_size / num_attention_heads = 16 in Qwen2ForCausalLM",
    ),
    ("Starcoder2", {"hidden_act": "gelu"}, 'c: hidden_act = "gelu"; codetitan\'s model has gelu_pytorch_tanh in '),
    ("Starcoder2", {"use_bias": "yes"}, 'c: use_bias = "yes" must be true or false'),
]


@pytest.mark.parametrize(("architecture", "keys", "line"), REFUSED)
def test_refused(architecture: str, keys: dict[str, Any], line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_config(published(architecture, SMALL, **keys), "c")
    assert str(caught.value).startswith(line) and "\n" not in str(caught.value)


def test_heads() -> None:
    assert read_config(published("Qwen3", SMALL), "c")[1].head_dim == 128  # its own default
    assert read_config(published("Mistral", SMALL, head_dim=16), "c")[1].head_dim is None  # D / N
    shape = read_config(published("Llama", SMALL, head_dim=24, num_key_value_heads=None), "c")[1]
    assert (shape.head_dim, shape.n_kv_heads) == (24, 4)


def test_export_as_only_where_another_class_comes_first() -> None:
    assert read_config(published("Mistral", SMALL), "c")[1].export_as is None
    assert read_config(published("Mistral", SMALL, sliding_window=None), "c")[1].export_as == "MistralForCausalLM"


@pytest.mark.parametrize("architecture", ["Llama", "Qwen2", "Qwen3", "Starcoder2", "Mistral"])
@pytest.mark.parametrize("form", ["rope_scaling", "rope_parameters"])
def test_both_forms_of_rotation(architecture: str, form: str) -> None:
    scaling: dict[str, Any] = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32}
    keys = {form: scaling, "rope_theta": 1e6} if form == "rope_scaling" else {form: scaling | {"rope_theta": 1e6}}
    _, shape, rope, context = read_config(published(architecture, SMALL, max_position_embeddings=128, **keys), "c")
    assert (shape.rope_theta, context) == (1e6, 128)
    assert rope == RopeConfig(scaling="yarn", factor=4.0, original_seq_len=32)


def test_going_on_with_shorter_samples_takes_no_context_away() -> None:
    """Qwen2.5-Coder trained on at 8,192 still has 32,768 positions; with another rotation nothing is known of them."""
    base = replace(described(FLAVORS["debug"], RopeConfig()), seq_len=32768)
    went_on = replace(base, seq_len=8192, base=base)
    assert config_json(went_on, SENTINELS, "bfloat16")["max_position_embeddings"] == 32768
    longer = replace(went_on, rope=RopeConfig(scaling="yarn", factor=2.0, original_seq_len=4096))
    assert config_json(longer, SENTINELS, "bfloat16")["max_position_embeddings"] == 8192


def test_llama_3s_context_is_no_product() -> None:
    rope = RopeConfig(scaling="llama3", factor=32.0, original_seq_len=8192)
    contents = config_json(replace(described(FLAVORS["debug"], rope), seq_len=131072), SENTINELS, "bfloat16")
    assert contents["max_position_embeddings"] == 131072
