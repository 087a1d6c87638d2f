"""What fake process groups and fake tensors can't find out or do by themselves."""

import contextlib
from collections.abc import Iterator
from typing import Any
from unittest import mock

import torch
from torch._dynamo._trace_wrapped_higher_order_op import TransformGetItemToIndex
from torch._subclasses import fake_impls
from torch._subclasses.fake_tensor import unset_fake_temporarily
from torch.distributed.pipelining._utils import _StageMeta, _TensorMeta
from torch.utils._pytree import tree_map_only


def describe_stages(trainer: Any) -> None:
    """Tells the stages of `trainer` what they receive and send, which real ones ask each other at the first step.

    torch takes shapes from a stage's constructor, which torchtitan gives none; without them it refuses fake groups.
    """
    training, parallelism = trainer.config.training, trainer.config.parallelism
    rows = parallelism.pipeline_parallel_microbatch_size
    tokens = training.seq_len // parallelism.context_parallel_degree

    def described(*shape: int, dtype: torch.dtype) -> tuple[_TensorMeta]:
        example = torch.empty(shape, dtype=dtype, device="meta", requires_grad=dtype.is_floating_point)
        return (_TensorMeta.from_tensor(example),)

    ids = described(rows, tokens, dtype=torch.int64)
    dtype = getattr(torch, training.mixed_precision_param)
    hidden = described(rows, tokens, trainer.config.model.shape().dim, dtype=dtype)
    schedule = trainer.pp_schedule
    for stage in getattr(schedule, "_stages", None) or [schedule._stage]:
        stage._user_meta = _StageMeta(inputs=ids if stage.is_first else hidden, outputs=hidden)


@contextlib.contextmanager
def offloads() -> Iterator[None]:
    """Within it a fake tensor can be pinned, as FSDP pins the weights that it offloads; torch has it not yet."""

    def pinned(mode: Any, function: Any, tensor: torch.Tensor, device: Any = None) -> torch.Tensor:
        with mode:
            return torch.empty_like(tensor)

    with mock.patch.dict(fake_impls.op_implementations_dict, {torch.ops.aten._pin_memory.default: pinned}):
        yield


@contextlib.contextmanager
def indexes() -> Iterator[None]:
    """Within it an index written into a mask is computed in its graph, where torch makes a constant on the GPU.

    Context parallelism's masks have one. A fake constant has no value for inductor, and can't be copied with its graph.
    """
    whole = TransformGetItemToIndex.__torch_function__

    def computed(mode: Any, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function is torch.Tensor.__getitem__ and isinstance(args[1], int):
            args = (args[0], torch.full((), args[1], dtype=torch.int64, device=args[0].device))
        return whole(mode, function, types, args, kwargs)

    with mock.patch.object(TransformGetItemToIndex, "__torch_function__", computed):
        yield


def counts_documents(trainer: Any) -> None:
    """Lets the model of `trainer` find documents: each microbatch has more of them, and a shorter longest one.

    varlen reads their number and the longest one's length from the tensor of positions, and a fake one has no values.
    """
    (model,) = trainer.model_parts
    find = model.get_attention_masks
    microbatches = iter(range(1, 1000))

    def get_attention_masks(positions: torch.Tensor) -> Any:
        rows, tokens = positions.shape
        with unset_fake_temporarily():
            documents = next(microbatches)
            real = (torch.arange(tokens) % (tokens // documents)).expand(rows, tokens)
            masks = find(real)
        return tree_map_only(torch.Tensor, lambda t: torch.empty(t.shape, dtype=t.dtype, device="cuda"), masks)

    model.get_attention_masks = get_attention_masks
