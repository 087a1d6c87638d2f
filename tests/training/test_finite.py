"""Gradients that are not finite: no weight changes, on a CPU or where the device decides; nothing of them is saved."""

import math
from typing import Any

import pytest
import torch

from codetitan.errors import ConfigError
from codetitan.training import finite
from codetitan.training.finite import FiniteGradients, check_saved


def optimizer(**options: Any) -> tuple[torch.nn.Parameter, torch.optim.AdamW]:
    weight = torch.nn.Parameter(torch.ones(4))
    return weight, torch.optim.AdamW([weight], lr=0.1, **options)


def steps(weight: torch.nn.Parameter, guard: FiniteGradients, adam: torch.optim.AdamW, gradients: list[float]) -> None:
    """What the trainer does: clips, checks, steps."""
    for step, value in enumerate(gradients, 1):
        weight.grad = torch.full((4,), value)
        norm = torch.nn.utils.clip_grad_norm_([weight], 1.0)
        guard.check(step, norm)
        if not guard.skips():
            adam.step()
    guard.settle()


@pytest.mark.parametrize("on_device", [False, True])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_skipped_step_leaves_weights_and_moments(on_device: bool, bad: float) -> None:
    """Equal, bit for bit, to a run that never had that step; `found_inf` is torch's own, of the fused kernels."""
    weight, adam = optimizer(fused=True)
    guard = FiniteGradients([adam], "skip", most=3, on_device=on_device)
    steps(weight, guard, adam, [1.0, bad, bad, 2.0])
    expected, plain = optimizer(fused=True)
    steps(expected, FiniteGradients([plain], "stop", most=1, on_device=False), plain, [1.0, 2.0])
    assert torch.equal(weight, expected)
    assert all(
        torch.equal(adam.state[weight][name], plain.state[expected][name]) for name in ("exp_avg", "exp_avg_sq", "step")
    )
    assert guard.skipped == 2 and not guard.last_was_skipped


@pytest.mark.parametrize("on_device", [False, True])
def test_stop_names_the_step(on_device: bool) -> None:
    weight, adam = optimizer(fused=True)
    guard = FiniteGradients([adam], "stop", most=1, on_device=on_device)
    with pytest.raises(ConfigError, match=r"^step 2: the norm of the gradients is nan, and its update is not made; "):
        steps(weight, guard, adam, [1.0, math.nan, 1.0])
    assert bool(torch.isfinite(weight).all())


@pytest.mark.parametrize("on_device", [False, True])
def test_too_many_in_a_row(on_device: bool) -> None:
    weight, adam = optimizer(fused=True)
    guard = FiniteGradients([adam], "skip", most=2, on_device=on_device)
    steps(weight, guard, adam, [math.nan, math.nan, 1.0, math.nan, math.nan])  # never three
    with pytest.raises(ConfigError, match=r"^step 1: .* is nan, as in the 2 steps before, none of whose updates "):
        steps(weight, guard, adam, [math.nan])


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finite.dist, "get_world_size", lambda: 1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_not_saved(alone: None, dtype: torch.dtype, bad: float) -> None:
    tensor = torch.zeros(3, 5, dtype=dtype)
    state = {"a": torch.ones(2), "step": torch.tensor(3), "text": "x", "empty": torch.empty(0), "b.weight": tensor}
    check_saved(state, "step-4")
    tensor[1, 2] = bad
    with pytest.raises(ConfigError, match=r"^step-4 is not saved: b\.weight is not finite; lower optimizer\.lr"):
        check_saved(state, "step-4")
