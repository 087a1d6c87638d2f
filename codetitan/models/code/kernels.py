"""How a model is computed, which changes its speed and its rounding and nothing else. No torch here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Kernels:
    """Choices of [model] that are no part of its shape.

    Attributes:
        attention: "flex", "flex_flash", "varlen" or "sdpa".
        flex_options: of torch's FlexKernelOptions, for "flex".
        fused_qkv: whether q, k and v are one matmul.
        fused_ffn: whether w1 and w3 of SwiGLU are one matmul.
    """

    attention: str = "flex"
    flex_options: Mapping[str, Any] = field(default_factory=dict)
    fused_qkv: bool = True
    fused_ffn: bool = False
