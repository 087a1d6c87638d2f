"""config.json of a LlamaForCausalLM, out of a description and into one. No torch here."""

import json
import math
from collections.abc import Callable
from typing import Any

from codetitan.data.pieces.dialects import Sentinels
from codetitan.errors import ConfigError
from codetitan.models.code.rope import RopeConfig, ntk_theta
from codetitan.models.code.shape import Flavor
from codetitan.training.description import Description

# transformers' defaults (LlamaConfig), the same in 4 and 5: a config.json may leave them out.
_DEFAULTS: dict[str, Any] = {
    "hidden_act": "silu",
    "rms_norm_eps": 1e-6,
    "tie_word_embeddings": False,
    "attention_bias": False,
    "mlp_bias": False,
    "max_position_embeddings": 2048,
}


def config_json(description: Description, sentinels: Sentinels, dtype: str) -> dict[str, Any]:
    """Returns config.json, as transformers 4 and 5, vLLM and llama.cpp read it.

    YaRN's attention factor is left to the reader, for whom it is the paper's, as for us (models/code/rope.py).
    """
    shape, rope = description.shape, description.rope
    theta, scaling, context = shape.rope_theta, None, description.seq_len
    if rope.scaling != "none":
        assert rope.factor is not None and rope.original_seq_len is not None, "completed by codetitan.config.resolve"
        context = max(context, round(rope.factor * rope.original_seq_len))
        if rope.scaling == "ntk":  # a larger base, and nothing else
            theta = ntk_theta(theta, rope.factor, shape.head_width)
        else:
            scaling = {"rope_type": rope.scaling, "factor": rope.factor}
        if rope.scaling in ("yarn", "llama3"):
            names = ("beta_fast", "beta_slow") if rope.scaling == "yarn" else ("low_freq_factor", "high_freq_factor")
            scaling = {
                **(scaling or {}),
                "original_max_position_embeddings": rope.original_seq_len,
                **{name: getattr(rope, name) for name in names},
            }
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": shape.vocab_size,
        "hidden_size": shape.dim,
        "intermediate_size": shape.ffn_dim,
        "num_hidden_layers": shape.n_layers,
        "num_attention_heads": shape.n_heads,
        "num_key_value_heads": shape.n_kv_heads,
        "head_dim": shape.head_width,
        "hidden_act": "silu",
        "rms_norm_eps": shape.norm_eps,
        "max_position_embeddings": context,
        "rope_theta": theta,
        "rope_scaling": scaling,
        "tie_word_embeddings": shape.tie_embeddings,
        "attention_bias": False,
        "mlp_bias": False,
        "attention_dropout": 0.0,
        "initializer_range": 0.02,
        "use_cache": True,
        "bos_token_id": sentinels.end,
        "eos_token_id": sentinels.end,
        "pad_token_id": sentinels.pad,
        "torch_dtype": dtype,
        "transformers_version": "4.57.1",  # whose form this is; without it 4.57 takes the tokenizer for Mistral's
    }


def generation_config(sentinels: Sentinels) -> dict[str, Any]:
    """Returns generation_config.json: a text ends where a document or a middle does."""
    return {
        "bos_token_id": sentinels.end,
        "eos_token_id": list(dict.fromkeys([sentinels.end, sentinels.fim_end])),
        "pad_token_id": sentinels.pad,
    }


