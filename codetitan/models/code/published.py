"""Shapes of models that people go on training, by their own names: to plan a run before the weights are there.

`codetitan import` takes the numbers of the folder that it reads. Each number is in two places: the papers named below,
and the models' config.json as others quote them (litgpt's config.py, NeMo's starcoder2.py, torchtitan's models/qwen3).
Parameters are those that the models' pages count (tests/models/test_flavors.py).
"""

from codetitan.models.code.shape import Flavor


def _qwen2(
    dim: int, n_layers: int, n_heads: int, n_kv_heads: int, ffn_dim: int, vocab_size: int, tied: bool, *,
    norm_eps: float = 1e-6,
) -> Flavor:  # fmt: skip
    sizes = (dim, n_layers, n_heads, n_kv_heads, ffn_dim, vocab_size, tied)
    return Flavor(*sizes, rope_theta=1e6, norm_eps=norm_eps, qkv_bias=True)


def _qwen3(dim: int, n_layers: int, n_heads: int, ffn_dim: int, tied: bool) -> Flavor:
    head_dim = None if dim == 128 * n_heads else 128
    sizes = (dim, n_layers, n_heads, 8, ffn_dim, 151_936, tied)
    return Flavor(*sizes, rope_theta=1e6, norm_eps=1e-6, qk_norm=True, head_dim=head_dim)


def _starcoder2(
    dim: int, n_layers: int, n_heads: int, n_kv_heads: int, *, tied: bool = True, rope_theta: float = 1e6
) -> Flavor:
    return Flavor(
        dim, n_layers, n_heads, n_kv_heads, 4 * dim, 49_152, tied, rope_theta=rope_theta, norm="layernorm", mlp="gelu",
        qkv_bias=True, out_bias=True, mlp_bias=True, sliding_window=4096,
    )  # fmt: skip


PUBLISHED: dict[str, Flavor] = {
    # arXiv 2409.12186, table 1, and litgpt; vocabularies as the embeddings have them, the tokenizer has 151,665 ids. Of
    # the two largest the base models have an eps of 1e-5, as Qwen2.5-14B and -32B; their -Instruct has 1e-6.
    "qwen2.5-coder-0.5b": _qwen2(896, 24, 14, 2, 4864, 151_936, True),
    "qwen2.5-coder-1.5b": _qwen2(1536, 28, 12, 2, 8960, 151_936, True),
    "qwen2.5-coder-3b": _qwen2(2048, 36, 16, 2, 11008, 151_936, True),
    "qwen2.5-coder-7b": _qwen2(3584, 28, 28, 4, 18944, 152_064, False),
    "qwen2.5-coder-14b": _qwen2(5120, 48, 40, 8, 13824, 152_064, False, norm_eps=1e-5),
    "qwen2.5-coder-32b": _qwen2(5120, 64, 40, 8, 27648, 152_064, False, norm_eps=1e-5),
    # arXiv 2505.09388, table 1; widths, eps and theta of torchtitan's models/qwen3, and of litgpt.
    "qwen3-0.6b": _qwen3(1024, 28, 16, 3072, True),
    "qwen3-1.7b": _qwen3(2048, 28, 16, 6144, True),
    "qwen3-4b": _qwen3(2560, 36, 32, 9728, True),
    "qwen3-8b": _qwen3(4096, 36, 32, 12288, False),
    "qwen3-14b": _qwen3(5120, 40, 40, 17408, False),
    "qwen3-32b": _qwen3(5120, 64, 64, 25600, False),
    # arXiv 2402.19173, §6.2; eps and theta of NeMo, which trained the largest, and so its head of its own (the others'
    # are tied: github.com/bigcode-project/starcoder2/issues/18).
    "starcoder2-3b": _starcoder2(3072, 30, 24, 2, rope_theta=999999.4420358813),
    "starcoder2-7b": _starcoder2(4608, 32, 36, 4),
    "starcoder2-15b": _starcoder2(6144, 40, 48, 4, tied=False, rope_theta=1e5),
    # arXiv 2401.14196, §3.3 (base 100,000, linear by 4: model.rope), and config.json as logs of verl print it.
    "deepseek-coder-1.3b": Flavor(2048, 24, 16, 16, 5504, 32_256, False, norm_eps=1e-6),
    "deepseek-coder-6.7b": Flavor(4096, 32, 32, 32, 11008, 32_256, False, norm_eps=1e-6),
    # arXiv 2308.12950, §2, and litgpt.
    "codellama-7b": Flavor(4096, 32, 32, 32, 11008, 32_016, False, rope_theta=1e6),
    # arXiv 2310.06825, table 1, and litgpt.
    "mistral-7b-v0.1": Flavor(4096, 32, 32, 8, 14336, 32_000, False, rope_theta=1e4, sliding_window=4096),
    # arXiv 2502.02737, and litgpt.
    "smollm2-135m": Flavor(576, 30, 9, 3, 1536, 49_152, True),
}
