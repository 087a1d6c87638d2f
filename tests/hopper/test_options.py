"""Every attention, checkpointing, FP8 recipe and mesh is generated for Hopper and compiled, once, and fits."""

from dataclasses import replace

import pytest

from tests.hopper.conftest import Simulate

pytestmark = pytest.mark.hopper


def test_sdpa_is_cudnns(simulate: Simulate) -> None:
    report = simulate("code_350m", "--model.attention", "sdpa")
    assert report.complaints() == []
    assert report.count("_scaled_dot_product_cudnn_attention.default", backward=False) == 1
    assert report.count("_scaled_dot_product_cudnn_attention_backward.default", backward=True) == 1


def test_varlen_is_compiled_again_for_other_documents_once(simulate: Simulate) -> None:
    """Each microbatch has its own number of documents: at the second one dynamo takes it for a variable."""
    report = simulate("code_350m", "--model.attention", "varlen")
    first, second, third = report.unique_graphs
    assert second - first == 1 and third == second
    assert replace(report, unique_graphs=[second, third]).complaints() == []
    assert report.count("_varlen_attn.default", backward=False) == 2
    assert report.count("_varlen_attn_backward.default", backward=True) == 2


@pytest.mark.parametrize("policy", ["none", "full"])
def test_checkpointing(simulate: Simulate, policy: str) -> None:
    report = simulate("code_350m", "--activation_checkpoint.name", policy)
    assert report.complaints() == []
    # With full checkpointing the backward begins with the block's forward.
    assert report.count("flex_attention", backward=True) == (policy == "full")


@pytest.mark.parametrize(
    "overrides",
    [
        ["--float8.fsdp_all_gather", "false"],
        ["--float8.recipe", "rowwise"],
        ["--float8.recipe", "rowwise_with_gw_hp"],
        ["--parallelism.tensor_parallel_degree", "2", "--parallelism.data_parallel_shard_degree", "4"],
    ],
    ids=["tensorwise", "rowwise", "rowwise_with_gw_hp", "tensorwise, TP"],
)
def test_float8(simulate: Simulate, overrides: list[str]) -> None:
    report = simulate("code_1_3b_8gpu_fp8", *overrides, world_size=8)
    assert report.complaints() == []
    assert any(kernel.stores_float8 for kernel in report.kernels)


@pytest.mark.parametrize(
    "overrides",
    [
        ["--parallelism.data_parallel_replicate_degree", "2", "--parallelism.data_parallel_shard_degree", "4"],
        ["--parallelism.tensor_parallel_degree", "2"],
        ["--parallelism.tensor_parallel_degree", "2", "--compile.enable_async_tensor_parallel", "true"],
        ["--parallelism.context_parallel_degree", "2", "--parallelism.tensor_parallel_degree", "2"],
        ["--training.enable_cpu_offload", "true"],
    ],
    ids=["HSDP", "TP", "async TP", "CP, TP", "CPU offload"],
)
def test_mesh(simulate: Simulate, overrides: list[str]) -> None:
    report = simulate("code_350m", *overrides, world_size=8)
    assert report.complaints() == []


@pytest.mark.parametrize("schedule", ["1F1B", "Interleaved1F1B"])
@pytest.mark.parametrize("rank", [0, 4], ids=["first stage", "last stage"])
def test_pipeline(simulate: Simulate, schedule: str, rank: int) -> None:
    mesh = ["--parallelism.pipeline_parallel_degree", "2", "--parallelism.pipeline_parallel_schedule", schedule]
    blocks = ["--model.n_layers", "8"]  # the head costs as much as 1.6 of them: each of four stages has one
    report = simulate("code_350m", *mesh, *blocks, world_size=8, rank=rank)
    assert report.complaints() == []
