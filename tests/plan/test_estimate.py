"""The bytes of a plan are those that real runs allocate; its FLOPs are the model's."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from codetitan.config.resolve import Resolved, resolve
from codetitan.plan.estimate import Estimate, causal_share, estimate, topology_of
from codetitan.plan.gpus import GPUS
from codetitan.plan.memory import above, kept
from codetitan.plan.stage import Stage
from codetitan.plan.tracing.roofline import Roofline
from codetitan.plan.tracing.trace import trace
from tests.conftest import REPOSITORY
from tests.parity.compare import Bench, as_overrides
from tests.parity.meshes import ARCHITECTURES, mesh, pipeline
from tests.plan.allocations import largest

H100 = GPUS["h100"]


@pytest.fixture(scope="module")
def parity(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the parity tests train."""
    return Bench(tmp_path_factory.mktemp("parity")).config


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


def resolved(file: Path, world_size: int, *options: str) -> Resolved:
    return resolve(file, ["--dataloader.sources", "python-stdlib", *options], world_size=world_size, here=False)


MESHES: dict[str, tuple[int, dict[str, Any]]] = {
    "one process": (1, {}),
    "FSDP 2": (2, mesh(fsdp=2)),
    "FSDP 2, reduced once": (2, mesh(fsdp=2) | {"training.gradient_sync": "last-microbatch"}),
    "HSDP 2 × 2": (4, mesh(replicate=2, fsdp=2)),
    "TP 2, FSDP 2": (4, mesh(tp=2, fsdp=2)),
    "TP 4, one K/V head": (4, mesh(tp=4) | {"model.n_kv_heads": 1}),
    "CP 2": (2, mesh(cp=2)),
    "PP 2, tied, FSDP 2": (4, mesh(pp=2, fsdp=2) | {"model.tie_embeddings": True}),
    "PP 2 V-shaped, tied": (2, pipeline("ZBVZeroBubble") | {"model.tie_embeddings": True}),
    "PP 2 interleaved, TP 2": (4, pipeline("Interleaved1F1B", pp=2, tp=2)),
    "StarCoder2, PP 2, tied": (2, pipeline("1F1B") | ARCHITECTURES["StarCoder2"]),
    "StarCoder2, TP 4, 2 K/V heads": (4, mesh(tp=4) | ARCHITECTURES["StarCoder2"]),
    "Qwen3, TP 2": (2, mesh(tp=2) | ARCHITECTURES["Qwen3"]),
    "Qwen2, TP 4, 2 K/V heads": (4, mesh(tp=4) | ARCHITECTURES["Qwen2"]),
}


SLOW = ("HSDP 2 × 2", "TP 2, FSDP 2", "TP 4, one K/V head", "PP 2, tied, FSDP 2", "StarCoder2, TP 4, 2 K/V heads",
        "Qwen2, TP 4, 2 K/V heads")  # fmt: skip  # four processes each


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow if n in SLOW else ()) for n in MESHES])
def test_bytes_are_those_of_a_real_run(parity: Path, tmp_path: Path, name: str) -> None:
    """Parameters, gradients and optimizer states of each pipeline rank, to the byte."""
    nproc, settings = MESHES[name]
    options = as_overrides(settings)
    plan = estimate(resolved(parity, nproc, *options).config, nproc, H100, nodes_of=8)
    planned = [{k: getattr(one, k) for k in ("parameters", "gradients", "optimizer")} for one in plan.memory]
    assert planned == largest(parity, tmp_path, nproc, options)


@pytest.mark.parametrize("option", ["false", "true"])
def test_three_blocks_tell_of_six(option: str) -> None:
    """The peak, what stays, the FLOPs and the traffic of a deeper model, to the byte."""
    file = REPOSITORY / "train_configs" / "code_350m.toml"
    config = resolved(file, 8, "--compile.enable", option, "--model.dim", "256", "--training.seq_len", "512").config
    topology, roofline = topology_of(config, 8, 8), Roofline(H100, "flex")
    three, six = (trace(config, topology, roofline, 0.5, blocks=n) for n in (3, 6))
    stage = Stage(("tok_embeddings", *(f"layers.{i}" for i in range(6)), "norm", "lm_head"))
    for told, run in ((three.first, six.first), (three.next, six.next)):
        segments = stage.forward(told) + stage.backward(told)
        assert above(segments) == above(run) and kept(segments) == kept(run)
        assert [one.cost.received for one in segments] == [one.cost.received for one in run]
        assert sum(one.cost.flops for one in segments) == sum(one.cost.flops for one in run)
    assert kept(three.first) > 0 and above(three.next) > 0


def test_flops_are_the_models() -> None:
    """Of matmuls without recomputation: six a parameter and token, as torchtitan and the flavors count."""
    file = REPOSITORY / "train_configs" / "code_20m.toml"
    options = ("--activation_checkpoint.name", "none", "--compile.enable", "false", "--training.seq_len", "256")
    config = resolved(file, 1, *options, "--model.n_layers", "3").config
    traced = trace(config, topology_of(config, 1, 8), Roofline(H100, "flex"), attention_share=0.0)
    tokens = config.training.local_batch_size * config.training.seq_len
    norms = 256 * (2 * 3 + 1)  # no matmul
    assert sum(one.cost.flops for one in traced.next) == (config.model.shape().flops_per_token(0) - 6 * norms) * tokens


