"""Several linear layers of one input as one matmul, with parameters of their own."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F


def matmuls(x: torch.Tensor, *weights: torch.Tensor, fused: bool) -> Sequence[torch.Tensor]:
    """Returns x (…, D) times each weight (F, D), transposed: (…, F); `fused` is one matmul over their concatenation.

    The same numbers but for rounding: other shapes, other kernels.
    """
    if not fused:
        return [F.linear(x, weight) for weight in weights]
    return torch.split(F.linear(x, torch.cat(weights)), [len(weight) for weight in weights], dim=-1)
