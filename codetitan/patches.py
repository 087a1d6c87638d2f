"""What torch 2.14 and torchtitan 0.3.0 do on a GPU that costs speed or numbers, mended from outside.

Each function changes one thing for the whole process, and may be called twice. tests/hopper/test_facts.py shows them in
the generated code, and the faults where a mend is taken away. Imports torch; titan.py and float8_linear.py call it.
"""

import contextlib
import dataclasses
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import torch
import torch.nn.attention.varlen  # registers torch_attn._varlen_attn
from torch import fx
from torch._functorch import config as functorch_config
from torch._functorch import partitioners
from torch._inductor.custom_graph_pass import CustomRuntimeEstimator
from torch.utils.flop_counter import flop_registry

FLEX = torch.ops.higher_order.flex_attention


class _Flops(CustomRuntimeEstimator):
    """torch's default, FLOPs, for FlexAttention too: it runs operators to count, and fails at one with subgraphs.

    The mask is not known, so all of the L × L attention counts. Half of it is causal, and flex's kernels reach half of
    a matmul's speed (arXiv 2412.05496): the two even out.
    """

    def __call__(self, node: fx.Node) -> float:
        if node.target is FLEX:
            query, key, value = (argument.meta["val"] for argument in node.all_input_nodes[:3])
            return float(flop_registry[FLEX](query, key, value))
        with functorch_config.patch(activation_memory_budget_runtime_estimator="flops"):
            return float(partitioners.estimate_runtime(node))

    def uuid(self) -> str:
        """What stands for it in the key of torch's cache of compiled graphs."""
        return "codetitan: flops with flex attention, 1"


@contextlib.contextmanager
def without_datasets() -> Iterator[None]:
    """Stands in for Hugging Face's `datasets` while torchtitan is imported.

    torchtitan's own text loaders, which nothing here calls, import it with pandas and pyarrow: 1.4 of the 6.2 seconds
    that each process of a run, and each command, starts in. Whoever imports it afterwards gets the real one.
    """
    if "datasets" in sys.modules:
        yield
        return
    names = {"datasets": ("Dataset", "load_dataset"), "datasets.distributed": ("split_dataset_by_node",)}
    stand_ins = {}
    for module, inside in names.items():
        stand_ins[module] = ModuleType(module)
        for name in inside:
            setattr(stand_ins[module], name, object)
    sys.modules.update(stand_ins)
    try:
        yield
    finally:
        for name in stand_ins:
            del sys.modules[name]


def keep_attention_outputs() -> None:
    """Tells the partitioner, which splits a compiled block into forward and backward, what attention costs.

    It lists matmuls and two of SDPA's kernels as compute intensive, and neither flex nor cuDNN's nor varlen: under
    activation_checkpoint.name = "memory-budget" flex's forward ran again in the backward, 6 to 8 % of a step of 350m.
    """
    original = partitioners.get_default_op_list
    if hasattr(original, "without"):
        return
    attention = {FLEX, torch.ops.aten._scaled_dot_product_cudnn_attention, torch.ops.torch_attn._varlen_attn}

    def with_attention() -> Any:
        ops = original()
        return dataclasses.replace(ops, compute_intensive_ops=ops.compute_intensive_ops | attention)

    with_attention.without = original  # type: ignore[attr-defined]
    partitioners.get_default_op_list = with_attention
    functorch_config.activation_memory_budget_runtime_estimator = _Flops()  # type: ignore[assignment]


def flex_without_autotuning(flex: Any) -> None:
    """Compiles torchtitan's `FlexAttention` for models that are not compiled themselves as its deterministic mode does.

    With max_autotune and coordinate descent, its default, each rank times dozens of kernels in its first step, prints
    tables of them to stderr, and may choose another one than its neighbours or than the run before: other roundings.
    """
    if not flex.inductor_configs["max_autotune"]:
        return
    flex.inductor_configs |= {"max_autotune": False, "coordinate_descent_tuning": False}
    flex._compiled_flex_attn = torch.compile(
        torch.nn.attention.flex_attention.flex_attention, options=flex.inductor_configs
    )


def max_without_nan_instruction() -> None:
    """Lets inductor reduce a maximum without PTX's max.NaN, which Triton miscompiles next to FP8 stores.

    torchao's patch for Triton issue 11111 (titan.py) reaches elementwise maxima. A reduction calls
    triton_helpers.max2, which has the same instruction: with rowwise 17 of 47 kernels of a block had it beside FP8
    stores. `fmax2` takes the other number where one is NaN; a NaN still reaches the result, through the value that is
    scaled, and through exp in a softmax. The generated code is changed, for other processes compile it.
    """
    from torch._inductor.codegen import triton as triton_codegen  # takes a second, and is for FP8 only

    original: Any = triton_codegen.get_triton_reduction_function
    if hasattr(original, "without"):
        return

    def without_nan(reduction_type: str) -> str:
        name: str = original("fmax" if reduction_type == "max" else reduction_type)
        return name

    without_nan.without = original  # type: ignore[attr-defined]
    # Graphs that were compiled without this lie in the same cache, under the same key.
    torch.compiler.config.cache_key_tag += "codetitan: fmax"
    triton_codegen.get_triton_reduction_function = without_nan
