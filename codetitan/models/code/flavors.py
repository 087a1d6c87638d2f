"""The sizes of the code family, beside published ones. No torch here, so that the command line can read them at once.

A name of ours states its parameter count within 5 % (tests/models/test_flavors.py). Widths are multiples of 128 and
heads 128 wide from 350m on, which Hopper's attention kernels prefer.
"""

from codetitan.models.code.published import PUBLISHED
from codetitan.models.code.shape import Flavor

# 49,280 = 385 × 128: the 49K of StarCoder2's class, and not 49,152, which llama.cpp takes for another model's.
_32K, _49K = 32_768, 49_280

OWN: dict[str, Flavor] = {
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


FLAVORS = OWN | PUBLISHED


def _blocks(f: Flavor) -> str:
    """Returns what is not as Llama has it."""
    biases = [name for name, there in (("q, k, v", f.qkv_bias), ("out", f.out_bias), ("MLP", f.mlp_bias)) if there]
    said = [
        "LayerNorm" if f.norm == "layernorm" else "",
        "GELU" if f.mlp == "gelu" else "",
        f"biases: {', '.join(biases)}" if biases else "",
        "qk-norm" if f.qk_norm else "",
        f"window {f.sliding_window:,}" if f.sliding_window is not None else "",
    ]
    return "; ".join(part for part in said if part)


def _rows(flavors: dict[str, Flavor], seq_len: int) -> str:
    rows = [
        "| flavor | parameters | GFLOP a token | layers | width | heads | K/V heads | head width | MLP | vocabulary "
        "| tied | blocks |",
        "| --- | --: | --: | --: | --: | --: | --: | --: | --: | --: | --- | --- |",
    ]
    for name, f in flavors.items():
        rows.append(
            f"| {name} | {f.n_params / 1e6:,.1f}M | {f.flops_per_token(seq_len) / 1e9:.2f} | {f.n_layers} | {f.dim} | "
            f"{f.n_heads} | {f.n_kv_heads} | {f.head_width} | {f.ffn_dim} | {f.vocab_size:,} | "
            f"{'yes' if f.tie_embeddings else 'no'} | {_blocks(f) or 'Llama'} |"
        )
    return "\n".join(rows)


def table(seq_len: int) -> str:
    """Returns our flavors and the published ones as two Markdown tables; FLOPs are a token's, at `seq_len`."""
    published = _rows(PUBLISHED, seq_len)
    return f"## Our own\n\n{_rows(OWN, seq_len)}\n\n## Published models\n\n{published}"
