"""LlamaForCausalLM: Llama, DeepSeek-Coder v1, CodeLlama, SmolLM, TinyLlama."""

from codetitan.hf.architectures.architecture import Architecture

LLAMA = Architecture(
    name="LlamaForCausalLM",
    model_type="llama",
    switches={"attention_bias": ("qkv_bias", "out_bias"), "mlp_bias": ("mlp_bias",)},
    head_dim="apart",
    defaults={
        "num_key_value_heads": None,
        "head_dim": None,
        "hidden_act": "silu",
        "max_position_embeddings": 2048,
        "rms_norm_eps": 1e-6,
        "tie_word_embeddings": False,
        "attention_bias": False,
        "mlp_bias": False,
    },
)
