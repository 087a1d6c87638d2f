"""Attention: q, k and v by one matmul, rotated, and an inner attention chosen by name.

Shapes: B batch, L sequence, D model, N heads, H head width. Under tensor parallelism N and the K/V heads are a rank's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F

from codetitan import device
from codetitan.models.code.bias import Bias
from codetitan.models.code.matmuls import matmuls
from codetitan.titan import (
    BlockMask,
    FlexAttention,
    GQAttention,
    Linear,
    QKVLinear,
    ScaledDotProductAttention,
    VarlenAttention,
    create_mask,
    spmd_types,
)

CAUSAL = "sdpa"  # without document masks: a sample is one text, whatever is packed into it


# Every token attends at least to itself, so the kernel need not look for rows that are masked out whole.
_FLEX_OPTIONS = {"ROWS_GUARANTEED_SAFE": True}


def inner_attention_config(name: str, flex_options: Mapping[str, Any] | None = None, window: int | None = None) -> Any:
    """Returns the config of "flex", "flex_flash", "varlen" (document masks) or "sdpa" (causal, cuDNN on Hopper).

    On a CPU those with document masks are their dense equivalent. `flex_options` are of torch's FlexKernelOptions. A
    sliding `window` is of the mask, but for varlen's own; sdpa has none.
    """
    if name == CAUSAL:
        return ScaledDotProductAttention.Config()
    if device.device_type() == "cpu":
        return DenseMaskAttention.Config()
    if name == "flex_flash":  # blocks of FlashAttention 4; as torchtitan has them
        return FlexAttention.Config(block_size=(256, 128), kernel_options={"BACKEND": "FLASH"})
    if name == "varlen":
        return VarlenAttention.Config(window_size=(-1 if window is None else window - 1, 0))  # without the token itself
    return FlexAttention.Config(kernel_options={**_FLEX_OPTIONS, **(flex_options or {})})


def dense_mask(mask: BlockMask, batch: int, q_len: int, kv_len: int, device: torch.device) -> torch.Tensor:
    """Returns bool (B, 1, Lq, Lkv), True where a query may attend; kept on `mask`, for all layers share it."""
    shape = (batch, 1, q_len, kv_len)
    dense = getattr(mask, "_codetitan_dense", None)
    if dense is None or dense.shape != shape:
        dense = create_mask(mask.mask_mod, batch, None, q_len, kv_len, device=str(device))
        mask._codetitan_dense = dense  # type: ignore[attr-defined]
    return dense


class DenseMaskAttention(FlexAttention):
    """Takes FlexAttention's place on a CPU, where that has no backward: the same mask, dense, through SDPA.

    Context parallelism included: that remaps the query index in mask_mod.
    """

    @dataclass(kw_only=True, slots=True)
    class Config(FlexAttention.Config):
        pass

    def forward(
        self,
        q_BLNH: torch.Tensor,
        k_BLNH: torch.Tensor,
        v_BLNH: torch.Tensor,
        *,
        attention_masks: BlockMask,
        scale: float | None = None,
        enable_gqa: bool = False,
        **_: Any,
    ) -> torch.Tensor:
        """Returns (B, Lq, N, H)."""
        B, q_len = q_BLNH.shape[:2]
        out_BLNH = F.scaled_dot_product_attention(
            q_BLNH.transpose(1, 2),
            k_BLNH.transpose(1, 2),
            v_BLNH.transpose(1, 2),
            attn_mask=dense_mask(attention_masks, B, q_len, k_BLNH.shape[1], q_BLNH.device),
            scale=scale,
            enable_gqa=enable_gqa,
        )
        return out_BLNH.transpose(1, 2)


class CodeQKV(QKVLinear):
    """Three parameters wq, wk, wv, whatever the mesh, and one matmul over them, or three (`fused` = False).

    torchtitan's fused projection is one parameter, cut by K/V heads: it can't be split over more ranks than these. Here
    a rank holds its share of wq and, where tensor parallelism is wider than the K/V heads, all of wk and wv, of which
    it uses the one head that its queries attend to. The gradient of what it does not use is zero, and the sum over the
    ranks is the gradient (placement R); of biases too.

    One matmul reads x once, and its backward adds up no three gradients of x. Its price: without checkpointing the
    compiler keeps the concatenated weight of each block for the backward, 1.6 GB at 7b and 3.1 GB at 15b.
    """

    @dataclass(kw_only=True, slots=True)
    class Config(QKVLinear.Config):
        n_kv_heads: int
        fused: bool = True

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self._n_kv_heads, self._fused = config.n_kv_heads, config.fused
        self._kv_features: slice | None = None  # of wk's and wv's output, those that this rank uses; None: all it has

    def parallelize(self, parallel_dims: Any) -> None:
        """Finds this rank's K/V head."""
        super().parallelize(parallel_dims)
        tp = parallel_dims.tp
        if self._n_kv_heads % tp:
            head = parallel_dims.get_mesh("tp").get_local_rank() // (tp // self._n_kv_heads)
            self._kv_features = slice(head * self.head_dim, (head + 1) * self.head_dim)

    @spmd_types.local_map(  # type: ignore[untyped-decorator]
        out_types=({"dp": spmd_types.S(0), "cp": spmd_types.S(1), "tp": spmd_types.S(2)},) * 3
    )
    def forward(self, x_BLD: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Returns q (B, L, N, H) and k, v (B, L, K/V heads, H)."""
        rows = slice(None) if self._kv_features is None else self._kv_features
        qkv: Sequence[torch.Tensor]
        if type(self.wq) is Linear:
            weights = self.wq.weight, self.wk.weight[rows], self.wv.weight[rows]
            biases = () if self.wq.bias is None else (self.wq.bias, self.wk.bias[rows], self.wv.bias[rows])
            qkv = matmuls(x_BLD, weights, biases, fused=self._fused)
        else:  # FP8: the module casts its weight
            qkv = self.wq(x_BLD), self.wk(x_BLD)[..., rows], self.wv(x_BLD)[..., rows]
        q, k, v = (out_BLF.view(*out_BLF.shape[:2], -1, self.head_dim) for out_BLF in qkv)
        return q, k, v


class CodeAttention(GQAttention):
    """torchtitan's attention, with the softmax scale that YaRN needs, and a bias behind its last projection.

    torchtitan 0.3.0 interpolates the frequencies and leaves the scale out; Hugging Face has it in cos and sin.
    """

    @dataclass(kw_only=True, slots=True)
    class Config(GQAttention.Config):
        attention_factor: float = 1.0
        """What q and k are multiplied by, each, after the rotation."""

        wo_bias: Bias.Config | None = None

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.wo_bias = None if config.wo_bias is None else config.wo_bias.build()
        if config.attention_factor != 1.0:
            self.scaling = config.attention_factor**2 / self.head_dim**0.5  # None: the kernel's own, 1/√H

    def forward(self, x_BLD: torch.Tensor, attention_masks: Any, positions: torch.Tensor | None = None) -> torch.Tensor:
        """Returns (B, L, D)."""
        out_BLD: torch.Tensor = super().forward(x_BLD, attention_masks, positions)
        return out_BLD if self.wo_bias is None else self.wo_bias(out_BLD)
