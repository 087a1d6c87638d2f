"""The shape of a model: its sizes, what its blocks are made of, and so each tensor of it. No torch here.

`tensors` is the one place that decides the name of each weight, its size, how tensor parallelism splits it, and its
initial value; the model is built, sharded, filled, counted, imported and exported by it.
"""

from dataclasses import dataclass
from typing import Literal

EMBEDDING, HEAD = "tok_embeddings.weight", "lm_head.weight"


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """What a block is made of, apart from its sizes; as it stands, Llama's. The keys of [model] have these names.

    A mixture of experts would be one more `mlp`, with sizes of its own in `Flavor` and tensors of its own below.
    """

    norm: Literal["rmsnorm", "layernorm"] = "rmsnorm"
    """LayerNorm has a bias."""

    mlp: Literal["swiglu", "gelu"] = "swiglu"
    """w2(silu(w1 x) · w3 x), or w2(gelu(w1 x)) with GELU's approximation by tanh."""

    qkv_bias: bool = False
    """Whether the projections to q, k and v have biases."""

    out_bias: bool = False
    """Whether the attention's projection to the residual stream has one."""

    mlp_bias: bool = False
    """Whether all projections of the MLP have biases."""

    qk_norm: bool = False
    """Whether each head of q and k goes through an RMSNorm before it is rotated."""

    sliding_window: int | None = None
    """How many tokens a token attends to, itself among them; None: all before it."""


@dataclass(frozen=True, slots=True)
class Flavor(Block):
    """Shape of a model: `dim` D, `n_heads` N query heads, `n_kv_heads` K/V heads, `ffn_dim` the MLP's inner width."""

    dim: int
    n_layers: int
    n_heads: int
    n_kv_heads: int
    ffn_dim: int
    vocab_size: int
    tie_embeddings: bool
    rope_theta: float = 100_000.0
    norm_eps: float = 1e-5

    head_dim: int | None = None
    """Width of a head where it is not D / N."""

    export_as: str | None = None
    """The class of its exports in transformers; None: the first one that has such blocks."""

    @property
    def head_width(self) -> int:
        """Width of a head, H."""
        return self.dim // self.n_heads if self.head_dim is None else self.head_dim

    @property
    def n_params(self) -> int:
        """Parameters, a tied embedding counted once."""
        layer = sum(tensor.n_values for tensor in block_tensors(self).values())
        return self.n_layers * layer + sum(tensor.n_values for tensor in outer_tensors(self).values())

    def flops_per_token(self, seq_len: int) -> int:
        """Training FLOPs a token, forward and backward, with full (not causal) attention, as torchtitan counts them.

        A sliding window is not taken off. Source: PaLM, arXiv 2204.02311, appendix B. The embedding look-up is free;
        the head's matmul is not.
        """
        matmul_params = self.n_params - (0 if self.tie_embeddings else self.vocab_size * self.dim)
        return 6 * matmul_params + 12 * self.n_layers * self.n_heads * self.head_width * seq_len


Split = Literal["outputs", "inputs", "kv", "vocabulary", "whole", "stream"]
Initial = Literal["normal", "residual", "one", "zero"]


@dataclass(frozen=True, slots=True)
class Tensor:
    """A parameter.

    Attributes:
        size: of a weight (outputs, inputs).
        split: over tensor-parallel ranks: by its outputs (dimension 0), by its inputs (1), by the vocabulary (0); kv:
            as outputs, or whole where there are more ranks than K/V heads; whole: each rank has all of it, and of its
            gradient a part; stream: whole, and used where the residual stream is, which sequence parallelism splits.
        initial: normal: of standard deviation 0.02; residual: of 0.02 / √(2 · layers), for what writes to the residual
            stream; one; zero.
    """

    size: tuple[int, ...]
    split: Split
    initial: Initial

    @property
    def n_values(self) -> int:
        """Number of its values."""
        return self.size[0] if len(self.size) == 1 else self.size[0] * self.size[1]


def _norm(shape: Flavor, name: str) -> dict[str, Tensor]:
    size = (shape.dim,)
    bias = {f"{name}.bias": Tensor(size, "stream", "zero")} if shape.norm == "layernorm" else {}
    return {f"{name}.weight": Tensor(size, "stream", "one"), **bias}


def block_tensors(shape: Flavor) -> dict[str, Tensor]:
    """Returns name → tensor of one block, in the model's order; names are those after `layers.N.`."""
    q, kv, mlp = shape.n_heads * shape.head_width, shape.n_kv_heads * shape.head_width, shape.ffn_dim
    found: dict[str, Tensor] = {}
    projections: tuple[tuple[str, int, Split], ...] = (("wq", q, "outputs"), ("wk", kv, "kv"), ("wv", kv, "kv"))
    for name, width, split in projections:
        found[f"attention.qkv_linear.{name}.weight"] = Tensor((width, shape.dim), split, "normal")
        if shape.qkv_bias:
            found[f"attention.qkv_linear.{name}.bias"] = Tensor((width,), split, "zero")
    found["attention.wo.weight"] = Tensor((shape.dim, q), "inputs", "residual")
    # The biases of what writes to the residual stream are added behind the sum over the ranks (bias.py).
    if shape.out_bias:
        found["attention.wo_bias.bias"] = Tensor((shape.dim,), "stream", "zero")
    if shape.qk_norm:
        for name in ("q_norm", "k_norm"):
            found[f"attention.{name}.weight"] = Tensor((shape.head_width,), "whole", "one")
    for name in ("w1", "w3") if shape.mlp == "swiglu" else ("w1",):
        found[f"feed_forward.{name}.weight"] = Tensor((mlp, shape.dim), "outputs", "normal")
        if shape.mlp_bias:
            found[f"feed_forward.{name}.bias"] = Tensor((mlp,), "outputs", "zero")
    found["feed_forward.w2.weight"] = Tensor((shape.dim, mlp), "inputs", "residual")
    if shape.mlp_bias:
        found["feed_forward.w2_bias.bias"] = Tensor((shape.dim,), "stream", "zero")
    return found | _norm(shape, "attention_norm") | _norm(shape, "ffn_norm")


def outer_tensors(shape: Flavor) -> dict[str, Tensor]:
    """Returns name → tensor of what is no block's; of tied embeddings there is one."""
    embedding = Tensor((shape.vocab_size, shape.dim), "vocabulary", "normal")
    head = {} if shape.tie_embeddings else {HEAD: embedding}
    return {EMBEDDING: embedding, **_norm(shape, "norm"), **head}


def tensors(shape: Flavor) -> dict[str, Tensor]:
    """Returns name → tensor of a whole model, in its order."""
    block, outer = block_tensors(shape), outer_tensors(shape)
    first = {EMBEDDING: outer.pop(EMBEDDING)}
    layers = {f"layers.{layer}.{name}": tensor for layer in range(shape.n_layers) for name, tensor in block.items()}
    return first | layers | outer
