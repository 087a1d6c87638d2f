"""Rotations in config.json: rope_theta and rope_scaling of transformers 4, rope_parameters of 5. No torch here."""

import json
from typing import Any

from codetitan.hf.architectures.keys import Keys
from codetitan.models.code.rope import RopeConfig, ntk_theta
from codetitan.models.code.shape import Flavor

_RAMPS = {"yarn": ("beta_fast", "beta_slow"), "llama3": ("low_freq_factor", "high_freq_factor")}


def written(shape: Flavor, rope: RopeConfig, seq_len: int) -> dict[str, Any]:
    """Returns the keys of config.json, in transformers 4's form, which 5 reads as well; the longest context included.

    YaRN's attention factor is left to the reader, for whom it is the paper's, as for us (models/code/rope.py).
    """
    theta, scaling, context = shape.rope_theta, None, seq_len
    if rope.scaling != "none":
        assert rope.factor is not None and rope.original_seq_len is not None, "completed by codetitan.config.resolve"
        if (
            rope.scaling != "llama3"
        ):  # whose factor says nothing of the context: 3.2 has 32 · 8,192 and 131,072 positions
            context = max(context, round(rope.factor * rope.original_seq_len))
        if rope.scaling == "ntk":  # a larger base, and nothing else
            theta = ntk_theta(theta, rope.factor, shape.head_width)
        else:
            scaling = {"rope_type": rope.scaling, "factor": rope.factor}
        if rope.scaling in _RAMPS:
            scaling = {
                **(scaling or {}),
                "original_max_position_embeddings": rope.original_seq_len,
                **{name: getattr(rope, name) for name in _RAMPS[rope.scaling]},
            }
    return {"max_position_embeddings": context, "rope_theta": theta, "rope_scaling": scaling}


def read(keys: Keys, context: int) -> tuple[float, RopeConfig]:
    """Returns the base of the frequencies, and how they are scaled.

    Raises:
        ConfigError: it is a rotation that our model has not.
    """
    scaling = keys.get("rope_scaling") or keys.get("rope_parameters") or {}
    if not isinstance(scaling, dict):
        raise keys.contradicts(f"rope_scaling = {json.dumps(scaling)} must be an object")
    if scaling.get("partial_rotary_factor", keys.get("partial_rotary_factor")) not in (None, 1):
        raise keys.refuse("partial_rotary_factor is not 1", "rotates whole heads")
    theta = keys.number("rope_theta", scaling.get("rope_theta") or keys.get("rope_theta") or 10_000.0)
    kind: Any = scaling.get("rope_type") or scaling.get("type") or "default"
    if kind == "default":
        return theta, RopeConfig()
    if kind not in ("linear", "yarn", "llama3"):
        raise keys.refuse(f'rope_type = "{kind}"', "knows default, linear, yarn and llama3")
    for name in ("attention_factor", "mscale", "mscale_all_dim"):
        if scaling.get(name) is not None:
            raise keys.refuse(f"rope_scaling.{name} = {scaling[name]}", "has YaRN's own attention factor")
    if scaling.get("truncate") is False:
        raise keys.refuse("rope_scaling.truncate = false", "truncates, as YaRN's reference code does")
    factor = keys.number("rope_scaling.factor", scaling.get("factor"))
    # transformers takes the whole context where YaRN's is not given; to linear it makes no difference.
    original = scaling.get("original_max_position_embeddings")
    if original is None and kind != "llama3":
        original = context if kind == "yarn" else context / factor
    original = keys.number("rope_scaling.original_max_position_embeddings", original)
    given = {
        n: keys.number(f"rope_scaling.{n}", scaling[n]) for n in _RAMPS.get(kind, ()) if scaling.get(n) is not None
    }
    return theta, RopeConfig(scaling=kind, factor=factor, original_seq_len=round(original), **given)
