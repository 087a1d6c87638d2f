"""The MLPs: SwiGLU, torchtitan's, whose two projections of the input can be one matmul; and GELU's.

Shapes: B batch, L sequence, D model, F inner width. Under tensor parallelism F is a rank's.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from codetitan.models.code.bias import Bias
from codetitan.models.code.matmuls import matmuls
from codetitan.titan import FeedForward, Linear, Module, spmd_types


class CodeFeedForward(FeedForward):
    """w2(silu(w1 x) · w3 x), with w1 and w3 as one matmul where `fused`; three parameters either way."""

    @dataclass(kw_only=True, slots=True)
    class Config(FeedForward.Config):
        fused: bool = False
        w2_bias: Bias.Config | None = None

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self._fused = config.fused
        self.w2_bias = None if config.w2_bias is None else config.w2_bias.build()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns (B, L, D) for x (B, L, D)."""
        out: torch.Tensor
        if not self._fused or type(self.w1) is not Linear:  # an FP8 module casts its weight
            out = super().forward(x)
        else:
            gate_BLF, up_BLF = self._gate_and_up(x)
            out = self.w2(F.silu(gate_BLF) * up_BLF)
        return out if self.w2_bias is None else self.w2_bias(out)

    @spmd_types.local_map(  # type: ignore[untyped-decorator]
        out_types=({"dp": spmd_types.S(0), "cp": spmd_types.S(1), "tp": spmd_types.S(2)},) * 2
    )
    def _gate_and_up(self, x_BLD: torch.Tensor) -> Sequence[torch.Tensor]:
        biases = () if self.w1.bias is None else (self.w1.bias, self.w3.bias)
        return tuple(matmuls(x_BLD, (self.w1.weight, self.w3.weight), biases, fused=True))


class GeluFeedForward(Module):
    """w2(gelu(w1 x)), GELU approximated by tanh, as GPT-2 and StarCoder2 have it."""

    @dataclass(kw_only=True, slots=True)
    class Config(Module.Config):
        w1: Linear.Config
        w2: Linear.Config
        w2_bias: Bias.Config | None = None

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.w1, self.w2 = config.w1.build(), config.w2.build()
        self.w2_bias = None if config.w2_bias is None else config.w2_bias.build()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns (B, L, D) for x (B, L, D)."""
        out: torch.Tensor = self.w2(F.gelu(self.w1(x), approximate="tanh"))
        return out if self.w2_bias is None else self.w2_bias(out)
