"""FlexAttention for a CPU, where it has no backward: the same mask, dense, through `scaled_dot_product_attention`."""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F

from codetitan.titan import BlockMask, FlexAttention, create_mask


def dense_mask(mask: BlockMask, batch: int, q_len: int, kv_len: int, device: torch.device) -> torch.Tensor:
    """Returns bool (B, 1, Lq, Lkv), True where a query may attend; kept on `mask`, for all layers share it."""
    shape = (batch, 1, q_len, kv_len)
    dense = getattr(mask, "_codetitan_dense", None)
    if dense is None or dense.shape != shape:
        dense = create_mask(mask.mask_mod, batch, None, q_len, kv_len, device=str(device))
        mask._codetitan_dense = dense  # type: ignore[attr-defined]
    return dense


class DenseMaskAttention(FlexAttention):
    """Takes FlexAttention's place on a CPU, context parallelism included: that remaps the query index in mask_mod."""

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
        out_BNLH = F.scaled_dot_product_attention(
            q_BLNH.transpose(1, 2),
            k_BLNH.transpose(1, 2),
            v_BLNH.transpose(1, 2),
            attn_mask=dense_mask(attention_masks, B, q_len, k_BLNH.shape[1], q_BLNH.device),
            scale=scale,
            enable_gqa=enable_gqa,
        )
        return out_BNLH.transpose(1, 2)