def read_config(config: dict[str, Any], where: str) -> tuple[Flavor, RopeConfig, int]:
    """Returns the shape, the rotation and the longest context of a config.json.

    Args:
        config: its contents.
        where: for errors.

    Raises:
        ConfigError: it is of an architecture that our model is not.
    """

    def refuse(what: str, why: str) -> ConfigError:
        return ConfigError(f"{where}: {what}; codetitan's model {why}")

    def whole(name: str, default: Any = None) -> int:
        value = default if c.get(name) is None else c[name]
        if type(value) is not int or value < 1:
            raise ConfigError(f"{where}: {name} = {json.dumps(value)} must be a whole number of at least 1")
        return value

    def number(name: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
            raise ConfigError(f"{where}: {name} = {json.dumps(value)} must be a number above 0")
        return float(value)

    architectures = config.get("architectures") or config.get("model_type")
    if architectures not in (["LlamaForCausalLM"], "LlamaForCausalLM", "llama"):
        raise refuse(f"architectures = {architectures}", "is LlamaForCausalLM's, and no other can be imported")
    c = _DEFAULTS | {name: value for name, value in config.items() if value is not None}
    for name in ("attention_bias", "mlp_bias", "tie_word_embeddings"):
        if not isinstance(c[name], bool):
            raise ConfigError(f"{where}: {name} = {json.dumps(c[name])} must be true or false")
        if c[name] and name != "tie_word_embeddings":
            raise refuse(f"{name} = true", "has no biases")
    if c["hidden_act"] not in ("silu", "swish"):
        raise refuse(f'hidden_act = "{c["hidden_act"]}"', "has SwiGLU: silu")
    if config.get("quantization_config"):
        raise refuse("its weights are quantized", "is not; import the original")
    scaling = c.get("rope_scaling") or c.get("rope_parameters") or {}
    if not isinstance(scaling, dict):
        raise ConfigError(f"{where}: rope_scaling = {json.dumps(scaling)} must be an object")
    if {**c, **scaling}.get("partial_rotary_factor", 1) != 1:
        raise refuse("partial_rotary_factor is not 1", "rotates whole heads")
    dim, n_heads, context = whole("hidden_size"), whole("num_attention_heads"), whole("max_position_embeddings")
    if whole("head_dim", max(1, dim // n_heads)) * n_heads != dim:
        raise refuse(f"head_dim = {c.get('head_dim')}", f"needs hidden_size / num_attention_heads = {dim / n_heads:g}")
    shape = Flavor(
        dim=dim,
        n_layers=whole("num_hidden_layers"),
        n_heads=n_heads,
        n_kv_heads=whole("num_key_value_heads", n_heads),
        ffn_dim=whole("intermediate_size"),
        vocab_size=whole("vocab_size"),
        tie_embeddings=c["tie_word_embeddings"],
        rope_theta=number("rope_theta", scaling.get("rope_theta") or c.get("rope_theta") or 10_000.0),
        norm_eps=number("rms_norm_eps", c["rms_norm_eps"]),
    )
    return shape, _rope(scaling, context, refuse, number), context


def _rope(
    scaling: dict[str, Any],
    context: int,
    refuse: Callable[[str, str], ConfigError],
    number: Callable[[str, Any], float],
) -> RopeConfig:
    kind: Any = scaling.get("rope_type") or scaling.get("type") or "default"
    if kind == "default":
        return RopeConfig()
    if kind not in ("linear", "yarn", "llama3"):
        raise refuse(f'rope_type = "{kind}"', "knows default, linear, yarn and llama3")
    for name in ("attention_factor", "mscale", "mscale_all_dim"):
        if scaling.get(name) is not None:
            raise refuse(f"rope_scaling.{name} = {scaling[name]}", "has YaRN's own attention factor")
    if scaling.get("truncate") is False:
        raise refuse("rope_scaling.truncate = false", "truncates, as YaRN's reference code does")
    factor = number("rope_scaling.factor", scaling.get("factor"))
    # transformers takes the whole context where YaRN's is not given; to linear it makes no difference.
    original = scaling.get("original_max_position_embeddings")
    if original is None and kind != "llama3":
        original = context if kind == "yarn" else context / factor
    original = number("rope_scaling.original_max_position_embeddings", original)
    names = {"yarn": ("beta_fast", "beta_slow"), "llama3": ("low_freq_factor", "high_freq_factor")}.get(kind, ())
    given = {name: number(f"rope_scaling.{name}", scaling[name]) for name in names if scaling.get(name) is not None}
    return RopeConfig(scaling=kind, factor=factor, original_seq_len=round(original), **given)
