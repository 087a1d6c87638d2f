"""Pipeline parallelism: torchtitan's stages, placed by cost, and embeddings tied across the first and the last one."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

from codetitan.titan import (
    DTensor,
    PipelineScheduleSingle,
    ScheduleDualPipeV,
    ScheduleZBVZeroBubble,
    _Action,
    get_schedule_class,
    pipeline_llm,
)


def is_looped(schedule: str) -> bool:
    """Whether a schedule has several stages on a rank."""
    return not issubclass(get_schedule_class(schedule), PipelineScheduleSingle)


def is_v_shaped(schedule: str) -> bool:
    """Whether a schedule has the first and the last stage on one rank."""
    return issubclass(get_schedule_class(schedule), (ScheduleZBVZeroBubble, ScheduleDualPipeV))


def pipeline_code(model: nn.Module, *, parallelism: Any, model_config: Any, **plan: Any) -> Any:
    """torchtitan's `pipelining_fn`: splits the model by `model_config.stages` and schedules the stages."""
    parallelism = replace(
        parallelism,
        module_fqns_per_model_part=model_config.stages,
        pipeline_parallel_layers_per_stage=None,  # counted in model_config.stages
    )
    return pipeline_llm(model, parallelism=parallelism, model_config=model_config, **plan)


# What a pass forward needs of a schedule. torch's own `eval` leaves the rest in, which does nothing where stages talk
# through a group; but where the next stage is on the same rank, as in V-shaped ones, it asks it for a gradient.
_FORWARD = frozenset({"F", "SEND_F", "RECV_F", "WAIT_SEND_F", "UNSHARD", "RESHARD"})  # torch 2.14 has no WAIT_SEND_F


@contextlib.contextmanager
def forward_only(schedule: Any) -> Iterator[None]:
    """Within it, a schedule has nothing but its passes forward; behind it, it trains as if nothing had been."""
    orders: dict[int, list[_Action]] | None = getattr(schedule, "pipeline_order_with_comms", None)  # of several stages
    if orders is not None:
        schedule.pipeline_order_with_comms = {
            rank: [
                part
                for action in actions
                for part in (action.sub_actions or (action,))  # of an overlapped pass forward and backward
                if part.computation_type.value in _FORWARD
            ]
            for rank, actions in orders.items()
        }
    # Else torch infers the stages' shapes anew, by a pass through all of them one after the other, at the first
    # microbatches that are evaluated and again at the next step (schedules.py, _initialize_pp_stages).
    flag = "_stage_backward_initialized" if orders is None else "_stages_backward_initialized"
    has_trained = getattr(schedule, flag)
    setattr(schedule, flag, False)
    try:
        yield
    finally:
        setattr(schedule, flag, has_trained)
        if orders is not None:
            schedule.pipeline_order_with_comms = orders


def is_copy(part: Any, name: str) -> bool:
    """Whether parameter `name` of a stage is the head of tied embeddings, whose original is on another stage."""
    return bool(part.config.enable_weight_tying) and part.tok_embeddings is None and name == "lm_head.weight"


def _local(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


class TiedAcrossStages:
    """Keeps the last stage's head equal to the first stage's embedding, which alone is optimized and clipped.

    The head's gradient goes to the first stage and is added there; after the optimizer's step the weight comes back.
    Both are sharded alike, so a rank only talks to the one with its place in the mesh at the other end. Under a
    V-shaped schedule that is the rank itself. Source: Megatron-LM's word embeddings, arXiv 2104.04473, §2.2.
    """

    def __init__(self, parts: list[Any], pp_mesh: Any, *, last_stage_rank: int) -> None:
        self._group = pp_mesh.get_group()
        self._last_stage_rank = last_stage_rank
        embeddings = [part.tok_embeddings for part in parts if part.tok_embeddings is not None]
        heads = [part.lm_head for part in parts if part.lm_head is not None]
        self._embedding = embeddings[0].weight if embeddings else None
        self._head = heads[0].weight if heads else None

    def add_gradient(self) -> None:
        """Moves the head's gradient to the embedding; a send and a receive between the first and the last stage."""
        if self._head is not None and self._embedding is None:
            assert self._head.grad is not None, "called after the backward pass"
            dist.send(_local(self._head.grad).contiguous(), group=self._group, group_dst=0)
            self._head.grad = None
        elif self._embedding is not None:
            assert self._embedding.grad is not None, "called after the backward pass"
            gradient = _local(self._embedding.grad)
            if self._head is not None:
                assert self._head.grad is not None
                gradient += _local(self._head.grad)
                self._head.grad = None
            else:
                received = torch.empty_like(gradient)
                dist.recv(received, group=self._group, group_src=self._last_stage_rank)
                gradient += received

    @torch.no_grad()
    def copy_weight(self) -> None:
        """Makes the head what the embedding is."""
        if self._embedding is not None and self._head is not None:
            _local(self._head).copy_(_local(self._embedding))
        elif self._embedding is not None:
            dist.send(_local(self._embedding).contiguous(), group=self._group, group_dst=self._last_stage_rank)
        elif self._head is not None:
            dist.recv(_local(self._head), group=self._group, group_src=0)
