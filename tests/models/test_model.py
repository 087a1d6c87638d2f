"""Initial values, the CPU's attention, and what a model does with packed documents."""

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention

from codetitan.models.code.attention import DenseMaskAttention, inner_attention_config
from codetitan.models.code.flavors import FLAVORS
from codetitan.models.code.initial_values import initial_std, tensor_of
from codetitan.models.code.kernels import Kernels
from codetitan.models.code.model import CodeModel
from codetitan.models.code.shape import EMBEDDING, HEAD, Flavor, tensors
from codetitan.models.code.spec import model_config

SHAPE = Flavor(64, 3, 4, 2, 128, 512, True)

BLOCKS: dict[str, dict[str, Any]] = {
    "Llama": {},
    "Llama with biases": {"qkv_bias": True, "out_bias": True, "mlp_bias": True},
    "Qwen2": {"qkv_bias": True},
    "Qwen3": {"qk_norm": True, "head_dim": 32},
    "StarCoder2": {"norm": "layernorm", "mlp": "gelu", "qkv_bias": True, "out_bias": True, "mlp_bias": True,
                   "sliding_window": 8},
    "Mistral": {"sliding_window": 8},
}  # fmt: skip


def build(flavor: Flavor = SHAPE, seed: int = 0) -> CodeModel:
    config = model_config(flavor, seed=seed)
    for layer in config.layers:
        layer.attention.rope.max_seq_len = 64
    model = config.build()
    with torch.no_grad():
        model.init_states()
    return model


def test_initial_values_are_a_function_of_seed_and_name() -> None:
    one, again, other = build(), build(), build(seed=1)
    deeper = build(Flavor(64, 5, 4, 2, 128, 512, True))
    state = one.state_dict()
    for name, value in state.items():
        assert torch.equal(value, again.state_dict()[name])
        if value.ndim > 1:
            assert not torch.equal(value, other.state_dict()[name])
        else:
            assert (value == 1).all()
    name = "layers.0.feed_forward.w1.weight"
    assert torch.equal(state[name], deeper.state_dict()[name])  # does not depend on what else there is
    assert not torch.equal(state[name], state["layers.1.feed_forward.w1.weight"])


def test_initial_values_have_the_stated_spread() -> None:
    shape = Flavor(256, 3, 4, 2, 512, 2048, False)
    for name, value in build(shape).named_parameters():
        if value.ndim > 1:
            std = initial_std(tensor_of(shape, name), 3)
            # A normal distribution cut at three standard deviations has 0.9866 of its spread left.
            assert value.std().item() == pytest.approx(0.9866 * std, rel=0.03), name
            assert value.abs().max() <= 3 * std
    residual = {name for name in tensors(shape) if initial_std(tensor_of(shape, name), 3) != 0.02}
    assert residual == {f"layers.{n}.{name}.weight" for n in range(3) for name in ("attention.wo", "feed_forward.w2")}
    assert initial_std(tensor_of(shape, "layers.2.attention.wo.weight"), 3) == pytest.approx(0.02 / math.sqrt(6))


@pytest.mark.parametrize("blocks", BLOCKS.values(), ids=BLOCKS)
def test_the_table_of_tensors_is_the_model(blocks: dict[str, Any]) -> None:
    """Names, sizes and initial values; each tensor once, also where embeddings are tied."""
    shape = Flavor(64, 2, 4, 2, 96, 512, True, **blocks)
    state = dict(build(shape).named_parameters())
    state[EMBEDDING] = state.pop(HEAD, state.get(EMBEDDING))  # the tied one goes by either name
    expected = tensors(shape)
    assert {name: tuple(value.shape) for name, value in state.items()} == {n: t.size for n, t in expected.items()}
    for name, tensor in expected.items():
        assert tensor.initial not in ("one", "zero") or (state[name] == float(tensor.initial == "one")).all()
        assert name.endswith(".bias") == (tensor.initial == "zero")
    assert sum(value.numel() for value in state.values()) == shape.n_params


def test_multi_query_k_and_v_differ() -> None:
    """torchtitan gives them one config; names keep them apart."""
    state = build(Flavor(64, 1, 4, 1, 128, 512, True)).state_dict()
    k, v = (state[f"layers.0.attention.qkv_linear.w{x}.weight"] for x in "kv")
    assert k.shape == (16, 64) and not torch.equal(k, v)


def document_mask(positions: torch.Tensor) -> BlockMask:
    documents = torch.cumsum((positions == 0).int(), 1)

    def mask(b: torch.Tensor, h: torch.Tensor, q: torch.Tensor, kv: torch.Tensor) -> torch.Tensor:
        return (q >= kv) & (documents[b, q] == documents[b, kv])

    return create_block_mask(mask, positions.shape[0], None, *(2 * [positions.shape[1]]), device="cpu")


