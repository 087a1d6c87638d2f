"""Stands for torch.compile's inductor in a trace: the same graphs, partitioned alike, and what it would fuse is fused.

Decompositions and the partition into forward and backward (what is saved, what is recomputed) are torch's own. Instead
of generating kernels, each graph is interpreted node by node, and the ledger is told which values would only live in
registers: those of pointwise operations, reductions and views that only such operations read.
"""

import operator
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

import torch
from torch import fx

from codetitan.plan.tracing.ledger import Ledger
from codetitan.titan import (
    aot_autograd,
    get_aten_target,
    get_default_op_list,
    min_cut_rematerialization_partition,
)


def _bytes(node: fx.Node) -> int:
    values = node.meta.get("val")
    tensors = values if isinstance(values, (tuple, list)) else (values,)
    return sum(int(t.numel()) * t.element_size() for t in tensors if isinstance(t, torch.Tensor))


@cache
def _operators() -> Any:
    return get_default_op_list()


def _is_view(node: fx.Node) -> bool:
    return bool(node.op == "call_function" and _operators().is_view(node))


def _is_fusible(node: fx.Node) -> bool:
    if node.op != "call_function" or node.target is operator.getitem:
        return False
    target = node.target
    pointwise = isinstance(target, torch._ops.OpOverload) and torch.Tag.pointwise in target.tags
    return bool(pointwise or _operators().is_fusible(node) or get_aten_target(node) in _REDUCTIONS)


_aten = torch.ops.aten
_REDUCTIONS = {_aten.amax, _aten.amin, _aten.sum, _aten.mean, _aten.max}
# What inductor does in place, and a graph says by new tensors; with the argument that holds the result: a collective's
# end, and its copy into the buffer that was made for it.
_IN_PLACE = {torch.ops._c10d_functional.wait_tensor.default: 0, _aten.copy.default: 1}


def fused_reads(graph: fx.Graph) -> dict[fx.Node, int]:
    """Returns, for each fusible node, 0 where its value is never written, else the bytes its fused kernel reads."""
    fusible = {node for node in graph.nodes if _is_fusible(node)}

    def written(node: fx.Node) -> bool:
        return any(user not in fusible or (_is_view(user) and written(user)) for user in node.users)

    in_registers = {node for node in fusible if _is_view(node) or not written(node)} | set(
        graph.find_nodes(op="call_function", target=_aten.empty.memory_format)  # for a result of _IN_PLACE
    )

    def read_by(node: fx.Node, seen: set[fx.Node]) -> Iterator[fx.Node]:
        for source in node.all_input_nodes:
            if source in seen:
                continue
            seen.add(source)
            if source in in_registers:
                yield from read_by(source, seen)
            else:
                yield source

    return dict.fromkeys(in_registers, 0) | {
        node: max(1, sum(map(_bytes, read_by(node, set())))) for node in fusible - in_registers
    }


class _Interpreter(fx.Interpreter):
    def __init__(self, module: fx.GraphModule, ledger: Ledger) -> None:
        super().__init__(module)
        self._ledger = ledger
        self._reads = fused_reads(module.graph)

    def call_function(self, target: Any, args: Any, kwargs: Any) -> Any:
        if target in _IN_PLACE:
            return args[_IN_PLACE[target]]
        return super().call_function(target, args, kwargs)

    def run_node(self, n: fx.Node) -> Any:
        self._ledger.fused = self._reads.get(n)
        try:
            return super().run_node(n)
        finally:
            self._ledger.fused = None


def fused_backend(ledger: Ledger) -> Callable[..., Any]:
    """Returns a backend for torch.compile whose graphs keep `ledger`."""

    def compiler(module: fx.GraphModule, _inputs: Any) -> Any:
        interpreter = _Interpreter(module, ledger)

        def run(arguments: list[Any]) -> Any:
            try:
                return interpreter.boxed_run(arguments)
            finally:
                interpreter.env = {}  # it would keep what has no use in the graph until the next run

        run._boxed_call = True  # type: ignore[attr-defined]  # the caller lets go of what the graph has used
        return run

    def decompositions() -> Any:
        from torch._inductor.decomposition import select_decomp_table

        return select_decomp_table()

    return aot_autograd(
        fw_compiler=compiler,
        bw_compiler=compiler,
        decompositions=decompositions,
        partition_fn=partial(min_cut_rematerialization_partition, compiler="inductor"),
    )
