"""The sizes of the code family, as numbers: no torch here, so that the command line can read them at once.

A flavor's name states its parameter count within 5 % (tests/models/test_flavors.py). Widths are multiples of 128 and
heads 128 wide from 350m on, which Hopper's attention kernels prefer.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Flavor:
    """Shape of a model: `dim` D, `n_heads` N query heads, `n_kv_heads` K/V heads, `ffn_dim` SwiGLU's inner width."""

    dim: int
    n_layers: int
    n_heads: int
    n_kv_heads: int
    ffn_dim: int
    vocab_size: int
    tie_embeddings: bool
    rope_theta: float = 100_000.0
    norm_eps: float = 1e-5

    @property
    def head_dim(self) -> int:
        """Width of a head, H = D / N."""
        return self.dim // self.n_heads

    @property
    def n_params(self) -> int:
        """Parameters, a tied embedding counted once."""
        embeddings = self.vocab_size * self.dim * (1 if self.tie_embeddings else 2)
        attention = 2 * self.dim * (self.n_heads + self.n_kv_heads) * self.head_dim
        layer = attention + 3 * self.dim * self.ffn_dim + 2 * self.dim
        return embeddings + self.n_layers * layer + self.dim

    def flops_per_token(self, seq_len: int) -> int:
        """Training FLOPs a token, forward and backward, with full (not causal) attention, as torchtitan counts them.

        Source: PaLM, arXiv 2204.02311, appendix B. The embedding look-up is free; the head's matmul is not.
        """
        matmul_params = self.n_params - (0 if self.tie_embeddings else self.vocab_size * self.dim)
        return 6 * matmul_params + 12 * self.n_layers * self.dim * seq_len


# 49,280 = 385 × 128: the 49K of StarCoder2's class, and not 49,152, which llama.cpp takes for another model's.
_32K, _49K = 32_768, 49_280

FLAVORS: dict[str, Flavor] = {
    #                D      layers heads kv  ffn     vocabulary tied
    "debug": Flavor(128, 4, 4, 2, 384, _32K, False),
    "20m": Flavor(256, 14, 4, 4, 768, _32K, True),
    "70m": Flavor(512, 16, 8, 8, 1536, _32K, True),
    "200m": Flavor(768, 24, 12, 12, 2048, _32K, True),
    "350m": Flavor(1024, 24, 8, 8, 2816, _32K, True),
    "700m": Flavor(1536, 24, 12, 12, 3840, _32K, True),
    "1_3b": Flavor(2048, 24, 16, 16, 5632, _32K, True),
    "3b": Flavor(3072, 28, 24, 8, 7680, _49K, False),
    "7b": Flavor(4096, 32, 32, 8, 13312, _49K, False),
    "15b": Flavor(6144, 40, 48, 1, 15360, _49K, False),
}


def table(seq_len: int) -> str:
    """Returns the flavors as a Markdown table; FLOPs are a token's, at `seq_len`."""
    rows = [
        "| flavor | parameters | GFLOP a token | layers | width | heads | K/V heads | head width | SwiGLU "
        "| vocabulary | tied |",
        "| --- | --: | --: | --: | --: | --: | --: | --: | --: | --: | --- |",
    ]
    for name, f in FLAVORS.items():
        rows.append(
            f"| {name} | {f.n_params / 1e6:,.1f}M | {f.flops_per_token(seq_len) / 1e9:.2f} | {f.n_layers} | {f.dim} | "
            f"{f.n_heads} | {f.n_kv_heads} | {f.head_dim} | {f.ffn_dim} | {f.vocab_size:,} | "
            f"{'yes' if f.tie_embeddings else 'no'} |"
        )
    return "\n".join(rows)
