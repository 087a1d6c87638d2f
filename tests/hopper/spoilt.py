"""What is wrong on purpose, for the tests of the simulator: a function each, run before a case."""

import torch
from torch._functorch import partitioners

from codetitan import patches
from codetitan.models.code import spec
from codetitan.models.code.attention import CodeQKV
from codetitan.titan import FlexAttention


def breaks_the_graph() -> None:
    """A graph break in every block."""
    forward = CodeQKV.forward

    def broken(self: CodeQKV, x_BLD: torch.Tensor) -> torch.Tensor:
        torch._dynamo.graph_break()
        return forward(self, x_BLD)

    CodeQKV.forward = broken


def takes_too_much_shared_memory() -> None:
    """flex's forward with more stages than fit: K and V of 64 × 128 bfloat16 take 32 KB each, Q 32 once."""
    options = {"fwd_BLOCK_M": 128, "fwd_BLOCK_N": 64, "fwd_num_stages": 7}
    spec.inner_attention_config = lambda *_: FlexAttention.Config(kernel_options=options)


def knows_no_attention() -> None:
    """The partitioner as torch has it, but for the estimate without which it fails."""
    partitioners.get_default_op_list = partitioners.get_default_op_list.without


def has_max_nan() -> None:
    """Reductions of a maximum as torch has them."""
    patches.max_without_nan_instruction = lambda: None
