"""Where tensor parallelism splits a model: parameters by the table of shape.py, activations by torchtitan's layouts."""

from typing import Any

from codetitan.models.code.shape import Flavor, Split, Tensor, block_tensors, outer_tensors
from codetitan.titan import (
    ShardingConfig,
    dense_activation_placement,
    dense_param_placement,
    dense_sequence_parallel_placement,
    set_decoder_sharding_config,
    set_gqa_attention_sharding,
    set_gqa_inner_attention_local_map,
    spmd_types,
)


def placement(split: Split, *, kv_is_split: bool, sequence_parallel: bool) -> Any:
    """Returns where a parameter is over the tensor-parallel ranks.

    R is whole, with a gradient that is a part on each rank, and summed. I is the same on all ranks, gradient too: what
    works on the residual stream where sequence parallelism does not split that.
    """
    if split == "stream":
        return spmd_types.R if sequence_parallel else spmd_types.I
    if split == "whole" or (split == "kv" and not kv_is_split):
        return spmd_types.R
    return spmd_types.S(1 if split == "inputs" else 0)


def set_sharding(config: Any, shape: Flavor, *, tp: int, sequence_parallel: bool) -> None:
    """Sets `sharding_config` of every module of a CodeModel.Config, for `tp` ranks."""
    kv_is_split = shape.n_kv_heads % tp == 0
    gathered, heads = dense_activation_placement(tp=spmd_types.R), dense_activation_placement(tp=spmd_types.S(2))
    stream = dense_sequence_parallel_placement() if sequence_parallel else dense_activation_placement(tp=spmd_types.I)

    def states(table: dict[str, Tensor], module: str) -> dict[str, Any]:
        return {
            name.rpartition(".")[2]: dense_param_placement(
                tp=placement(tensor.split, kv_is_split=kv_is_split, sequence_parallel=sequence_parallel)
            )
            for name, tensor in table.items()
            if name.rpartition(".")[0] == module
        }

    set_decoder_sharding_config(config, enable_sp=sequence_parallel)
    outer, block = outer_tensors(shape), block_tensors(shape)
    config.norm.sharding_config.state_shardings = states(outer, "norm")
    by_outputs = {"out_src_shardings": heads}
    by_kv_heads = by_outputs if kv_is_split else {"out_src_shardings": gathered}
    by_inputs = {"out_src_shardings": dense_activation_placement(tp=spmd_types.P), "out_dst_shardings": stream}
    on_stream = {"in_src_shardings": {"input": stream}, "out_src_shardings": stream}
    on_heads = {"in_src_shardings": {"input": heads}, "out_src_shardings": heads}
    for layer in config.layers:
        attention, mlp = layer.attention, layer.feed_forward
        set_gqa_attention_sharding(attention, enable_sp=sequence_parallel)
        set_gqa_inner_attention_local_map(attention.inner_attention)
        mlp.sharding_config = ShardingConfig(in_src_shardings={"x": stream}, in_dst_shardings={"x": gathered})
        # One config stands for wk and wv, and one for q_norm and k_norm.
        for name, part, activations in (
            ("attention.qkv_linear.wq", attention.qkv_linear.wq, by_outputs),
            ("attention.qkv_linear.wk", attention.qkv_linear.wkv, by_kv_heads),
            ("attention.wo", attention.wo, by_inputs),
            ("attention.wo_bias", attention.wo_bias, on_stream),
            ("attention.q_norm", attention.qk_norm, on_heads),
            ("feed_forward.w1", mlp.w1, by_outputs),
            ("feed_forward.w3", getattr(mlp, "w3", None), by_outputs),
            ("feed_forward.w2", mlp.w2, by_inputs),
            ("feed_forward.w2_bias", mlp.w2_bias, on_stream),
            ("attention_norm", layer.attention_norm, on_stream),
            ("ffn_norm", layer.ffn_norm, on_stream),
        ):  # fmt: skip
            if part is not None:
                part.sharding_config = ShardingConfig(state_shardings=states(block, name), **activations)
