import pytest
import torch

from codetitan.models.code.flavors import FLAVORS, OWN, table
from codetitan.models.code.spec import model_config
from tests.conftest import REPOSITORY

NAMED = {name: flavor for name, flavor in OWN.items() if name != "debug"}


def stated(name: str) -> float:
    """The parameter count that a name states: 1_3b → 1.3e9."""
    return float(name[:-1].replace("_", ".")) * {"m": 1e6, "b": 1e9}[name[-1]]


def test_names() -> None:
    assert list(OWN) == ["debug", "20m", "70m", "200m", "350m", "700m", "1_3b", "3b", "7b", "15b"]


@pytest.mark.parametrize("name", NAMED)
def test_a_name_states_the_parameters(name: str) -> None:
    assert abs(FLAVORS[name].n_params / stated(name) - 1) < 0.05


# Of the models' pages, which count the tensors of their files.
PARAMETERS = {
    "qwen2.5-coder-0.5b": 494_032_768, "qwen2.5-coder-1.5b": 1_543_714_304, "qwen2.5-coder-3b": 3_085_938_688,
    "qwen2.5-coder-7b": 7_615_616_512, "qwen2.5-coder-14b": 14_770_033_664, "qwen2.5-coder-32b": 32_763_876_352,
    "qwen3-0.6b": 596_049_920, "qwen3-1.7b": 1_720_574_976, "qwen3-4b": 4_022_468_096, "qwen3-8b": 8_190_735_360,
    "qwen3-14b": 14_768_307_200, "qwen3-32b": 32_762_123_264, "starcoder2-3b": 3_030_371_328,
    "starcoder2-7b": 7_173_923_840, "starcoder2-15b": 15_957_889_024, "deepseek-coder-1.3b": 1_346_471_936,
    "deepseek-coder-6.7b": 6_740_512_768, "codellama-7b": 6_738_546_688, "mistral-7b-v0.1": 7_241_732_096,
    "smollm2-135m": 134_515_008,
}  # fmt: skip


@pytest.mark.parametrize(("name", "n_params"), PARAMETERS.items())
def test_published_parameters(name: str, n_params: int) -> None:
    assert FLAVORS[name].n_params == n_params


def test_published_are_all_counted() -> None:
    assert set(FLAVORS) - set(OWN) == set(PARAMETERS)


@pytest.mark.parametrize("name", FLAVORS)
def test_the_numbers_are_those_of_the_model(name: str) -> None:
    """Parameters and FLOPs as torchtitan counts them on the built model."""
    flavor = FLAVORS[name]
    config = model_config(flavor, seed=0)
    for layer in config.layers:
        layer.attention.rope.max_seq_len = 128
    with torch.device("meta"):
        model = config.build()
    n_params, flops = config.get_nparams_and_flops(model, 4096)
    assert (flavor.n_params, flavor.flops_per_token(4096)) == (n_params, flops)


@pytest.mark.parametrize("name", NAMED)
def test_shapes_suit_tensor_cores(name: str) -> None:
    flavor = FLAVORS[name]
    assert flavor.dim % 128 == flavor.ffn_dim % 128 == flavor.vocab_size % 128 == 0
    assert flavor.head_width in (64, 128) and flavor.n_heads % flavor.n_kv_heads == 0


def test_vocabularies() -> None:
    assert {name for name, flavor in OWN.items() if flavor.vocab_size > 40_000} == {"3b", "7b", "15b"}
    assert FLAVORS["15b"].n_kv_heads == 1


def test_the_table_in_the_docs_is_the_code() -> None:
    assert table(4096) in (REPOSITORY / "docs" / "flavors.md").read_text(encoding="utf-8")
