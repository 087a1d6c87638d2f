"""The bias of a projection that writes to the residual stream, added behind the sum over tensor-parallel ranks.

Such a projection is split by its inputs: a bias inside of it would be added once a rank. torchtitan divides it by their
number (ScaledBiasRowwiseLinear), which rounds in bfloat16 and has no form in FP8; here it is added once, to what the
rank holds of the stream, as a norm's weight is used.
"""

from dataclasses import dataclass

import torch
from torch import nn

from codetitan.titan import Module


class Bias(Module):
    """Adds a vector: x (…, D) → (…, D)."""

    @dataclass(kw_only=True, slots=True)
    class Config(Module.Config):
        dim: int

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.empty(config.dim))

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Returns the sum, in the type of `input`."""
        return input + self.bias
