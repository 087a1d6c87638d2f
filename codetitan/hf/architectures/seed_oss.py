"""SeedOssForCausalLM: Seed-OSS. Llama's blocks, with a switch each for the biases of q, k and v and of the output."""

from codetitan.hf.architectures.architecture import Architecture

SEED_OSS = Architecture(
    name="SeedOssForCausalLM",
    model_type="seed_oss",
    switches={"attention_bias": ("qkv_bias",), "attention_out_bias": ("out_bias",), "mlp_bias": ("mlp_bias",)},
    head_dim="any",
    defaults={
        "num_key_value_heads": 8,
        "head_dim": 128,
        "hidden_act": "silu",
        "max_position_embeddings": 524288,
        "rms_norm_eps": 1e-6,
        "tie_word_embeddings": False,
        "attention_bias": True,
        "attention_out_bias": False,
        "mlp_bias": False,
    },
    also_written={"residual_dropout": 0.0},
)
