"""The decoder: torchtitan's, with our initial values, shardings, attention masks and pipeline stages."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from codetitan.models.code.attention import DenseMaskAttention
from codetitan.models.code.initial_values import init_parameters
from codetitan.models.code.shape import Flavor
from codetitan.models.code.sharding import set_sharding
from codetitan.titan import (
    Decoder,
    and_masks,
    create_block_mask,
    get_dense_model_nparams_and_flops,
    get_sliding_window_mask_mod,
)


class CodeModel(Decoder):
    """A decoder-only transformer over (B, L) token ids; logits are (B, L, V). A pipeline stage holds a part of it."""

    @dataclass(kw_only=True, slots=True)
    class Config(Decoder.Config):
        shape: Flavor
        """What it was built of; `layers` may be fewer (a plan's)."""

        seed: int = 0
        """Selects the initial values (contract 6)."""

        train_layers: str | None = None
        """Which blocks are trained (freezing.py); None: all."""

        stages: list[list[str]] = field(default_factory=list)
        """Names of each pipeline stage's modules (stages.py); empty without pipeline parallelism."""

        def update_from_config(self, *, config: Any, **kwargs: Any) -> None:
            """Sets the shardings and the RoPE cache's length for a training configuration."""
            degrees = config.parallelism
            # torchtitan refuses more TP ranks than K/V heads, and tied embeddings under PP; CodeQKV and
            # TiedAcrossStages serve them. It reads these two degrees for nothing else.
            without = dataclasses.replace(degrees, tensor_parallel_degree=1, pipeline_parallel_degree=1)
            Decoder.Config.update_from_config(self, config=dataclasses.replace(config, parallelism=without), **kwargs)
            set_sharding(
                self,
                self.shape,
                tp=degrees.tensor_parallel_degree,
                sequence_parallel=degrees.enable_sequence_parallel,
            )

        def get_nparams_and_flops(self, model: nn.Module, seq_len: int) -> tuple[int, int]:
            """Returns the parameters, and the training FLOPs of a token (PaLM's formula)."""
            counted: tuple[int, int] = get_dense_model_nparams_and_flops(
                model,
                n_layers=len(self.layers),
                n_heads=self.shape.n_heads,
                head_dims=2 * self.shape.head_width,
                seq_len=seq_len,
                enable_weight_tying=self.enable_weight_tying,
            )
            return counted

    def init_states(self, *, buffer_device: torch.device | None = None) -> None:
        """Fills buffers and parameters; `param_init` of every module is a no-op (spec.py), names decide instead."""
        super().init_states(buffer_device=buffer_device)
        config = self.config
        assert isinstance(config, CodeModel.Config)
        init_parameters(self, config.shape, seed=config.seed)

    def _create_flex_attention_mask(self, positions: torch.Tensor, attn_config: Any, mask_mods: Sequence[Any]) -> Any:
        B, L = positions.shape
        window = self.config.shape.sliding_window
        if window is not None and window < L:  # a longer one cuts nothing off, and costs at each score
            mask_mods = [*mask_mods, get_sliding_window_mask_mod(window)]
        if not isinstance(attn_config.inner_attention, DenseMaskAttention.Config):
            return super()._create_flex_attention_mask(positions, attn_config, mask_mods)
        # torchtitan compiles create_block_mask, which costs a CPU run tens of seconds and saves it nothing.
        return create_block_mask(and_masks(*mask_mods), B, None, L, L, device=str(positions.device))
