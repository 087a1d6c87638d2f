"""A flavor as torchtitan's ModelSpec."""

from typing import Any

from codetitan.models.code.attention import CodeAttention, CodeQKV, inner_attention_config
from codetitan.models.code.bias import Bias
from codetitan.models.code.feed_forward import CodeFeedForward, GeluFeedForward
from codetitan.models.code.float8 import Float8Config
from codetitan.models.code.float8_linear import convert, precompute_scales_after_steps
from codetitan.models.code.kernels import Kernels
from codetitan.models.code.model import CodeModel
from codetitan.models.code.parallelize import parallelize_code
from codetitan.models.code.pipeline import pipeline_code
from codetitan.models.code.rope import RopeConfig, attention_factor, ntk_theta
from codetitan.models.code.rotation import CodeRoPE
from codetitan.models.code.shape import Flavor
from codetitan.titan import (
    Embedding,
    LayerNorm,
    Linear,
    Llama3TransformerBlock,
    ModelSpec,
    RMSNorm,
    skip_param_init,
)

# The names decide (initial_values.py); torchtitan wants an entry for every parameter.
_INIT = {"weight": skip_param_init, "bias": skip_param_init}
# Only an upper bound: torchtitan sizes the cache to training.seq_len.
_MAX_SEQ_LEN = 1 << 20


def rope_config(flavor: Flavor, rope: RopeConfig) -> CodeRoPE.Config:
    """Builds the rotation of a flavor's heads; `rope.factor` is a number where there is a scaling."""
    plain: dict[str, Any] = {"dim": flavor.head_width, "max_seq_len": _MAX_SEQ_LEN, "theta": flavor.rope_theta}
    if rope.scaling == "none":
        return CodeRoPE.Config(**plain)
    assert rope.factor is not None, "filled in by codetitan.config.resolve"
    if rope.scaling == "ntk":
        return CodeRoPE.Config(**plain | {"theta": ntk_theta(flavor.rope_theta, rope.factor, flavor.head_width)})
    if rope.scaling == "linear":
        return CodeRoPE.Config(**plain, linear_factor=rope.factor)
    if rope.scaling == "llama3":
        return CodeRoPE.Config(
            **plain,
            scaling="llama",
            scaling_factor=rope.factor,
            original_max_position_embeddings=rope.original_seq_len,
            low_freq_factor=rope.low_freq_factor,
            high_freq_factor=rope.high_freq_factor,
        )
    return CodeRoPE.Config(
        **plain,
        scaling="yarn",
        rope_factor=rope.factor,
        original_seq_len=rope.original_seq_len,
        beta_fast=rope.beta_fast,
        beta_slow=rope.beta_slow,
    )


def _linear(in_features: int, out_features: int, *, bias: bool = False) -> Linear.Config:
    return Linear.Config(in_features=in_features, out_features=out_features, bias=bias, param_init=_INIT)


def _bias(flavor: Flavor) -> Bias.Config:
    return Bias.Config(dim=flavor.dim, param_init=_INIT)


def _norm(flavor: Flavor) -> RMSNorm.Config | LayerNorm.Config:
    form = RMSNorm.Config if flavor.norm == "rmsnorm" else LayerNorm.Config
    return form(normalized_shape=flavor.dim, eps=flavor.norm_eps, param_init=_INIT)


def _attention(flavor: Flavor, kernels: Kernels, rope: RopeConfig) -> CodeAttention.Config:
    head = flavor.head_width
    width = flavor.n_heads * head
    return CodeAttention.Config(
        n_heads=flavor.n_heads,
        n_kv_heads=flavor.n_kv_heads,
        dim=flavor.dim,
        head_dim=flavor.head_dim,
        qkv_linear=CodeQKV.Config(
            head_dim=head,
            n_kv_heads=flavor.n_kv_heads,
            wq=_linear(flavor.dim, width, bias=flavor.qkv_bias),
            wkv=_linear(flavor.dim, flavor.n_kv_heads * head, bias=flavor.qkv_bias),
            fused=kernels.fused_qkv,
        ),
        qk_norm=RMSNorm.Config(normalized_shape=head, eps=flavor.norm_eps, param_init=_INIT)
        if flavor.qk_norm
        else None,
        wo=_linear(width, flavor.dim),
        wo_bias=_bias(flavor) if flavor.out_bias else None,
        inner_attention=inner_attention_config(kernels.attention, kernels.flex_options, flavor.sliding_window),
        rope=rope_config(flavor, rope),
        attention_factor=attention_factor(rope),
    )


def _mlp(flavor: Flavor, kernels: Kernels) -> CodeFeedForward.Config | GeluFeedForward.Config:
    def inner() -> Linear.Config:
        return _linear(flavor.dim, flavor.ffn_dim, bias=flavor.mlp_bias)

    w2, w2_bias = _linear(flavor.ffn_dim, flavor.dim), _bias(flavor) if flavor.mlp_bias else None
    if flavor.mlp == "gelu":
        return GeluFeedForward.Config(w1=inner(), w2=w2, w2_bias=w2_bias)
    return CodeFeedForward.Config(w1=inner(), w2=w2, w3=inner(), w2_bias=w2_bias, fused=kernels.fused_ffn)


def model_config(
    flavor: Flavor, *, seed: int, kernels: Kernels | None = None, rope: RopeConfig | None = None
) -> CodeModel.Config:
    """Builds the config tree of a flavor."""
    kernels = kernels or Kernels()
    layers = [
        Llama3TransformerBlock.Config(
            attention_norm=_norm(flavor),
            ffn_norm=_norm(flavor),
            attention=_attention(flavor, kernels, rope or RopeConfig()),
            feed_forward=_mlp(flavor, kernels),
        )
        for _ in range(flavor.n_layers)
    ]
    return CodeModel.Config(
        dim=flavor.dim,
        vocab_size=flavor.vocab_size,
        enable_weight_tying=flavor.tie_embeddings,
        tok_embeddings=Embedding.Config(num_embeddings=flavor.vocab_size, embedding_dim=flavor.dim, param_init=_INIT),
        norm=_norm(flavor),
        lm_head=_linear(flavor.dim, flavor.vocab_size),
        layers=layers,
        shape=flavor,
        seed=seed,
    )


def model_spec(
    name: str,
    flavor: Flavor,
    *,
    seed: int,
    kernels: Kernels,
    rope: RopeConfig,
    stages: list[list[str]],
    float8: Float8Config,
    train_layers: str | None = None,
) -> ModelSpec:
    """Returns the spec that torchtitan's trainer builds, shards and splits into pipeline `stages`."""
    model = convert(model_config(flavor, seed=seed, kernels=kernels, rope=rope), float8)
    model.stages, model.train_layers = stages, train_layers
    return ModelSpec(
        name="code",
        flavor=name,
        model=model,
        parallelize_fn=parallelize_code,
        pipelining_fn=pipeline_code,
        post_optimizer_build_fn=precompute_scales_after_steps if float8.recipe == "tensorwise" else None,
        state_dict_adapter=None,
    )
