"""Inductor as far as the GPU: code is generated, its kernels are compiled, and its graphs run on fake tensors.

It takes hold of two private functions of inductor, because no public one ends before the kernels are launched:
`compile_fx`, to run the graph instead of its code, and `CachingAutotuner.precompile`, to compile a kernel's
configurations, each for itself, without loading them onto a GPU.
"""

import contextlib
import copy
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any
from unittest import mock

import torch
from torch._guards import TracingContext
from torch._inductor import compile_fx
from torch._inductor.runtime.triton_heuristics import CachingAutotuner

from codetitan.titan import inductor_config
from tests.hopper.report import Graph, Kernel, Value

# Both would time kernels to choose among them; without a GPU there is nothing to time.
_TIMED = ("max_autotune", "coordinate_descent_tuning")

# PTX: a conversion to FP8, and a maximum or minimum that propagates NaN.
_TO_FLOAT8 = re.compile(r"\bcvt\.rn\.satfinite\.(relu\.)?e[45]m[23]x2")
_MAX_NAN = re.compile(r"\b(max|min)(\.ftz)?\.NaN")


def _one_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".strip().replace("\n", " ")[:400]


def _compiled(autotuner: Any) -> Iterator[Kernel]:
    """Compiles each configuration of a kernel."""
    for config in autotuner.configs:
        sizes = {name: value for name, value in config.kwargs.items() if "BLOCK" in name}
        name = autotuner.inductor_meta.get("kernel_name", autotuner.fn.__name__)
        shown = f"{sizes}, {config.num_warps} warps, {config.num_stages} stages"
        try:
            binary = autotuner._precompile_config(config).kernel
        except Exception as error:  # whatever Triton or ptxas has against it is the kernel's complaint
            yield Kernel(name, shown, error=_one_line(error))
            continue
        ptx = binary.asm["ptx"]
        target = next(line.split()[1] for line in ptx.splitlines() if line.startswith(".target"))
        yield Kernel(
            name,
            shown,
            target=target.rstrip(","),
            shared=binary.metadata.shared,
            cubin=len(binary.asm["cubin"]),
            stores_float8=_TO_FLOAT8.search(ptx) is not None,
            max_nan=_MAX_NAN.search(ptx) is not None,
        )


def _operator(node: torch.fx.Node) -> str:
    return node.target if isinstance(node.target, str) else getattr(node.target, "__name__", str(node.target))


def _saved(graph: torch.fx.Graph) -> list[Value]:
    """What the forward graph that is being compiled returns beside the results of the function that it is of."""
    context = TracingContext.try_get()
    outputs = graph.output_node().args[0]
    if context is None or context.fw_metadata is None:
        return []
    kept = outputs[context.fw_metadata.num_forward_returns :]
    computed = [node for node in kept if isinstance(node, torch.fx.Node) and node.op != "placeholder"]
    return [
        Value(_operator(node), list(value.shape), str(value.dtype), value.numel() * value.element_size())
        for node in computed
        if isinstance(value := node.meta.get("val"), torch.Tensor)
    ]


@contextlib.contextmanager
def up_to_the_gpu() -> Iterator[list[Graph]]:
    """Within it, whatever is compiled by inductor is added to the list, and runs on fake tensors."""
    graphs: list[Graph] = []
    whole_compile_fx, to_code = compile_fx.compile_fx, compile_fx.compile_fx_inner

    def compile_inner(module: torch.fx.GraphModule, example_inputs: Any, **options: Any) -> Any:
        runs = torch.fx.GraphModule(module, copy.deepcopy(module.graph))  # inductor changes what it lowers
        backward = bool(options.get("is_backward"))
        operators = Counter(_operator(node) for node in module.graph.nodes if node.op == "call_function")
        kernels: list[Kernel] = []
        saved = [] if backward else _saved(module.graph)
        error = None
        with mock.patch.object(CachingAutotuner, "precompile", lambda self, **_: kernels.extend(_compiled(self))):
            try:
                to_code(module, example_inputs, **options)
            except Exception as raised:  # the report names it; the step goes on, for the other graphs
                error = _one_line(raised)
        name = f"{'backward' if backward else 'forward'} {len(graphs)}"
        graphs.append(Graph(name, backward, dict(operators), saved, kernels, error))

        def run(arguments: list[Any]) -> Any:
            return torch.fx.Interpreter(runs).run(*arguments)

        run._boxed_call = True  # how aot_autograd knows that it takes a list
        return run

    def compile_whole(
        model: Any, inputs: Any, inner_compile: Any = None, config_patches: Any = None, **rest: Any
    ) -> Any:
        patches = {name: value for name, value in (config_patches or {}).items() if name not in _TIMED}
        return whole_compile_fx(model, inputs, compile_inner, patches, **rest)

    with (
        inductor_config.patch(
            compile_threads=1,  # in this process, which alone has the patches
            fx_graph_cache=False,
            use_static_triton_launcher=False,
        ),
        torch._functorch.config.patch(enable_autograd_cache=False),
        mock.patch.object(compile_fx, "compile_fx", compile_whole),
    ):
        yield graphs
