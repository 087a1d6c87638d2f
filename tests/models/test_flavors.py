import pytest
import torch

from codetitan.models.code.flavors import FLAVORS, table
from codetitan.models.code.spec import model_config
from tests.conftest import REPOSITORY

NAMED = {name: flavor for name, flavor in FLAVORS.items() if name != "debug"}


def stated(name: str) -> float:
    """The parameter count that a name states: 1_3b → 1.3e9."""
    return float(name[:-1].replace("_", ".")) * {"m": 1e6, "b": 1e9}[name[-1]]


def test_names() -> None:
    assert list(FLAVORS) == ["debug", "20m", "70m", "200m", "350m", "700m", "1_3b", "3b", "7b", "15b"]


@pytest.mark.parametrize("name", NAMED)
def test_a_name_states_the_parameters(name: str) -> None:
    assert abs(FLAVORS[name].n_params / stated(name) - 1) < 0.05


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
    assert {name for name, flavor in FLAVORS.items() if flavor.vocab_size > 40_000} == {"3b", "7b", "15b"}
    assert FLAVORS["15b"].n_kv_heads == 1


def test_the_table_in_the_docs_is_the_code() -> None:
    assert table(4096) in (REPOSITORY / "docs" / "flavors.md").read_text(encoding="utf-8")
