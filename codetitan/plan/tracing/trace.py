"""Runs three blocks of the model, as the trainer builds it, on tensors without storage: what each part of a step costs.

All blocks are alike, so a model of any depth, and any pipeline stage, is put together from the embedding, the first,
a middle and the last block, and the head with the loss (codetitan.plan.estimate).
"""

import contextlib
import copy
import gc
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

from codetitan.objectives.loss import targets_like
from codetitan.plan.topology import DEGREES, Topology
from codetitan.plan.tracing.dry_run import build
from codetitan.plan.tracing.fused import fused_backend
from codetitan.plan.tracing.ledger import Ledger, Segment
from codetitan.plan.tracing.roofline import Roofline
from codetitan.titan import DTensor, FakeTensorMode, FSDPModule, Module
from codetitan.training.trainer import CodeTrainer

BLOCKS = 3


class FusedAttention(Module):
    """Takes the attention kernel's place: it allocates, saves and computes what flex, varlen and cuDNN all do.

    That is the output, and a float32 log-sum-exp for each query and head; q, k and v are kept for the backward pass.
    """

    @dataclass(kw_only=True, slots=True)
    class Config(Module.Config):
        pass

    def __init__(self, config: Config) -> None:
        super().__init__()

    def forward(
        self,
        q_BLNH: torch.Tensor,
        k_BLNH: torch.Tensor,
        v_BLNH: torch.Tensor,
        *,
        scale: float | None = None,
        **_: Any,
    ) -> torch.Tensor:
        """Returns (B, L, N, H)."""
        q, k, v = (t_BLNH.transpose(1, 2) for t_BLNH in (q_BLNH, k_BLNH, v_BLNH))
        out: torch.Tensor = torch.ops.aten._scaled_dot_product_flash_attention(q, k, v, 0.0, True, scale=scale)[0]
        return out.transpose(1, 2)


class _Boundary(torch.autograd.Function):
    """Passes a hidden state on, and ends a segment on the way forth and another on the way back."""

    @staticmethod
    def forward(ctx: Any, hidden: torch.Tensor, ledger: Ledger, before: str, after: str) -> torch.Tensor:
        ctx.ledger, ctx.after = ledger, after
        ledger.close_segment(before)
        ledger.boundary = hidden.numel() * hidden.element_size()
        # Under tensor parallelism the embedding's output is strided: as every other block's input, it is compiled once.
        return hidden.view_as(hidden) if hidden.is_contiguous() else hidden.contiguous()

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        ctx.ledger.close_segment(ctx.after)
        return gradient, None, None, None


