"""Optimizer groups, the schedule, the metrics file, checkpoints: the small parts of a run."""

import json
import math
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch.distributed.checkpoint.api import CheckpointException

from codetitan.device import get_total_norm
from codetitan.errors import ConfigError
from codetitan.models.code.shape import Flavor
from codetitan.models.code.spec import model_config
from codetitan.titan import ParamGroupConfig, dist_utils
from codetitan.training import finite
from codetitan.training.checkpoint_error import os_error_of
from codetitan.training.intact import half_written
from codetitan.training.logs import MetricsFile
from codetitan.training.metrics import duration
from codetitan.training.optimizer import CodeLRSchedulers, CodeOptimizers


def optimizers(config: CodeOptimizers.Config) -> CodeOptimizers:
    model_ = model_config(Flavor(64, 2, 4, 2, 128, 512, False), seed=0)
    for layer in model_.layers:
        layer.attention.rope.max_seq_len = 8
    return config.build(model_parts=[model_.build()])


def groups(container: CodeOptimizers) -> list[dict[str, object]]:
    return [group for optimizer in container for group in optimizer.param_groups]


def test_norms_are_not_decayed() -> None:
    norms, rest = groups(optimizers(CodeOptimizers.Config(lr=0.5, weight_decay=0.2)))
    assert all("norm" in name for name in norms["param_names"]) and len(norms["param_names"]) == 2 * 2 + 1  # type: ignore
    assert not any("norm" in name for name in rest["param_names"])  # type: ignore
    assert (norms["weight_decay"], rest["weight_decay"]) == (0.0, 0.2)
    assert norms["lr"] == rest["lr"] == 0.5 and rest["betas"] == (0.9, 0.95)


def test_a_resumed_optimizer_keeps_what_the_configuration_says() -> None:
    """Moments are loaded; betas, eps and weight decay are this run's, in both groups."""
    saved, resumed = (
        optimizers(CodeOptimizers.Config(implementation="foreach", **options))
        for options in ({}, {"betas": [0.8, 0.99], "eps": 1e-6, "weight_decay": 0.01})
    )
    for part in saved.model_parts:
        for parameter in part.parameters():
            parameter.grad = torch.ones_like(parameter)
    saved.step()
    state = saved.state_dict()
    resumed.load_state_dict(state)
    assert [(group["betas"], group["eps"], group["weight_decay"]) for group in groups(resumed)] == [
        ((0.8, 0.99), 1e-6, 0.0), ((0.8, 0.99), 1e-6, 0.01),
    ]  # fmt: skip
    after = resumed.state_dict()
    moments = [name for name in state if name.endswith("exp_avg")]
    assert moments and all(torch.equal(after[name], state[name]) and state[name].any() for name in moments)


def test_moments_that_are_not_finite_are_not_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    """A finite gradient, whose square is not."""
    monkeypatch.setattr(finite.dist, "get_world_size", lambda: 1)
    container = optimizers(CodeOptimizers.Config(implementation="foreach"))
    for part in container.model_parts:
        for parameter in part.parameters():
            parameter.grad = torch.full_like(parameter, 1e25)
    container.step()
    with pytest.raises(ConfigError, match=r"^step-1 is not saved: state\..*\.exp_avg_sq is not finite"):
        finite.check_saved({"optimizer": container}, "step-1")


def test_a_skipped_first_step_leaves_what_no_step_leaves() -> None:
    """A checkpoint has the same names then, and the next step is the first."""
    skipped, plain = (optimizers(CodeOptimizers.Config(implementation="foreach")) for _ in range(2))
    for part in skipped.model_parts:
        for parameter in part.parameters():
            parameter.grad = torch.full_like(parameter, torch.nan)
    skipped.skips = lambda: True
    skipped.step()
    state, expected = skipped.state_dict(), plain.state_dict()
    assert state.keys() == expected.keys()
    moments = [name for name in state if name.startswith("state.")]
    assert moments and not any(state[name].any() for name in moments)


def test_a_group_of_the_users_own_comes_first() -> None:
    own = ParamGroupConfig(pattern="tok_embeddings", optimizer_name="AdamW", optimizer_kwargs={"lr": 0.1})
    first, *_ = groups(optimizers(CodeOptimizers.Config(lr=0.5, param_groups=[own])))
    assert first["param_names"] == ["tok_embeddings.weight"]
    assert (first["lr"], first["weight_decay"]) == (0.1, 0.1)


