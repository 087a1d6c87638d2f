"""A flavor as torchtitan's ModelSpec."""

from typing import Any

from codetitan import device
from codetitan.models.code.attention import DenseMaskAttention
from codetitan.models.code.flavors import Flavor
from codetitan.models.code.float8 import Float8Config
from codetitan.models.code.float8_linear import convert, precompute_scales_after_steps
from codetitan.models.code.model import CodeModel
from codetitan.models.code.parallelize import parallelize_code
from codetitan.titan import (
    CosSinRoPE,
    Embedding,
    Linear,
    Llama3TransformerBlock,
    ModelSpec,
    RMSNorm,
    get_attention_config,
    make_ffn_config,
    make_gqa_config,
    pipeline_llm,
    skip_param_init,
)

# The names decide (init.py); torchtitan wants an entry for every parameter.
_INIT = {"weight": skip_param_init}
# Only an upper bound: torchtitan sizes the cache to training.seq_len.
_MAX_SEQ_LEN = 1 << 20


def attention_config(name: str) -> Any:
    """Returns the inner attention by name: "flex", "flex_flash" or "varlen"; on a CPU their dense equivalent."""
    return DenseMaskAttention.Config() if device.device_type() == "cpu" else get_attention_config(name)


def model_config(flavor: Flavor, *, seed: int, attention: str) -> CodeModel.Config:
    """Builds the config tree of a flavor."""

    fuse_qkv = flavor.n_kv_heads > 1  # one matmul for q, k and v; a single K/V head could not be replicated over TP

    def layer() -> Llama3TransformerBlock.Config:
        gqa = make_gqa_config(
            dim=flavor.dim,
            n_heads=flavor.n_heads,
            n_kv_heads=flavor.n_kv_heads,
            wqkv_param_init=_INIT,
            wo_param_init=_INIT,
            inner_attention=attention_config(attention),
            fuse_qkv=fuse_qkv,
            rope=CosSinRoPE.Config(dim=flavor.head_dim, max_seq_len=_MAX_SEQ_LEN, theta=flavor.rope_theta),
        )
        if fuse_qkv:
            gqa.qkv_linear.wqkv.param_init = _INIT  # torchtitan's draws q, k and v apart, to be overwritten here
        return Llama3TransformerBlock.Config(
            attention_norm=RMSNorm.Config(normalized_shape=flavor.dim, param_init=_INIT),
            ffn_norm=RMSNorm.Config(normalized_shape=flavor.dim, param_init=_INIT),
            attention=gqa,
            feed_forward=make_ffn_config(
                dim=flavor.dim, hidden_dim=flavor.ffn_dim, w1_param_init=_INIT, w2w3_param_init=_INIT
            ),
        )

    return CodeModel.Config(
        dim=flavor.dim,
        vocab_size=flavor.vocab_size,
        enable_weight_tying=flavor.tie_embeddings,
        tok_embeddings=Embedding.Config(num_embeddings=flavor.vocab_size, embedding_dim=flavor.dim, param_init=_INIT),
        norm=RMSNorm.Config(normalized_shape=flavor.dim, param_init=_INIT),
        lm_head=Linear.Config(in_features=flavor.dim, out_features=flavor.vocab_size, param_init=_INIT),
        layers=[layer() for _ in range(flavor.n_layers)],
        seed=seed,
    )


def model_spec(name: str, flavor: Flavor, *, seed: int, attention: str, float8: Float8Config) -> ModelSpec:
    """Returns the spec that torchtitan's trainer builds, shards and splits into pipeline stages."""
    return ModelSpec(
        name="code",
        flavor=name,
        model=convert(model_config(flavor, seed=seed, attention=attention), float8),
        parallelize_fn=parallelize_code,
        pipelining_fn=pipeline_llm,
        post_optimizer_build_fn=precompute_scales_after_steps if float8.recipe == "tensorwise" else None,
        state_dict_adapter=None,
    )