@pytest.mark.parametrize(("n_heads", "n_kv_heads"), [(4, 4), (4, 2), (4, 1)])
@pytest.mark.parametrize("scale", [None, 0.3])
def test_cpu_attention_equals_flex(n_heads: int, n_kv_heads: int, scale: float | None) -> None:
    B, L, H = 2, 256, 16
    generator = torch.Generator().manual_seed(0)
    q = torch.randn(B, L, n_heads, H, generator=generator)
    k, v = (torch.randn(B, L, n_kv_heads, H, generator=generator) for _ in range(2))
    positions = torch.cat([torch.arange(n).repeat(B, 1) for n in (100, 1, 37, 118)], dim=1)
    mask = document_mask(positions)
    enable_gqa = n_heads > n_kv_heads
    out = DenseMaskAttention(DenseMaskAttention.Config())(
        q, k, v, attention_masks=mask, scale=scale, enable_gqa=enable_gqa
    )
    expected = flex_attention(
        *(x.transpose(1, 2) for x in (q, k, v)), block_mask=mask, scale=scale, enable_gqa=enable_gqa
    )
    torch.testing.assert_close(out.transpose(1, 2), expected, rtol=1e-5, atol=1e-6)


def test_nothing_attends_across_documents() -> None:
    """A document's logits are the same alone and packed behind another."""
    model = build()
    a, b = torch.randint(0, 512, (1, 20)), torch.randint(0, 512, (1, 12))
    packed = torch.cat([a, b], 1)
    positions = torch.cat([torch.arange(20), torch.arange(12)])[None]
    together = model(packed, positions=positions, attention_masks=model.get_attention_masks(positions))
    alone_positions = torch.arange(12)[None]
    alone = model(b, positions=alone_positions, attention_masks=model.get_attention_masks(alone_positions))
    torch.testing.assert_close(together[:, 20:], alone, rtol=1e-5, atol=1e-6)


def test_tied_embeddings_are_one_parameter() -> None:
    tied, untied = build(), build(Flavor(64, 3, 4, 2, 128, 512, False))
    assert tied.tok_embeddings.weight is tied.lm_head.weight
    assert sum(p.numel() for p in tied.parameters()) == SHAPE.n_params
    assert sum(p.numel() for p in untied.parameters()) == SHAPE.n_params + 512 * 64


def test_every_flavor_builds() -> None:
    for flavor in FLAVORS.values():
        assert len(model_config(flavor, seed=0).layers) == flavor.n_layers


def test_qkv_is_three_projections() -> None:
    """One matmul over three parameters gives what three matmuls give, heads in order; gradients too."""
    qkv = build(Flavor(64, 1, 4, 2, 128, 512, True)).layers["0"].attention.qkv_linear
    x = torch.randn(2, 8, 64, requires_grad=True)
    q, k, v = qkv(x)
    assert q.shape == (2, 8, 4, 16) and k.shape == v.shape == (2, 8, 2, 16)
    expected = [(x @ linear.weight.T).unflatten(-1, (-1, 16)) for linear in (qkv.wq, qkv.wk, qkv.wv)]
    for out, other in zip((q, k, v), expected, strict=True):
        torch.testing.assert_close(out, other)
    parameters = list(qkv.parameters())
    ours = torch.autograd.grad(sum((out**2).sum() for out in (q, k, v)), parameters)
    theirs = torch.autograd.grad(sum((out**2).sum() for out in expected), parameters)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b)


