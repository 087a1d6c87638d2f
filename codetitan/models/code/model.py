"""The decoder: torchtitan's Llama-3 model with our initial values, and masks that a CPU can use."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from codetitan.models.code.attention import DenseMaskAttention
from codetitan.models.code.init import init_parameters
from codetitan.titan import Llama3Model, and_masks, create_block_mask


class CodeModel(Llama3Model):
    """A decoder-only transformer over (B, L) token ids; logits are (B, L, V)."""

    @dataclass(kw_only=True, slots=True)
    class Config(Llama3Model.Config):
        seed: int = 0
        """Selects the initial values (contract 6)."""

    def init_states(self, *, buffer_device: torch.device | None = None) -> None:
        """Fills buffers and parameters; `param_init` of every module is a no-op (spec.py), names decide instead."""
        super().init_states(buffer_device=buffer_device)
        assert isinstance(self.config, CodeModel.Config)
        init_parameters(self, n_layers=len(self.config.layers), seed=self.config.seed)

    def _create_flex_attention_mask(self, positions: torch.Tensor, attn_config: Any, mask_mods: Sequence[Any]) -> Any:
        if not isinstance(attn_config.inner_attention, DenseMaskAttention.Config):
            return super()._create_flex_attention_mask(positions, attn_config, mask_mods)
        # torchtitan compiles create_block_mask, which costs a CPU run tens of seconds and saves it nothing.
        B, L = positions.shape
        return create_block_mask(and_masks(*mask_mods), B, None, L, L, device=str(positions.device))
