"""What the generated code shows beside whether it compiles: work done twice, memory kept, unsafe kernels."""

import pytest

from tests.hopper.conftest import Simulate
from tests.hopper.report import Report

pytestmark = pytest.mark.hopper


@pytest.mark.parametrize(
    ("attention", "operator"),
    [("flex", "flex_attention"), ("sdpa", "_scaled_dot_product_cudnn_attention.default")],
)
def test_memory_budget_does_not_run_attention_again(simulate: Simulate, attention: str, operator: str) -> None:
    words = () if attention == "flex" else ("--model.attention", attention)
    report = simulate("code_350m", "--activation_checkpoint.name", "memory-budget", *words)
    assert report.complaints() == []
    assert report.count(operator, backward=False) == 1
    assert report.count(operator, backward=True) == 0


@pytest.mark.parametrize(
    ("overrides", "copies"),
    [
        ([], [(3 * 1024, 1024)]),
        (["--model.fused_qkv", "false"], []),
        (["--model.fused_ffn", "true"], [(3 * 1024, 1024), (2 * 2816, 1024)]),
    ],
    ids=["one matmul for q, k and v", "three", "one for w1 and w3, too"],
)
def test_what_one_matmul_over_several_weights_keeps(
    simulate: Simulate, overrides: list[str], copies: list[tuple[int, int]]
) -> None:
    """Without checkpointing the backward reads the concatenated weights; all else that is kept belongs to tokens."""
    report = simulate("code_350m", "--activation_checkpoint.name", "none", *overrides)
    assert report.complaints() == []
    rows = 8 * 4096  # what belongs to tokens has them all, or rows and positions
    kept = [tuple(value.shape) for graph in report.graphs for value in graph.saved if value.bytes >= 1 << 20]
    assert [shape for shape in kept if shape[0] in (8, rows)]
    assert sorted(shape for shape in kept if shape[0] not in (8, rows)) == sorted(copies)


def unsafe_beside_float8(report: Report) -> list[str]:
    """The kernels that store FP8 values beside a maximum that Triton miscompiles there (triton issue 11111)."""
    return sorted({kernel.name for kernel in report.kernels if kernel.stores_float8 and kernel.max_nan})


def test_tensorwise_kernels_are_safe(simulate: Simulate) -> None:
    assert unsafe_beside_float8(simulate("code_1_3b_8gpu_fp8", world_size=8)) == []


@pytest.mark.parametrize("recipe", ["rowwise", "rowwise_with_gw_hp"])
def test_rowwise_kernels_are_safe(simulate: Simulate, recipe: str) -> None:
    assert unsafe_beside_float8(simulate("code_1_3b_8gpu_fp8", "--float8.recipe", recipe, world_size=8)) == []


def test_what_torch_does_without_the_mends(simulate: Simulate) -> None:
    """When this fails, torch has mended it, and codetitan/patches.py can lose a function."""
    memory_budget = ("--activation_checkpoint.name", "memory-budget")
    assert (
        simulate("code_350m", *memory_budget, spoilt="knows_no_attention").count("flex_attention", backward=True) == 1
    )
    rowwise = ("--float8.recipe", "rowwise")
    assert unsafe_beside_float8(simulate("code_1_3b_8gpu_fp8", *rowwise, world_size=8, spoilt="has_max_nan")) != []