class _Bounded(nn.Module):
    """A block between boundaries; the last one has one behind it, too."""

    def __init__(self, block: nn.Module, ledger: Ledger, index: int, *, last: bool) -> None:
        super().__init__()
        self.block = block
        self._ledger, self._index, self._last = ledger, index, last

    def forward(self, hidden: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        i, ledger = self._index, self._ledger
        before = "embedding" if i == 0 else f"block {i - 1}"
        out = self.block(_Boundary.apply(hidden, ledger, before, f"block {i} backward"), *args, **kwargs)
        return _Boundary.apply(out, ledger, f"block {i}", "head") if self._last else out


@dataclass(frozen=True)
class Shards:
    """A rank's shards of some parameters."""

    bytes: int
    tensors: int

    def __add__(self, other: "Shards") -> "Shards":
        return Shards(self.bytes + other.bytes, self.tensors + other.tensors)

    def __mul__(self, number: int) -> "Shards":
        return Shards(self.bytes * number, self.tensors * number)


def shards(*modules: nn.Module) -> Shards:
    """Returns the shards of the modules' parameters, each counted once."""
    parameters = {id(p): p for module in modules for p in module.parameters()}.values()
    local = [p._local_tensor if isinstance(p, DTensor) else p for p in parameters]
    return Shards(sum(t.numel() * t.element_size() for t in local), len(local))


@dataclass(frozen=True)
class Trace:
    """What a rank of a mesh without pipeline stages does for a microbatch.

    Attributes:
        first: the segments of a step's first microbatch, in order of time; its gradients are new.
        next: those of every other one.
        last: those of the last one, where gradients are reduced in it alone; else `next`.
        parameters: this rank's shards, the largest, of "embedding", "block", "norm" and "head"; tied ones are alike.
        hidden: bytes of the hidden state between two blocks.
    """

    first: list[Segment]
    next: list[Segment]
    last: list[Segment]
    parameters: dict[str, Shards]
    hidden: int


def without_stages(config: CodeTrainer.Config, blocks: int) -> CodeTrainer.Config:
    """Returns the configuration of some blocks in one stage: what a rank does for one microbatch of a pipeline."""
    p, training, spec = config.parallelism, config.training, config.model_spec
    rows = p.pipeline_parallel_microbatch_size if p.pipeline_parallel_degree > 1 else training.local_batch_size
    never = p.pipeline_parallel_degree > 1 and p.fsdp_reshard_after_forward == "default"  # torchtitan's default then
    model = copy.deepcopy(spec.model)
    model.train_layers = None  # they are counted as if all were trained
    model.layers, model.stages = [copy.deepcopy(model.layers[0]) for _ in range(blocks)], []
    if p.pipeline_parallel_degree > 1:
        model.enable_weight_tying = False  # stages have an embedding and a head of their own
    for layer in model.layers:
        layer.attention.inner_attention = FusedAttention.Config()
    return replace(  # type: ignore[call-arg]  # fields of torchtitan's
        config,
        model_spec=replace(spec, model=model),
        parallelism=replace(
            p,
            pipeline_parallel_degree=1,
            pipeline_parallel_layers_per_stage=None,
            module_fqns_per_model_part=None,
            fsdp_reshard_after_forward="never" if never else p.fsdp_reshard_after_forward,
        ),
        training=replace(training, local_batch_size=rows, global_batch_size=-1, enable_cpu_offload=False),  # type: ignore[call-arg]
    )


def reduces_once(config: CodeTrainer.Config, topology: Topology) -> bool:
    """Returns whether gradients are reduced once a step, and not in every one of its microbatches."""
    training = config.training
    several = training.global_batch_size > training.local_batch_size * topology.data_parallel
    return config.parallelism.pipeline_parallel_degree > 1 or (several and training.syncs_once(topology.size("fsdp")))


def _degree_of(part: Any, topology: Topology) -> Callable[[Any], str]:
    """Returns the function that names the degree of a process group: FSDP's own, else where its ranks differ."""
    fsdp: dict[str, str] = {}
    for state in (m._get_fsdp_state() for m in part.modules() if isinstance(m, FSDPModule)):
        for info in (group.mesh_info for group in state._fsdp_param_groups):
            for degree, kind in (("fsdp", "shard"), ("replicate", "replicate")):
                if (group := getattr(info, f"{kind}_process_group", None)) is not None:
                    fsdp[group.group_name] = degree

    def degree_of(group: Any) -> str:
        if group.group_name in fsdp:
            return fsdp[group.group_name]
        varying = topology.varying(dist.get_process_group_ranks(group))
        return next((degree for degree in ("tp", "cp") if varying <= set(DEGREES[degree])), "others")

    return degree_of


def trace(
    config: CodeTrainer.Config, topology: Topology, roofline: Roofline, attention_share: float, *, blocks: int = BLOCKS
) -> Trace:
    """Traces the microbatches of a rank of `topology`; see `Trace`.

    Args:
        config: complete, for topology.world_size processes.
        topology: the mesh; its pipeline degree is taken for 1.
        roofline: how long a kernel takes.
        attention_share: share of the full L × L attention that the mask leaves.
        blocks: of the model that is run.
    """
    torch._dynamo.reset()  # of another trace in this process
    pipelined, once = config.parallelism.pipeline_parallel_degree > 1, reduces_once(config, topology)
    topology = replace(topology, degrees={**topology.degrees, "pp": 1})
    config = without_stages(config, blocks)
    rows, seq_len = config.training.local_batch_size, config.training.seq_len
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    ledger = Ledger(mode, seconds=roofline.seconds, attention_share=attention_share)
    if config.compile.enable:
        compiler = replace(config.compile, backend=fused_backend(ledger))
        config = replace(config, compile=compiler)  # type: ignore[call-arg]
    with build(config, rank=0, world_size=topology.world_size, mode=mode) as trainer:
        part = trainer.model_parts[0]
        ledger.degree_of = _degree_of(part, topology)
        layers = list(part.layers.items())
        parameters = {
            "embedding": shards(part.tok_embeddings),
            "block": shards(layers[-1][1]),
            "norm": shards(part.norm),
            "head": shards(part.lm_head),
        }
        for i, (name, block) in enumerate(layers):
            part.layers[name] = _Bounded(block, ledger, i, last=i == blocks - 1)
        for tensor in [*part.parameters(), *part.buffers()]:
            ledger.see(tensor)

        def microbatch(*, reduces: bool = not once) -> list[Segment]:
            if pipelined:  # as a stage does: weights are given back, and gradients reduced, once a step
                part.set_is_last_backward(reduces)
                part.set_reshard_after_backward(reduces)
                part.set_requires_gradient_sync(reduces)
            inputs = torch.zeros(rows, seq_len, dtype=torch.int64)
            with contextlib.nullcontext() if pipelined else trainer.gradient_sync(reduces):
                trainer.forward_backward_step(
                    input_dict={"input": inputs, "positions": torch.zeros_like(inputs)}
                    | targets_like(inputs, config.objective),
                    labels=torch.zeros_like(inputs),
                    global_valid_tokens=torch.tensor(float(rows * seq_len)),
                )
            ledger.close_segment("embedding backward")
            return ledger.take_segments()

        with mode, ledger:
            microbatch(reduces=True)  # compiles, and leaves nothing but gradients
            trainer.optimizers.zero_grad()
            gc.collect()
            ledger.close_segment("reset")
            ledger.take_segments()
            first, following = microbatch(), microbatch()
            last = microbatch(reduces=True) if once and not pipelined else following
    return Trace(first, following, last, parameters, hidden=ledger.boundary)
