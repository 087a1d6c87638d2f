"""Rotary frequencies of longer contexts, against the formulas of the papers written out in plain Python."""

import math

import pytest
import torch

from codetitan.models.code.rope import RopeConfig, attention_factor, ntk_theta
from codetitan.models.code.shape import Flavor
from codetitan.models.code.spec import model_config, rope_config

H, THETA = 16, 100_000.0
SHAPE = Flavor(64, 1, 4, 2, 128, 512, True)


def frequencies(rope: RopeConfig) -> list[float]:
    """The angle that position 1 turns each pair by."""
    config = rope_config(SHAPE, rope)
    config.max_seq_len = 2
    cache = config.build().cache[1]  # cos of both halves, then sin
    return torch.atan2(cache[2 * H // 2 :], cache[: 2 * H // 2])[: H // 2].tolist()


def plain(theta: float = THETA) -> list[float]:
    return [theta ** (-2 * i / H) for i in range(H // 2)]


def test_none() -> None:
    assert frequencies(RopeConfig()) == pytest.approx(plain(), rel=1e-5)


def test_ntk_keeps_the_highest_frequency_and_slows_the_lowest_by_the_factor() -> None:
    scaled = frequencies(RopeConfig(scaling="ntk", factor=4.0, original_seq_len=4096))
    assert scaled == pytest.approx(plain(ntk_theta(THETA, 4.0, H)), rel=1e-5)
    assert scaled[0] == pytest.approx(1) and scaled[-1] == pytest.approx(plain()[-1] / 4, rel=1e-5)


def test_yarn_is_the_papers_ramp() -> None:
    factor, original, fast, slow = 4.0, 4096, 32.0, 1.0
    expected = []
    turns_at = lambda turns: H * math.log(original / (turns * 2 * math.pi)) / (2 * math.log(THETA))  # noqa: E731
    low, high = math.floor(turns_at(fast)), math.ceil(turns_at(slow))
    for i, frequency in enumerate(plain()):
        ramp = min(1.0, max(0.0, (i - low) / (high - low)))
        expected.append(frequency / factor * ramp + frequency * (1 - ramp))
    scaled = frequencies(RopeConfig(scaling="yarn", factor=factor, original_seq_len=original))
    assert scaled == pytest.approx(expected, rel=1e-5)
    assert scaled[0] == pytest.approx(1) and scaled[-1] == pytest.approx(plain()[-1] / 4, rel=1e-5)


def test_yarn_scales_the_logits_as_hugging_face_scales_cos_and_sin() -> None:
    rope = RopeConfig(scaling="yarn", factor=4.0, original_seq_len=16)
    assert attention_factor(rope) == pytest.approx(0.1 * math.log(4) + 1)
    config = model_config(SHAPE, seed=0, rope=rope)
    attention = config.layers[0].attention
    attention.rope.max_seq_len = 64
    module = attention.build()
    q, k = torch.randn(2, 1, 64, 4, H).unbind()
    rotated_q, rotated_k = module.rope(q, k)
    factor = attention_factor(rope)
    logits = module.scaling * torch.einsum("blnh,bmnh->bnlm", rotated_q, rotated_k)
    theirs = torch.einsum("blnh,bmnh->bnlm", factor * rotated_q, factor * rotated_k) / H**0.5
    torch.testing.assert_close(logits, theirs)


def test_other_scalings_leave_the_kernels_own_scale() -> None:
    for scaling in ("none", "ntk"):
        rope = RopeConfig(scaling=scaling, factor=4.0, original_seq_len=16)
        attention = model_config(SHAPE, seed=0, rope=rope).layers[0].attention
        attention.rope.max_seq_len = 64
        assert attention.build().scaling is None
