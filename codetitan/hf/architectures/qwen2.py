"""Qwen2ForCausalLM: Qwen2 and Qwen2.5, Qwen2.5-Coder. Biases on q, k and v, never behind the attention."""

from codetitan.hf.architectures.architecture import Architecture
from codetitan.models.code.shape import Block

QWEN2 = Architecture(
    name="Qwen2ForCausalLM",
    model_type="qwen2",
    block=Block(qkv_bias=True),
    window="by layer",
    defaults={
        "num_key_value_heads": 32,
        "hidden_act": "silu",
        "max_position_embeddings": 32768,
        "rms_norm_eps": 1e-6,
        "tie_word_embeddings": False,
        "use_sliding_window": False,
        "sliding_window": 4096,
        "max_window_layers": 28,
        "layer_types": None,
    },
)
