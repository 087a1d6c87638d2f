"""What there is to say of a class of transformers. No torch here."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from codetitan.models.code.shape import Block, Flavor

HIDDEN_ACTS = {"swiglu": ("silu", "swish"), "gelu": ("gelu_pytorch_tanh", "gelu_new")}
"""Kind of MLP → names of its nonlinearity in config.json, the first of which is written."""

# `Block` is what can be said of blocks; these of its fields have a form of their own in config.json.
_APART = {"sliding_window"}


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """A class of transformers: which blocks it has, and how its config.json and its tensors say so.

    Attributes:
        name: of the class.
        model_type: its `model_type` in config.json.
        block: what all its blocks are made of; `switches` and `window` say what else they may be.
        switches: key of config.json, true or false → the fields of `Block` that it decides, all alike.
        window: whether config.json has a sliding window: none; key: `sliding_window`; by layer: Qwen's four keys.
        head_dim: which widths of heads it has: of dim: D / N; apart: any, but D / N must be whole; any.
        norm_eps: key of what the norms add.
        defaults: keys that a config.json may leave out, with their values in transformers.
        also_written: keys that an export's config.json has besides.
        modules: our module of a block → its, where it is not that of `tensors.ORDINARY`.
    """

    name: str
    model_type: str
    block: Block = field(default_factory=Block)
    switches: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    window: Literal["none", "key", "by layer"] = "none"
    head_dim: Literal["of dim", "apart", "any"] = "of dim"
    norm_eps: str = "rms_norm_eps"
    defaults: Mapping[str, Any] = field(default_factory=dict)
    also_written: Mapping[str, Any] = field(default_factory=dict)
    modules: Mapping[str, str] = field(default_factory=dict)

    def needs(self, shape: Flavor) -> dict[str, Any]:
        """Returns field → value of what `shape` would have to be instead; {}: the class can express it."""
        switched = {name for names in self.switches.values() for name in names}
        always = [f.name for f in dataclasses.fields(Block) if f.name not in switched | _APART]
        needed = {n: getattr(self.block, n) for n in always if getattr(shape, n) != getattr(self.block, n)}
        for names in self.switches.values():
            if len({getattr(shape, name) for name in names}) > 1:
                needed |= {name: True for name in names if not getattr(shape, name)}
        if self.window == "none" and shape.sliding_window is not None:
            needed["sliding_window"] = None
        if self.head_dim != "any" and shape.dim % shape.n_heads:
            needed["dim"] = max(1, shape.dim // shape.n_heads) * shape.n_heads
        elif self.head_dim == "of dim" and shape.head_width * shape.n_heads != shape.dim:
            needed["head_dim"] = shape.dim // shape.n_heads
        return needed
