"""Qwen3ForCausalLM: the dense Qwen3. Heads of q and k are normed; their width is its own."""

from codetitan.hf.architectures.architecture import Architecture
from codetitan.models.code.shape import Block

QWEN3 = Architecture(
    name="Qwen3ForCausalLM",
    model_type="qwen3",
    block=Block(qk_norm=True),
    switches={"attention_bias": ("qkv_bias", "out_bias")},
    window="by layer",
    head_dim="any",
    defaults={
        "num_key_value_heads": 32,
        "head_dim": 128,
        "hidden_act": "silu",
        "max_position_embeddings": 32768,
        "rms_norm_eps": 1e-6,
        "tie_word_embeddings": False,
        "attention_bias": False,
        "use_sliding_window": False,
        "sliding_window": 4096,
        "max_window_layers": 28,
        "layer_types": None,
    },
)
