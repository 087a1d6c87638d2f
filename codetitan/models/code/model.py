"""The decoder: torchtitan's Llama-3 model with our initial values, attention and pipeline stages."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from codetitan.models.code.attention import DenseMaskAttention
from codetitan.models.code.initial_values import init_parameters
from codetitan.titan import Llama3Model, and_masks, create_block_mask


class CodeModel(Llama3Model):
    """A decoder-only transformer over (B, L) token ids; logits are (B, L, V). A pipeline stage holds a part of it."""

    @dataclass(kw_only=True, slots=True)
    class Config(Llama3Model.Config):
        seed: int = 0
        """Selects the initial values (contract 6)."""

        stages: list[list[str]] = field(default_factory=list)
        """Names of each pipeline stage's modules (stages.py); empty without pipeline parallelism."""

        def update_from_config(self, *, config: Any, **kwargs: Any) -> None:
            """Sets the shardings and the RoPE cache's length for a training configuration."""
            degrees = config.parallelism
            # torchtitan refuses more TP ranks than K/V heads, and tied embeddings under PP; CodeQKV and
            # TiedAcrossStages serve them. It reads these two degrees for nothing else.
            without = dataclasses.replace(degrees, tensor_parallel_degree=1, pipeline_parallel_degree=1)
            Llama3Model.Config.update_from_config(
                self, config=dataclasses.replace(config, parallelism=without), **kwargs
            )
            for layer in self.layers:
                layer.attention.qkv_linear.shard(degrees.tensor_parallel_degree)

    def init_states(self, *, buffer_device: torch.device | None = None) -> None:
        """Fills buffers and parameters; `param_init` of every module is a no-op (spec.py), names decide instead."""
        super().init_states(buffer_device=buffer_device)
        config = self.config
        assert isinstance(config, CodeModel.Config)
        init_parameters(self, n_layers=len(config.layers), seed=config.seed, tied=config.enable_weight_tying)

    def _create_flex_attention_mask(self, positions: torch.Tensor, attn_config: Any, mask_mods: Sequence[Any]) -> Any:
        if not isinstance(attn_config.inner_attention, DenseMaskAttention.Config):
            return super()._create_flex_attention_mask(positions, attn_config, mask_mods)
        # torchtitan compiles create_block_mask, which costs a CPU run tens of seconds and saves it nothing.
        B, L = positions.shape
        return create_block_mask(and_masks(*mask_mods), B, None, L, L, device=str(positions.device))
