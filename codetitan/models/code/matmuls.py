"""Several linear layers of one input as one matmul, with parameters of their own."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F


def matmuls(
    x: torch.Tensor, weights: Sequence[torch.Tensor], biases: Sequence[torch.Tensor] = (), *, fused: bool
) -> Sequence[torch.Tensor]:
    """Returns x (…, D) times each weight (F, D), transposed, plus its bias (F,): (…, F).

    `fused` is one matmul over their concatenation. The same numbers but for rounding: other shapes, other kernels.
    """
    if not fused:
        return [F.linear(x, *both) for both in zip(weights, *([biases] if biases else []), strict=True)]
    bias = torch.cat(list(biases)) if biases else None
    return torch.split(F.linear(x, torch.cat(list(weights)), bias), [len(weight) for weight in weights], dim=-1)
