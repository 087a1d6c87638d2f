"""Published flavors beside transformers' own models of their class."""

import pytest
import torch
import transformers

from codetitan.data.pieces.dialects import DIALECTS, Sentinels
from codetitan.hf.architectures.config_json import config_json, read_config
from codetitan.models.code.published import PUBLISHED
from codetitan.models.code.rope import RopeConfig
from tests.hf.kinds import described

STARCODER = DIALECTS["starcoder"]
SENTINELS = Sentinels(STARCODER, {name: i for i, name in enumerate(STARCODER.sentinels())}, (), 128)
CLASSES = {"qwen2.5": "Qwen2", "qwen3": "Qwen3", "starcoder2": "Starcoder2", "mistral": "Mistral"}


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_are_those_of_the_class(name: str) -> None:
    """Built by transformers from our config.json, without storage; read back, the config is the flavor."""
    shape = PUBLISHED[name]
    contents = config_json(described(shape, RopeConfig()), SENTINELS, "bfloat16")
    (class_name,) = contents["architectures"]
    assert class_name == CLASSES.get(name.split("-")[0], "Llama") + "ForCausalLM"
    config = getattr(transformers, class_name.replace("ForCausalLM", "Config"))(**contents)
    with torch.device("meta"):
        model = getattr(transformers, class_name)(config)
    assert sum(parameter.numel() for parameter in model.parameters()) == shape.n_params
    assert read_config(contents, "config.json")[1] == shape
