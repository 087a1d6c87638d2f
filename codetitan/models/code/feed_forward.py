"""SwiGLU: torchtitan's, whose two projections of the input can be one matmul.

Shapes: B batch, L sequence, D model, F inner width. Under tensor parallelism F is a rank's.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from codetitan.models.code.matmuls import matmuls
from codetitan.titan import FeedForward, Linear, spmd_types


class CodeFeedForward(FeedForward):
    """w2(silu(w1 x) · w3 x), with w1 and w3 as one matmul where `fused`; three parameters either way."""

    @dataclass(kw_only=True, slots=True)
    class Config(FeedForward.Config):
        fused: bool = False

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self._fused = config.fused

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns (B, L, D) for x (B, L, D)."""
        if not self._fused or type(self.w1) is not Linear:  # an FP8 module casts its weight
            out: torch.Tensor = super().forward(x)
            return out
        gate_BLF, up_BLF = self._gate_and_up(x)
        out = self.w2(F.silu(gate_BLF) * up_BLF)
        return out

    @spmd_types.local_map(  # type: ignore[untyped-decorator]
        out_types=({"dp": spmd_types.S(0), "cp": spmd_types.S(1), "tp": spmd_types.S(2)},) * 2
    )
    def _gate_and_up(self, x_BLD: torch.Tensor) -> Sequence[torch.Tensor]:
        return tuple(matmuls(x_BLD, self.w1.weight, self.w3.weight, fused=True))
