"""config.json: out of a description and into one. No torch here."""

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

from codetitan.data.pieces.dialects import Sentinels
from codetitan.hf.architectures import rotation, windows
from codetitan.hf.architectures.architecture import HIDDEN_ACTS, Architecture
from codetitan.hf.architectures.keys import Keys
from codetitan.hf.architectures.table import ARCHITECTURES, architecture_of
from codetitan.models.code.rope import RopeConfig
from codetitan.models.code.shape import Flavor
from codetitan.training.description import Description


def config_json(description: Description, sentinels: Sentinels, dtype: str) -> dict[str, Any]:
    """Returns config.json, as transformers 4 and 5, vLLM and llama.cpp read it.

    Raises:
        ConfigError: no class of transformers has such blocks.
    """
    shape = description.shape
    architecture = architecture_of(shape)
    return {
        "architectures": [architecture.name],
        "model_type": architecture.model_type,
        "vocab_size": shape.vocab_size,
        "hidden_size": shape.dim,
        "intermediate_size": shape.ffn_dim,
        "num_hidden_layers": shape.n_layers,
        "num_attention_heads": shape.n_heads,
        "num_key_value_heads": shape.n_kv_heads,
        **({"head_dim": shape.head_width} if architecture.head_dim != "of dim" else {}),
        "hidden_act": HIDDEN_ACTS[shape.mlp][0],
        architecture.norm_eps: shape.norm_eps,
        **rotation.written(shape, description.rope, _context(description)),
        **windows.written(architecture, shape),
        "tie_word_embeddings": shape.tie_embeddings,
        **{key: getattr(shape, names[0]) for key, names in architecture.switches.items()},
        "attention_dropout": 0.0,
        **architecture.also_written,
        "initializer_range": 0.02,
        "use_cache": True,
        "bos_token_id": sentinels.end,
        "eos_token_id": sentinels.end,
        "pad_token_id": sentinels.pad,
        "torch_dtype": dtype,
        "transformers_version": "4.57.1",  # whose form this is; without it 4.57 takes the tokenizer for Mistral's
    }


def _context(description: Description) -> int:
    """Returns the longest sample of the training, or of the one that it went on from with the same rotation: a shorter
    one takes no context away."""
    longest, base = description.seq_len, description.base
    while base is not None and (base.rope, base.shape.rope_theta) == (description.rope, description.shape.rope_theta):
        longest, base = max(longest, base.seq_len), base.base
    return longest


def generation_config(sentinels: Sentinels, ends: Sequence[int] = ()) -> dict[str, Any]:
    """Returns generation_config.json: a text ends where a document or a middle does, or with one of `ends`."""
    return {
        "bos_token_id": sentinels.end,
        "eos_token_id": list(dict.fromkeys([*ends, sentinels.end, sentinels.fim_end])),
        "pad_token_id": sentinels.pad,
    }


def _architecture(config: dict[str, Any], where: str) -> Architecture:
    keys = Keys(config, {}, where)
    named, model_type = config.get("architectures"), config.get("model_type")
    of_type = {architecture.model_type: architecture for architecture in ARCHITECTURES.values()}
    known = f"{', '.join(ARCHITECTURES)}, and no other can be imported"
    if not named:
        if not isinstance(model_type, str) or model_type not in of_type:
            raise keys.refuse(f"model_type = {json.dumps(model_type)}", f"is one of {known}")
        return of_type[model_type]
    if not isinstance(named, list) or len(named) != 1 or named[0] not in list(ARCHITECTURES):
        raise keys.refuse(f"architectures = {json.dumps(named)}", f"is one of {known}")
    found = ARCHITECTURES[named[0]]
    if model_type not in (None, found.model_type):
        raise keys.contradicts(f'model_type = {json.dumps(model_type)} is not "{found.model_type}" of {found.name}')
    return found


def read_config(config: dict[str, Any], where: str) -> tuple[Architecture, Flavor, RopeConfig, int]:
    """Returns the class, the shape, the rotation and the longest context of a config.json.

    Args:
        config: its contents.
        where: for errors.

    Raises:
        ConfigError: it is of an architecture that our model is not, or contradicts itself.
    """
    architecture = _architecture(config, where)
    keys = Keys(config, architecture.defaults, where)
    if quantized := config.get("quantization_config"):
        method = quantized.get("quant_method") if isinstance(quantized, dict) else None
        raise keys.refuse(f"its weights are quantized{f' ({method})' if method else ''}", "is not; import the original")
    act, mlp = keys.get("hidden_act"), architecture.block.mlp
    if act not in HIDDEN_ACTS[mlp]:
        raise keys.refuse(f"hidden_act = {json.dumps(act)}", f"has {HIDDEN_ACTS[mlp][0]} in {architecture.name}")
    dim, n_heads, n_layers = (keys.whole(key) for key in ("hidden_size", "num_attention_heads", "num_hidden_layers"))
    head_dim, n_kv_heads = _heads(keys, architecture, dim, n_heads)
    context = keys.whole("max_position_embeddings")
    theta, rope = rotation.read(keys, context)
    blocks = dataclasses.asdict(architecture.block)
    for key, names in architecture.switches.items():
        blocks |= dict.fromkeys(names, keys.flag(key))
    shape = Flavor(
        dim=dim,
        n_layers=n_layers,
        n_heads=n_heads,
        n_kv_heads=n_kv_heads,
        head_dim=head_dim,
        ffn_dim=keys.whole("intermediate_size"),
        vocab_size=keys.whole("vocab_size"),
        tie_embeddings=keys.flag("tie_word_embeddings"),
        rope_theta=theta,
        norm_eps=keys.number(architecture.norm_eps, keys.get(architecture.norm_eps)),
        **blocks | {"sliding_window": windows.read(keys, architecture, n_layers)},
    )
    assert not architecture.needs(shape), "what was read of a class can be written as one"
    if architecture_of(shape) is not architecture:
        shape = dataclasses.replace(shape, export_as=architecture.name)
    return architecture, shape, rope, context


def _heads(keys: Keys, architecture: Architecture, dim: int, n_heads: int) -> tuple[int | None, int]:
    """Returns the width of a head, None where it is D / N, and the number of K/V heads."""
    n_kv_heads = keys.whole("num_key_value_heads", null=n_heads)
    if n_heads % n_kv_heads:
        raise keys.contradicts(
            f"num_attention_heads = {n_heads} must be a multiple of num_key_value_heads = {n_kv_heads}"
        )
    given = keys.get("head_dim") is not None or architecture.defaults.get("head_dim") is not None
    if dim % n_heads and not (given and architecture.head_dim == "any"):
        raise keys.contradicts(f"hidden_size = {dim} must be a multiple of num_attention_heads = {n_heads}")
    width = keys.whole("head_dim") if given else dim // n_heads
    if width * n_heads != dim and architecture.head_dim == "of dim":
        raise keys.refuse(
            f"head_dim = {width}",
            f"needs hidden_size / num_attention_heads = {dim // n_heads} in {architecture.name}",
        )
    if width % 2:
        raise keys.refuse(f"head_dim = {width}", "rotates pairs: it needs heads of even width")
    return (None if width * n_heads == dim else width), n_kv_heads
