"""Rotary frequencies for contexts longer than the pre-training's. No torch here."""

import math
from dataclasses import dataclass
from typing import Literal


@dataclass(kw_only=True, slots=True)
class RopeConfig:
    """Rotary position embedding. To go on at 16K from a model trained at 4K: scaling, and original_seq_len = 4096."""

    scaling: Literal["none", "ntk", "yarn", "linear", "llama3"] = "none"
    """How frequencies change for a longer context: not, NTK-aware (a larger base), or YaRN; linear and llama3 are those
    of imported models."""

    factor: float | None = None
    """How many times longer the context is than original_seq_len; None: as training.seq_len asks."""

    original_seq_len: int | None = None
    """Sequence length of the pre-training; needed where there is a scaling."""

    theta: float | None = None
    """Base of the frequencies; None: the flavor's."""

    beta_fast: float = 32.0
    """YaRN: frequencies that turn more often than this over original_seq_len stay as they are."""

    beta_slow: float = 1.0
    """YaRN: frequencies that turn less often than this are interpolated by the whole factor."""

    low_freq_factor: float = 1.0
    """llama3: what beta_slow is to YaRN."""

    high_freq_factor: float = 4.0
    """llama3: what beta_fast is to YaRN."""


def ntk_theta(theta: float, factor: float, head_dim: int) -> float:
    """Returns the base at which the lowest of `head_dim` / 2 frequencies turns `factor` times slower.

    Source: bloc97, "NTK-aware scaled RoPE" (2023); YaRN, arXiv 2309.00071, eq. 16.
    """
    return float(theta * factor ** (head_dim / (head_dim - 2)))


def attention_factor(rope: RopeConfig) -> float:
    """Returns what q and k are multiplied by, each: 0.1·ln(factor) + 1 under YaRN, else 1.

    Source: YaRN, arXiv 2309.00071, eq. 22; Hugging Face multiplies cos and sin by it, which is the same.
    """
    if rope.scaling != "yarn" or rope.factor is None or rope.factor <= 1:
        return 1.0
    return 0.1 * math.log(rope.factor) + 1.0
