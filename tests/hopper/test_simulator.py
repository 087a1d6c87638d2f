"""The simulator: what it finds wrong."""

from dataclasses import replace

import pytest

from tests.hopper.conftest import Simulate, SimulationError
from tests.hopper.report import SHARED_LIMIT, Graph, Kernel, Report

FINE = Kernel("triton_tem_flex", "{}, 4 warps, 3 stages", target="sm_90a", shared=SHARED_LIMIT, cubin=1)


def _report(kernel: Kernel) -> Report:
    return Report([Graph("forward 0", False, {}, [], [kernel])], [1, 1, 1], {}, (1, 1), "FlexAttention", {})


def test_complaints_name_what_is_wrong() -> None:
    fine = _report(FINE)
    assert fine.complaints() == []
    for kernel, complaint in (
        (replace(FINE, shared=SHARED_LIMIT + 1), "232,449 bytes of shared memory, 232,448 are allowed"),
        (replace(FINE, error="PTXASError: no"), "PTXASError: no"),
        (replace(FINE, target="sm_80"), "1 bytes for sm_80, not for sm_90a"),
    ):
        assert _report(kernel).complaints() == [f"triton_tem_flex ({{}}, 4 warps, 3 stages): {complaint}"]
    for report, complaint in (
        (replace(fine, unique_graphs=[1, 2, 2]), "recompiled: [1, 2, 2] graphs after each microbatch"),
        (replace(fine, graph_breaks={"a print": 2}), "graph break, 2 times: a print"),
        (replace(fine, gradients=(1, 2)), "1 of 2 parameters have no gradient"),
        (replace(fine, graphs=[Graph("forward 0", False, {}, [], error="no")]), "forward 0: no code: no"),
    ):
        assert report.complaints() == [complaint]


@pytest.mark.hopper
def test_flex_compiles_for_hopper(simulate: Simulate) -> None:
    """The short case, 25 s: flex and its masks alone, for `debug` does not compile its blocks."""
    report = simulate("debug", "--model.n_layers", "1")
    assert report.complaints() == []
    assert [graph.backward for graph in report.graphs] == [False, False, True]
    (forward,) = (kernel for graph in report.graphs if "flex_attention" in graph.operators for kernel in graph.kernels)
    assert 0 < forward.shared <= SHARED_LIMIT
    assert report.inner_attention == "FlexAttention"


@pytest.mark.hopper
def test_a_graph_break_fails(simulate: Simulate) -> None:
    with pytest.raises(SimulationError, match=r"Call to `torch\._dynamo\.graph_break"):
        simulate("code_350m", spoilt="breaks_the_graph")


@pytest.mark.hopper
def test_too_much_shared_memory_fails(simulate: Simulate) -> None:
    report = simulate("code_350m", spoilt="takes_too_much_shared_memory")
    assert len(complaints := report.complaints()) == 1
    assert "flex_attention" in complaints[0] and "bytes of shared memory, 232,448 are allowed" in complaints[0]
