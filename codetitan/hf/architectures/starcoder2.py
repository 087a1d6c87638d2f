"""Starcoder2ForCausalLM: StarCoder2. LayerNorm, an MLP of two projections, one switch for all biases."""

from codetitan.hf.architectures.architecture import Architecture
from codetitan.models.code.shape import Block

STARCODER2 = Architecture(
    name="Starcoder2ForCausalLM",
    model_type="starcoder2",
    block=Block(norm="layernorm", mlp="gelu"),
    switches={"use_bias": ("qkv_bias", "out_bias", "mlp_bias")},
    window="key",
    norm_eps="norm_epsilon",
    defaults={
        "num_key_value_heads": 2,
        "hidden_act": "gelu_pytorch_tanh",
        "max_position_embeddings": 4096,
        "norm_epsilon": 1e-5,
        "tie_word_embeddings": True,
        "use_bias": True,
        "sliding_window": None,
    },
    also_written={"residual_dropout": 0.0, "embedding_dropout": 0.0},
    modules={"feed_forward.w1": "mlp.c_fc", "feed_forward.w2": "mlp.c_proj", "feed_forward.w2_bias": "mlp.c_proj"},
)