def test_causal_share() -> None:
    """Beside a count of the mask's entries."""
    positions = torch.arange(1024)
    distance = positions[:, None] - positions
    for window in (1, 100, 1000, 1024, 5000, None):
        seen = (distance >= 0) & (distance < (window or 1024))
        assert causal_share(1024, window) == pytest.approx(seen.float().mean().item(), abs=1e-3)
    assert causal_share(4096, None) == causal_share(4096, 8192) == 0.5


def test_traffic_of_fsdp() -> None:
    """A microbatch gathers the blocks twice in bf16 and reduces their gradients in fp32; embedding and head besides."""
    file = REPOSITORY / "train_configs" / "code_3b.toml"
    options = ("--compile.enable", "false", "--activation_checkpoint.name", "none")
    shape = resolved(file, 8).config.model.shape()
    plan = estimate(resolved(file, 8, *options).config, 8, H100, nodes_of=8)
    accumulated = plan.tokens_per_step // (8 * resolved(file, 8).config.training.local_batch_size * 4096)
    (fsdp,) = plan.traffic
    # The head's group is gathered once, for forward and backward; the loss in chunks reduces lm_head by itself.
    blocks = (shape.n_params - 2 * shape.vocab_size * shape.dim) * (2 + 2 + 4) * 7 / 8
    assert fsdp.degree == "fsdp" and fsdp.link == "NVLink"
    assert blocks * accumulated < fsdp.received < 1.35 * blocks * accumulated


def test_a_pipeline_keeps_what_is_in_flight() -> None:
    """Under 1F1B each stage holds the blocks' inputs (full checkpointing) of one microbatch more than the next one."""
    file = REPOSITORY / "train_configs" / "code_7b.toml"
    options = ("--parallelism.pipeline_parallel_degree", "4", "--training.local_batch_size", "16")
    plan = estimate(resolved(file, 4, *options, "--training.global_batch_size", "16").config, 4, H100, nodes_of=8)
    _, second, third, _ = plan.memory
    assert second.activations - third.activations == 8 * (4096 * 4096 * 2)  # 8 blocks' inputs in bf16
    assert 0.1 < plan.bubble < 0.25  # 3/19 with equal stages


def test_offload_and_narrow_states() -> None:
    file = REPOSITORY / "train_configs" / "code_20m.toml"
    eager = ("--compile.enable", "false")
    plain, narrow, offloaded = (
        estimate(resolved(file, 8, *eager, *options).config, 8, H100, nodes_of=8)
        for options in (
            (),
            ("--optimizer.implementation", "fused_opt_states_bf16"),
            ("--training.enable_cpu_offload", "true"),
        )
    )
    assert plain.fullest.optimizer > 1.99 * narrow.fullest.optimizer
    assert plain.fullest.peak - offloaded.fullest.peak == sum(
        getattr(plain.fullest, name) for name in ("parameters", "gradients", "optimizer")
    )


EAGER = ("--compile.enable", "false", "--activation_checkpoint.name", "none", "--loss.name", "cross-entropy")


def received(plan: Estimate) -> dict[str, float]:
    return {link.degree: link.received for link in plan.traffic}


def test_traffic_of_tensor_parallelism() -> None:
    """Two gathers and two reductions of the hidden state a block and pass, the backward's gathers of inputs besides."""
    file = REPOSITORY / "train_configs" / "code_350m.toml"
    options = (*EAGER, "--parallelism.tensor_parallel_degree", "2", "--training.global_batch_size", "8")
    plan = estimate(resolved(file, 2, *options).config, 2, H100, nodes_of=8)
    hidden = 8 * 4096 * 1024 * 2 / 2  # bytes that the other of two ranks sends
    assert 8 <= received(plan)["tp"] / hidden / 24 < 11


def test_traffic_and_reductions_of_a_pipeline() -> None:
    """A middle stage gets a hidden state and a gradient a microbatch; FSDP gathers and reduces once a step."""
    file = REPOSITORY / "train_configs" / "code_350m.toml"
    options = [*EAGER, "--parallelism.pipeline_parallel_degree", "4", "--training.global_batch_size", "32"]
    options += ["--training.local_batch_size", "16", "--model.tie_embeddings", "false", "--model.n_layers", "24"]
    plan = estimate(resolved(file, 8, *options).config, 8, H100, nodes_of=8)
    assert received(plan)["pp"] == 2 * 16 * 4096 * 1024 * 2
    # Six blocks' weights in bf16, and their gradients in fp32, from the other of two; embedding or head besides.
    blocks, most = 6 * (4 * 1024**2 + 3 * 1024 * 2816 + 2 * 1024), 32768 * 1024
    assert blocks * (2 + 4) / 2 <= received(plan)["fsdp"] < (blocks + most) * (2 + 4) / 2 + 2 * 1024**2


def test_tied_embeddings_of_a_pipeline() -> None:
    """Stages have an embedding and a head of their own: tied or not, all but the optimizer's states is the same."""
    file = REPOSITORY / "train_configs" / "code_350m.toml"
    options = [*EAGER, "--parallelism.pipeline_parallel_degree", "2", "--training.local_batch_size", "4"]
    tied, untied = (
        estimate(resolved(file, 4, *options, "--model.tie_embeddings", word).config, 4, H100, nodes_of=8)
        for word in ("true", "false")
    )
    for one, other in zip(tied.memory, untied.memory, strict=True):
        assert one.activations == other.activations and one.parameters == other.parameters
    assert tied.memory[1].optimizer < untied.memory[1].optimizer
    assert received(tied) == received(untied)
