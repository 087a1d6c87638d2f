"""torchtitan's cos/sin rotation, with the scalings of imported models that it lacks: linear and Llama 3's."""

import math
from dataclasses import dataclass

import torch

from codetitan.titan import CosSinRoPE


def llama3_frequencies(
    inv_freq: torch.Tensor, *, factor: float, low: float, high: float, original_seq_len: int
) -> torch.Tensor:
    """Returns frequencies (H/2,): those that turn fewer than `low` times over the original length are divided by
    `factor`, those that turn more than `high` times stay, and between them it is a line.

    Source: Llama 3.1's reference code (`apply_scaling`); Hugging Face's rope_type "llama3" is the same.
    """
    turns = original_seq_len * inv_freq / (2 * math.pi)
    stays = ((turns - low) / (high - low)).clamp(0, 1)
    return inv_freq * (stays + (1 - stays) / factor)


class CodeRoPE(CosSinRoPE):
    """Rotates q and k; positions beyond the pre-training's as `scaling` says."""

    @dataclass(kw_only=True, slots=True)
    class Config(CosSinRoPE.Config):
        linear_factor: float = 1.0
        """What every frequency is divided by."""

    def _precompute_cache(self) -> torch.Tensor:
        """Returns (max_seq_len, 2 H): cosines, then sines."""
        config = self.config
        assert isinstance(config, CodeRoPE.Config)
        if config.scaling != "llama" and config.linear_factor == 1:
            cache: torch.Tensor = super()._precompute_cache()
            return cache
        inv_freq = 1.0 / config.theta ** (torch.arange(0, config.dim, 2).float() / config.dim)
        if config.scaling == "llama":
            inv_freq = llama3_frequencies(
                inv_freq,
                factor=config.scaling_factor,
                low=config.low_freq_factor,
                high=config.high_freq_factor,
                original_seq_len=config.original_max_position_embeddings,
            )
        angles = torch.outer(torch.arange(config.max_seq_len).float(), inv_freq / config.linear_factor)
        angles = torch.cat([angles, angles], dim=-1)
        return torch.cat([angles.cos(), angles.sin()], dim=-1)
