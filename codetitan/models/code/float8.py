"""What of a model is trained in FP8: the section [float8], and the rule of which layers gain. No torch here.

FP8 is for the linear layers of the blocks; `lm_head`, embeddings, norms and attention stay in bfloat16.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(kw_only=True, slots=True)
class Float8Config:
    """Matmuls of the blocks' linear layers in FP8, forward and backward; weights stay in `training.dtype`."""

    recipe: Literal["none", "tensorwise", "rowwise", "rowwise_with_gw_hp", "mxfp8"] = "none"
    """Scales: one a tensor (fastest), one a row, one a row with bfloat16 weight gradients, or 32 values (Blackwell)."""

    emulate: bool = False
    """Rounds to FP8 and multiplies in the compute type, where there is no FP8 hardware; eager only, and slow."""

    fsdp_all_gather: bool = True
    """Whether FSDP gathers FP8 weights, scaled once after each optimizer step; tensorwise only, else ignored."""

    skip_small_layers: bool = True
    """Whether layers that FP8 makes slower stay in bfloat16 (docs/float8.md has the rule)."""


def block_size(recipe: str) -> int:
    """Returns what both widths of a layer, and the tokens of a matmul, must be a multiple of.

    Source: torch._scaled_mm wants inner dimensions in multiples of 16; a scale of mxfp8 is for 32 values (OCP
    Microscaling Formats 1.0, §5.1).
    """
    return 32 if recipe == "mxfp8" else 16


def gains(in_features: int, out_features: int, recipe: str) -> bool:
    """Returns whether a layer of this whole (not sharded) shape is faster in FP8 than in bfloat16.

    Source: torchao 0.18, `_auto_filter_for_recipe`, from its tables of single matmuls on an H100. There is none for
    rowwise_with_gw_hp and mxfp8, which scale at least as finely as rowwise does: rowwise's thresholds stand for them.
    """
    if in_features % block_size(recipe) or out_features % block_size(recipe):
        return False
    if recipe == "tensorwise":
        return out_features > 1024 or in_features > 4096
    return out_features > 2048 and in_features > 1024 and (out_features > 4096 or in_features > 2048)


def in_float8(name: str, in_features: int, out_features: int, float8: Float8Config) -> bool:
    """Returns whether the linear layer of this name in the model is trained in FP8."""
    if float8.recipe == "none" or not name.startswith("layers."):
        return False
    if float8.skip_small_layers:
        return gains(in_features, out_features, float8.recipe)
    return in_features % block_size(float8.recipe) == out_features % block_size(float8.recipe) == 0