def test_every_kernel_is_the_cpus() -> None:
    """flex, varlen and causal SDPA, in their own terms, give what the dense mask gives on a CPU.

    flex runs unfused here; varlen's kernel needs a GPU, so its metadata is checked: attention inside each of its
    ranges alone.
    """
    from torchtitan.models.common.attention import create_varlen_metadata_for_document

    B, L, N, H = 2, 256, 4, 16
    q, k, v = torch.randn(3, B, L, N, H, generator=torch.Generator().manual_seed(0)).unbind()
    positions = torch.stack(
        [torch.cat([torch.arange(n) for n in lengths]) for lengths in ((100, 1, 37, 118), (200, 56))]
    )
    ours = DenseMaskAttention(DenseMaskAttention.Config())(q, k, v, attention_masks=document_mask(positions))
    flex = flex_attention(*(x.transpose(1, 2) for x in (q, k, v)), block_mask=document_mask(positions))
    torch.testing.assert_close(ours.transpose(1, 2), flex, rtol=1e-5, atol=1e-6)

    ranges = create_varlen_metadata_for_document(positions)
    q_T, k_T, v_T = (x.reshape(B * L, N, H) for x in (q, k, v))
    for start, end in zip(ranges.cu_seq_q[:-1].tolist(), ranges.cu_seq_q[1:].tolist(), strict=True):
        part = [x[start:end].transpose(0, 1) for x in (q_T, k_T, v_T)]
        alone = torch.nn.functional.scaled_dot_product_attention(*part, is_causal=True).transpose(0, 1)
        torch.testing.assert_close(ours.reshape(B * L, N, H)[start:end], alone, rtol=1e-5, atol=1e-6)

    one_text = document_mask(torch.arange(L).repeat(B, 1))
    dense = DenseMaskAttention(DenseMaskAttention.Config())(q, k, v, attention_masks=one_text)
    causal = inner_attention_config("sdpa").build()(q, k, v)
    torch.testing.assert_close(causal, dense, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("blocks", BLOCKS.values(), ids=BLOCKS)
@pytest.mark.parametrize("fused", [True, False])
def test_a_block_is_its_formula(blocks: dict[str, Any], fused: bool) -> None:
    """Each kind of block, one matmul or several, beside a plain version of it; gradients of every parameter, too."""
    shape = Flavor(64, 1, 4, 2, 96, 512, True, **blocks)
    config = model_config(shape, seed=0, kernels=Kernels(fused_qkv=fused, fused_ffn=fused and shape.mlp == "swiglu"))
    config.layers[0].attention.rope.max_seq_len = 64
    model = config.build()
    with torch.no_grad():
        model.init_states()
        for parameter in model.parameters():  # no bias 0, no norm 1
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(parameter.ndim)))
    p = dict(model.layers["0"].named_parameters())
    x = torch.randn(2, 24, 64, generator=torch.Generator().manual_seed(0))
    positions = torch.cat([torch.arange(15), torch.arange(9)]).repeat(2, 1)
    out = model.layers["0"](x, model.get_attention_masks(positions), positions)
    expected = plain_block(shape, p, x, positions)
    torch.testing.assert_close(out, expected, rtol=1e-4, atol=1e-4)
    for name, ours, theirs in zip(
        p, torch.autograd.grad(out.square().sum(), p.values()),
        torch.autograd.grad(expected.square().sum(), p.values()), strict=True,
    ):  # fmt: skip
        torch.testing.assert_close(ours / theirs.norm(), theirs / theirs.norm(), rtol=1e-4, atol=1e-5, msg=name)


def plain_block(shape: Flavor, p: dict[str, Any], x: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """A pre-norm block in plain PyTorch, every token's attention by itself."""

    def linear(name: str, x: torch.Tensor) -> torch.Tensor:
        bias = p.get(f"{name}.bias", p.get(f"{name}_bias.bias", torch.zeros(())))
        return x @ p[f"{name}.weight"].T + bias

    def norm(name: str, x: torch.Tensor) -> torch.Tensor:
        if shape.norm == "layernorm":
            return F.layer_norm(x, x.shape[-1:], p[f"{name}.weight"], p[f"{name}.bias"], shape.norm_eps)
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + shape.norm_eps) * p[f"{name}.weight"]

    def rms(name: str, x: torch.Tensor) -> torch.Tensor:
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + shape.norm_eps) * p[f"{name}.weight"]

    B, L, H = *x.shape[:2], shape.head_width
    h = norm("attention_norm", x)
    q, k, v = (linear(f"attention.qkv_linear.{w}", h).view(B, L, -1, H) for w in ("wq", "wk", "wv"))
    if shape.qk_norm:
        q, k = rms("attention.q_norm", q), rms("attention.k_norm", k)
    angles = positions[..., None] / shape.rope_theta ** (torch.arange(0, H, 2) / H)
    cos, sin = (f(torch.cat([angles, angles], -1))[:, :, None] for f in (torch.cos, torch.sin))
    q, k = (t * cos + torch.cat([-t[..., H // 2 :], t[..., : H // 2]], -1) * sin for t in (q, k))
    heads = torch.zeros(B, L, shape.n_heads, H)
    for n in range(shape.n_heads):
        kv = n // (shape.n_heads // shape.n_kv_heads)
        for i in range(L):
            start = max(i - int(positions[0, i]), 0 if shape.sliding_window is None else i - shape.sliding_window + 1)
            seen = slice(start, i + 1)
            scores = (k[:, seen, kv] @ q[:, i, n, :, None]).squeeze(-1) / H**0.5
            heads[:, i, n] = (scores.softmax(-1)[..., None] * v[:, seen, kv]).sum(1)
    x = x + linear("attention.wo", heads.flatten(2))
    h = norm("ffn_norm", x)
    inner = linear("feed_forward.w1", h)
    gelu = F.gelu(inner, approximate="tanh")
    return x + linear("feed_forward.w2", gelu if shape.mlp == "gelu" else F.silu(inner) * linear("feed_forward.w3", h))
