"""MistralForCausalLM: Mistral and Codestral. Llama's blocks without biases, a sliding window or none."""

from codetitan.hf.architectures.architecture import Architecture

MISTRAL = Architecture(
    name="MistralForCausalLM",
    model_type="mistral",
    window="key",
    head_dim="any",
    defaults={
        "num_key_value_heads": 8,
        "head_dim": None,
        "hidden_act": "silu",
        "max_position_embeddings": 131072,
        "rms_norm_eps": 1e-6,
        "tie_word_embeddings": False,
        "sliding_window": 4096,
    },
)
