"""What a traced model allocates, computes and sends: a mode under which every operation is written down."""

import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.distributed as dist
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from codetitan.titan import DTensor, _resolve_process_group

_ATTENTION = (
    torch.ops.aten._scaled_dot_product_flash_attention,
    torch.ops.aten._scaled_dot_product_flash_attention_backward,
)


@dataclass(frozen=True)
class Cost:
    """Work of a rank: additive, and scaled by a number.

    Attributes:
        seconds: of its kernels, one after the other.
        flops: of matmuls and attention, recomputation included; attention without what its mask leaves out.
        received: degree → bytes that a ring brings to the rank.
        calls: degree → number of collectives.
    """

    seconds: float = 0.0
    flops: float = 0.0
    received: dict[str, float] = field(default_factory=dict)
    calls: dict[str, float] = field(default_factory=dict)

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            self.seconds + other.seconds,
            self.flops + other.flops,
            {k: self.received.get(k, 0) + other.received.get(k, 0) for k in self.received | other.received},
            {k: self.calls.get(k, 0) + other.calls.get(k, 0) for k in self.calls | other.calls},
        )

    def __mul__(self, factor: float) -> "Cost":
        return Cost(
            self.seconds * factor,
            self.flops * factor,
            {k: n * factor for k, n in self.received.items()},
            {k: n * factor for k, n in self.calls.items()},
        )


@dataclass(frozen=True)
class Segment:
    """A part of a step: what it leaves allocated (bytes, may be negative), its peak above its start, and its work."""

    name: str
    kept: int
    above: int
    cost: Cost


class Ledger(TorchDispatchMode):
    """Counts the storages of `fake_mode`'s tensors and the work of the operations on them.

    Args:
        fake_mode: whose tensors count; others are torch's own bookkeeping (DTensor works out shapes with some).
        seconds: (kind, FLOPs, bytes) → how long a kernel takes; kind is matmul, fp32, fp8, attention,
            attention_backward or memory.
        attention_share: share of the full L × L attention that the mask leaves.
    """

    def __init__(
        self,
        fake_mode: Any,
        *,
        seconds: Callable[[str, float, float], float],
        attention_share: float,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.fused: int | None = None
        self.now = 0
        self.boundary = 0  # bytes of the hidden state where the last segment of a forward pass ended
        self.degree_of: Callable[[Any], str] = str  # of a process group
        self._fake_mode, self._seconds, self._share = fake_mode, seconds, attention_share
        self._sizes: dict[int, int] = {}
        self._cost = Cost()
        self._start, self._peak = 0, 0
        self._segments: list[Segment] = []

    @classmethod
    def is_infra_mode(cls) -> bool:
        """Dynamo compiles under this mode."""
        return True

    def close_segment(self, name: str) -> None:
        """Ends the segment under way."""
        self._segments.append(Segment(name, self.now - self._start, self._peak - self._start, self._cost))
        self._cost = Cost()
        self._start = self._peak = self.now

    def take_segments(self) -> list[Segment]:
        """Returns the segments since the last call."""
        segments, self._segments = self._segments, []
        return segments

    def see(self, tensor: Any) -> None:
        """Counts a tensor's storage, once."""
        tensor = tensor._local_tensor if isinstance(tensor, DTensor) else tensor
        if getattr(tensor, "fake_mode", None) is not self._fake_mode:
            return
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key not in self._sizes:
            self._sizes[key] = storage.nbytes()
            self.now += storage.nbytes()
            self._peak = max(self._peak, self.now)
            weakref.finalize(storage, self._drop, key)

    def _drop(self, key: int) -> None:
        self.now -= self._sizes.pop(key, 0)

    def _resized(self, storage: torch.UntypedStorage) -> None:
        if (before := self._sizes.get(storage._cdata)) is not None:
            self._sizes[storage._cdata] = storage.nbytes()
            self.now += storage.nbytes() - before
            self._peak = max(self._peak, self.now)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if any(issubclass(t, DTensor) for t in types):
            return NotImplemented
        out = func(*args, **(kwargs or {}))
        outputs = [t for t in tree_leaves(out) if isinstance(t, torch.Tensor)]
        mine = [t for t in outputs if getattr(t, "fake_mode", None) is self._fake_mode]
        if self.fused == 0 or not (mine or func.namespace == "c10d"):
            return out
        new = [t for t in mine if t.untyped_storage()._cdata not in self._sizes]
        for tensor in mine:
            self.see(tensor)
        self._charge(func, args, kwargs or {}, out, new)
        return out

    def _charge(self, func: Any, args: Any, kwargs: Any, out: Any, new: list[torch.Tensor]) -> None:
        if func.namespace in ("c10d", "_c10d_functional"):
            self._collective(func, args, kwargs, out)
            return
        writes = sum(_nbytes(t) for t in new)
        if self.fused is not None:
            reads = self.fused
        else:
            if func.is_view or not (new or func._schema.is_mutable) or func.__name__.startswith(("empty", "new_empty")):
                return
            reads = sum(_nbytes(t) for t in tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor))
        packet, kind, flops = func._overloadpacket, "memory", 0.0
        if packet in flop_registry:
            flops = float(flop_registry[packet](*args, **kwargs, out_val=out))
            kind = "fp8" if packet is torch.ops.aten._scaled_mm else "matmul"
        if packet in _ATTENTION:
            flops *= self._share
            kind = "attention" if packet is _ATTENTION[0] else "attention_backward"
        if flops and args[0].dtype == torch.float32:
            kind = "fp32"
        seconds = self._seconds(kind, flops, reads + writes)
        self._cost = self._cost + Cost(seconds, flops)

    def _collective(self, func: Any, args: Any, kwargs: Any, out: Any) -> None:
        name = func._overloadpacket.__name__
        if name in ("wait_tensor", "barrier") or "recv" in name or "send" in name:
            return
        tensors = [t for t in tree_leaves((args, kwargs, out)) if isinstance(t, torch.Tensor)]
        group = _group(func, args, kwargs)
        degree, size = self.degree_of(group), group.size()
        # A ring brings a rank all but its own share of the gathered or scattered tensor; a reduction that leaves the
        # sum everywhere does both.
        whole = max(map(_nbytes, tensors)) * (2 if "allreduce" in name or "all_reduce" in name else 1)
        self._cost = self._cost + Cost(0.0, 0.0, {degree: whole * (size - 1) / size}, {degree: 1})

    def __enter__(self) -> "Ledger":
        resize = self._resize = torch.UntypedStorage.resize_

        def resize_(storage: torch.UntypedStorage, size: int) -> Any:
            out = resize(storage, size)
            self._resized(storage)
            return out

        torch.UntypedStorage.resize_ = resize_  # type: ignore[method-assign, assignment]  # FSDP frees gathered weights with it
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *error: Any) -> None:
        torch.UntypedStorage.resize_ = self._resize  # type: ignore[method-assign]
        super().__exit__(*error)  # type: ignore[no-untyped-call]


def _group(func: Any, args: Any, kwargs: Any) -> Any:
    """Returns the process group of a collective, from the argument that names it or is it."""
    names = [argument.name for argument in func._schema.arguments]
    values = dict(zip(names, args, strict=False)) | kwargs
    if "group_name" in values:
        return _resolve_process_group(values["group_name"])
    return dist.ProcessGroup.unbox(values["process_group"])


def _nbytes(tensor: torch.Tensor) -> int:
    return int(tensor.numel()) * tensor.element_size()
