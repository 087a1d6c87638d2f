"""Which class a model is exported to, and that the classes' declarations are transformers' own."""

import dataclasses
import itertools
import json
import os
import subprocess
import sys
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from codetitan.errors import ConfigError
from codetitan.hf.architectures.architecture import HIDDEN_ACTS, Architecture
from codetitan.hf.architectures.table import ARCHITECTURES, architecture_of, check_exportable
from codetitan.hf.architectures.tensors import names
from codetitan.models.code.shape import Block, Flavor, tensors
from tests.hf.conftest import TRANSFORMERS_4, Install
from tests.hf.kinds import CLASSES
from tests.hf.kinds import KINDS as OURS

SHAPE = Flavor(64, 2, 4, 2, 96, 512, False)
DEFAULTS = """
import inspect, json, sys, transformers
found = {}
for name, keys in json.loads(sys.argv[1]).items():
    of_class = inspect.signature(getattr(transformers, name)).parameters
    # 4.57 has tie_word_embeddings of StarCoder2 in the base class only.
    found[name] = {
        key: of_class[key].default if key in of_class else getattr(getattr(transformers, name)(), key) for key in keys
    }
print(json.dumps([transformers.__version__, found]))
"""


@pytest.mark.parametrize("major", [pytest.param("4.57", marks=pytest.mark.slow), "5"])
def test_defaults_are_those_of_transformers(major: str, install: Install) -> None:
    expected = {a.name.replace("ForCausalLM", "Config"): dict(a.defaults) for a in ARCHITECTURES.values()}
    path = {"PYTHONPATH": str(install(*TRANSFORMERS_4))} if major == "4.57" else {}
    asked = json.dumps({name: list(keys) for name, keys in expected.items()})
    done = subprocess.run(
        [sys.executable, "-c", DEFAULTS, asked], env=os.environ | path, capture_output=True, text=True, check=True
    )
    version, found = json.loads(done.stdout)
    assert version.startswith(major)
    assert found == expected


def blocks_of(architecture: Architecture) -> list[Flavor]:
    """Returns a shape for every setting of a class's switches."""
    changes = [
        {name: value for names_, value in zip(architecture.switches.values(), values, strict=True) for name in names_}
        for values in itertools.product([False, True], repeat=len(architecture.switches))
    ]
    base = dataclasses.replace(SHAPE, **dataclasses.asdict(architecture.block))
    return [dataclasses.replace(base, **change) for change in changes]


@pytest.mark.parametrize("architecture", ARCHITECTURES.values(), ids=ARCHITECTURES)
def test_names_and_sizes_are_those_of_transformers(architecture: Architecture) -> None:
    for shape in blocks_of(architecture):
        assert architecture.needs(shape) == {}
        config = AutoConfig.for_model(
            architecture.model_type, hidden_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
            intermediate_size=96, vocab_size=512, head_dim=16, tie_word_embeddings=False, pad_token_id=None,
            hidden_act=HIDDEN_ACTS[shape.mlp][0],
            **{key: getattr(shape, fields[0]) for key, fields in architecture.switches.items()},
        )  # fmt: skip
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config)
        assert type(model).__name__ == architecture.name
        sizes = tensors(shape)
        ours = {theirs: sizes[name].size for name, theirs in names(shape, architecture).items()}
        assert ours == {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}


@pytest.mark.parametrize("kind", OURS)
def test_the_first_class_that_fits(kind: str) -> None:
    shape, _ = OURS[kind]
    check_exportable(shape)
    assert architecture_of(shape).name == CLASSES[kind]


def shape_with(**changes: Any) -> Flavor:
    return dataclasses.replace(SHAPE, **changes)


UNFIT: list[tuple[Flavor, str]] = [
    (
        shape_with(norm="layernorm", qk_norm=True),
        'model.norm = "layernorm", model.qk_norm = true: no class of transformers that codetitan exports to has such '
        'blocks; Qwen3ForCausalLM would, with model.norm = "rmsnorm"',
    ),
    (
        shape_with(norm="layernorm", mlp="gelu", qkv_bias=True, mlp_bias=True),
        'model.norm = "layernorm", model.mlp = "gelu", model.qkv_bias = true, model.mlp_bias = true: no class of '
        "transformers that codetitan exports to has such blocks; Starcoder2ForCausalLM would, with model.out_bias = "
        "true",
    ),
    (
        shape_with(qkv_bias=True, out_bias=True, sliding_window=8),
        "model.qkv_bias = true, model.out_bias = true, model.sliding_window = 8: no class of transformers that "
        "codetitan exports to has such blocks; LlamaForCausalLM would, with model.sliding_window unset",
    ),
    (
        shape_with(qkv_bias=True, head_dim=32, sliding_window=8),
        "model.qkv_bias = true, model.sliding_window = 8, model.head_dim = 32: no class of transformers that codetitan "
        "exports to has such blocks; Qwen2ForCausalLM would, with model.head_dim = 16",
    ),
    (shape_with(export_as="Qwen3"), f'model.export_as = "Qwen3" must be one of {", ".join(ARCHITECTURES)}'),
    (
        shape_with(export_as="MistralForCausalLM", qk_norm=True),
        'model.export_as = "MistralForCausalLM" has no model.qk_norm = true; it needs model.qk_norm = false',
    ),
]


@pytest.mark.parametrize(("shape", "line"), UNFIT)
def test_what_no_class_has(shape: Flavor, line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_exportable(shape)
    assert str(caught.value) == line


def test_a_width_of_heads_that_llama_has_not() -> None:
    """LlamaConfig of transformers 5 refuses a hidden size that its heads do not divide, whatever head_dim is."""
    assert architecture_of(shape_with(dim=66, head_dim=16)).name == "MistralForCausalLM"
    config = AutoConfig.for_model("mistral", hidden_size=66, num_attention_heads=4, head_dim=16)
    assert config.head_dim == 16
    with pytest.raises(Exception, match="not a multiple"):
        AutoConfig.for_model("llama", hidden_size=66, num_attention_heads=4, head_dim=16)


def test_every_field_of_a_block_is_said() -> None:
    """One that makes no class fit less would be lost in exports."""
    other = {"norm": "layernorm", "mlp": "gelu", "sliding_window": 8}
    for field in dataclasses.fields(Block):
        changed = shape_with(**{field.name: other.get(field.name, True)})
        assert any(a.needs(changed).keys() - a.needs(SHAPE).keys() for a in ARCHITECTURES.values()), field.name


def test_no_torch() -> None:
    """The checks of a configuration ask it, before anything heavy is there."""
    script = "import sys, codetitan.hf.architectures.table; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
