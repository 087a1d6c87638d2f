"""What the generated code shows beside whether it compiles: work done twice, memory kept for nothing, unsafe kernels.

What is not yet as it should be is expected to fail, strictly: whoever mends it takes the mark away.
"""

import pytest

from tests.hopper.conftest import Simulate
from tests.hopper.report import Report

pytestmark = pytest.mark.hopper


@pytest.mark.xfail(
    strict=True, reason="the partitioner's list of operators that are dear to compute again has not flex's"
)
def test_memory_budget_does_not_run_flex_again(simulate: Simulate) -> None:
    report = simulate("code_350m", "--activation_checkpoint.name", "memory-budget")
    assert report.count("flex_attention", backward=False) == 1
    assert report.count("flex_attention", backward=True) == 0


@pytest.mark.xfail(strict=True, reason="the backward pass reads the concatenated weight of q, k and v")
def test_no_copy_of_a_weight_is_kept_without_checkpointing(simulate: Simulate) -> None:
    report = simulate("code_350m", "--activation_checkpoint.name", "none")
    rows = 8 * 4096  # what belongs to tokens has them all, or rows and positions
    kept = [value for graph in report.graphs for value in graph.saved if value.bytes >= 1 << 20]
    assert kept
    assert [value for value in kept if value.shape[0] not in (8, rows)] == []


def unsafe_beside_float8(report: Report) -> list[str]:
    """The kernels that store FP8 values beside a maximum that Triton miscompiles there (triton issue 11111)."""
    return sorted({kernel.name for kernel in report.kernels if kernel.stores_float8 and kernel.max_nan})


def test_tensorwise_kernels_are_safe(simulate: Simulate) -> None:
    assert unsafe_beside_float8(simulate("code_1_3b_8gpu_fp8", world_size=8)) == []


@pytest.mark.xfail(strict=True, reason="torchao's patch does not reach the maxima of reductions, triton_helpers.max2")
@pytest.mark.parametrize("recipe", ["rowwise", "rowwise_with_gw_hp"])
def test_rowwise_kernels_are_safe(simulate: Simulate, recipe: str) -> None:
    assert unsafe_beside_float8(simulate("code_1_3b_8gpu_fp8", "--float8.recipe", recipe, world_size=8)) == []