def test_a_pattern_means_the_name_without_wrappers() -> None:
    """Activation checkpointing adds a segment to every name inside a block; a user's pattern must not notice."""
    from codetitan.titan import FullAC

    config = model_config(Flavor(64, 2, 4, 2, 128, 512, False), seed=0)
    for layer in config.layers:
        layer.attention.rope.max_seq_len = 8
    model = config.build()
    FullAC.Config().build().apply(model)
    own = ParamGroupConfig(pattern=r"^layers\.1\.attention\.wo", optimizer_name="AdamW", optimizer_kwargs={"lr": 0.1})
    first, *_ = groups(CodeOptimizers.Config(lr=0.5, param_groups=[own]).build(model_parts=[model]))
    assert first["param_names"] == ["layers.1.attention.wo.weight"] and first["lr"] == 0.1


def learning_rates(config: CodeLRSchedulers.Config, steps: int) -> list[float]:
    container = optimizers(CodeOptimizers.Config(lr=1.0))
    schedule = config.build(optimizers=container, training_steps=steps)
    rates = []
    for _ in range(steps):
        rates.append(float(groups(container)[0]["lr"]))  # type: ignore[arg-type]
        for optimizer in container:
            optimizer.step()
        schedule.step()
    return rates


def test_schedule() -> None:
    """Linear warm-up over 2 % of the steps, then a cosine to 10 %."""
    rates = learning_rates(CodeLRSchedulers.Config(), 200)
    assert rates[:4] == [0.25, 0.5, 0.75, 1.0]
    assert max(rates) == 1.0 and rates[-1] == pytest.approx(0.1, abs=0.001)
    assert rates[102] == pytest.approx(0.55, abs=0.01)  # half-way down
    assert all(a >= b for a, b in pairwise(rates[4:]))


@pytest.mark.parametrize(("config", "n"), [({"warmup_steps": 7}, 7), ({"warmup_ratio": 0.1}, 10), ({}, 2)])
def test_warm_up(config: dict[str, float], n: int) -> None:
    assert learning_rates(CodeLRSchedulers.Config(**config), 100).index(1.0) == n - 1  # type: ignore[arg-type]


def test_metrics_file_drops_what_is_done_again(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    file = MetricsFile(path, first_step=1)
    for step in range(1, 6):
        file.write({"step": step})
    file.close()
    with path.open("a") as torn:
        torn.write('{"step": 6, "lo')
    file = MetricsFile(path, first_step=4)
    file.write({"step": 4})
    file.close()
    assert [json.loads(line)["step"] for line in path.read_text().splitlines()] == [1, 2, 3, 4]


def test_the_norm_does_not_depend_on_how_gradients_are_cut() -> None:
    """torch's own is off by 3e-5 on values spread as gradients are; ours is exact to float64, whole or in pieces."""
    generator = torch.Generator().manual_seed(0)
    spread = torch.exp(3 * torch.randn(1 << 22, generator=generator))
    gradient = torch.randn(1 << 22, generator=generator) * spread * 1e-6
    exact = math.sqrt(math.fsum((gradient.double() ** 2).tolist()))
    for pieces in (1, 2, 3, 8):
        assert get_total_norm(gradient.chunk(pieces)).item() == pytest.approx(exact, rel=1e-12)


def test_clipping_uses_that_norm() -> None:
    weight = torch.nn.Parameter(torch.zeros(1 << 20))
    weight.grad = torch.randn(1 << 20, generator=torch.Generator().manual_seed(0))
    exact = weight.grad.double().norm().item()
    assert dist_utils.clip_grad_norm_([weight], 1.0).item() == pytest.approx(exact, rel=1e-12)
    assert weight.grad.dtype == torch.float32 and weight.grad.double().norm().item() == pytest.approx(1.0, rel=1e-5)


@pytest.mark.parametrize(("seconds", "text"), [(0, "0s"), (65, "1m 05s"), (7500, "2h 05m"), (1e6, "11d 13h")])
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_half_written_checkpoints(tmp_path: Path) -> None:
    for name, file in (("step-1", ".metadata"), ("step-2", "__0_0.distcp"), ("step-3", "model.safetensors.index.json")):
        (tmp_path / name).mkdir()
        (tmp_path / name / file).write_text("")
    for name, file in (("step-4-hf", "model.safetensors"), ("step-5", "notes.txt"), ("step-6", "__1_0.distcp")):
        (tmp_path / name).mkdir()
        (tmp_path / name / file).write_text("")
    assert [path.name for path in half_written(tmp_path)] == ["step-2", "step-6"]
    assert half_written(tmp_path / "none") == []


def test_the_disk_behind_a_checkpoint_error() -> None:
    full = OSError(28, "No space left on device")
    wrapped = CheckpointException("save", {0: (full, None)})  # type: ignore[dict-item]
    assert os_error_of(wrapped) is full and os_error_of(RuntimeError()) is None
