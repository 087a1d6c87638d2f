"""The names of a model's tensors: ours beside those of a class of transformers. No torch here.

Our rotation is the cos/sin form (`rotate_half`), which is transformers': no tensor has to be permuted.
"""

import dataclasses
from typing import Any

from codetitan.hf.architectures.architecture import Architecture
from codetitan.models.code.shape import Flavor, tensors

ORDINARY = {
    "attention.qkv_linear.wq": "self_attn.q_proj",
    "attention.qkv_linear.wk": "self_attn.k_proj",
    "attention.qkv_linear.wv": "self_attn.v_proj",
    "attention.q_norm": "self_attn.q_norm",
    "attention.k_norm": "self_attn.k_norm",
    "attention.wo": "self_attn.o_proj",
    "attention.wo_bias": "self_attn.o_proj",
    "feed_forward.w1": "mlp.gate_proj",
    "feed_forward.w3": "mlp.up_proj",
    "feed_forward.w2": "mlp.down_proj",
    "feed_forward.w2_bias": "mlp.down_proj",
    "attention_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}
"""Our module of a block → theirs; a tensor is a module's weight or its bias."""

_OUTER = {"tok_embeddings": "model.embed_tokens", "norm": "model.norm", "lm_head": "lm_head"}


def names(shape: Flavor, architecture: Architecture) -> dict[str, str]:
    """Returns our name → theirs of every tensor, in the order of the model; of tied embeddings there is one."""
    modules = {**ORDINARY, **architecture.modules}
    pairs = {}
    for ours in tensors(shape):
        module, _, kind = ours.rpartition(".")
        if module.startswith("layers."):
            _, layer, module = module.split(".", 2)
            pairs[ours] = f"model.layers.{layer}.{modules[module]}.{kind}"
        else:
            pairs[ours] = f"{_OUTER[module]}.{kind}"
    return pairs


def deciding_key(shape: Flavor, architecture: Architecture, theirs: str) -> str | None:
    """Returns the key of config.json that decides whether there is the tensor `theirs`; None: it does not depend."""
    there = theirs in names(shape, architecture).values()
    for key, fields in {"tie_word_embeddings": ("tie_embeddings",), **architecture.switches}.items():
        changes: dict[str, Any] = {field: not getattr(shape, field) for field in fields}
        turned = dataclasses.replace(shape, **changes)
        if (theirs in names(turned, architecture).values()) != there:
            return key
    return None
