"""Nothing that is not finite gets into the weights, or onto the disk.

The norm of all gradients, which is computed for clipping, tells at every step whether one of them is not finite, and
the same to every rank. On a CPU it is read before the optimizer's step. On a GPU reading it would wait for the whole
step, so the fused optimizer gets it as a tensor, the `found_inf` of torch's GradScaler: its kernels then change
nothing. The host reads a copy one step later, when it has waited for the GPU anyway (for the next step's count of
tokens, torchtitan's trainer.py), and before a step is logged or saved. The other implementations of the optimizer have
no such argument, so with them a step waits.
"""

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import torch
import torch.distributed as dist
from torch.optim import Optimizer

from codetitan.errors import ConfigError
from codetitan.titan import DTensor, dist_utils, logger


class FiniteGradients:
    """Keeps an update with gradients that are not finite from the weights, and stops the run or goes on without it.

    Args:
        optimizers: of the trainer.
        policy: whether such a step stops the run or is skipped.
        most: steps that may be skipped one after the other.
        on_device: whether the optimizers decide by a tensor (`found_inf`), and the host hears of it later.

    Attributes:
        skipped: steps without an update so far.
    """

    def __init__(
        self,
        optimizers: Sequence[Optimizer],
        policy: Literal["stop", "skip"],
        *,
        most: int,
        on_device: bool,
    ) -> None:
        self._optimizers, self._policy, self._most, self._on_device = optimizers, policy, most, on_device
        self.skipped = 0
        self._in_a_row = 0
        self._unread: tuple[int, torch.Tensor, torch.cuda.Event | None] | None = None
        self._not_now = False

    @contextlib.contextmanager
    def watch(self, step: int) -> Iterator[None]:
        """Within it, torchtitan's clipping of gradients is followed by `check` of their norm."""
        clip = dist_utils.clip_grad_norm_

        def clip_and_check(*args: Any, **kwargs: Any) -> torch.Tensor:
            norm: torch.Tensor = clip(*args, **kwargs)
            self.check(step, norm)
            return norm

        # The norm is a local variable of torchtitan's train_step, which is 120 lines long: no seam is nearer.
        dist_utils.clip_grad_norm_ = clip_and_check
        try:
            yield
        finally:
            dist_utils.clip_grad_norm_ = clip

    def check(self, step: int, norm: torch.Tensor) -> None:
        """Decides about the update of `step`.

        Args:
            step: counted from 1.
            norm: float32 (), of all gradients, the same on every rank.

        Raises:
            ConfigError: it is not finite, here or one step before, and that ends the run.
        """
        self.settle()
        if not self._on_device:
            self._decide(step, float(norm))
            return
        found = (~torch.isfinite(norm)).to(torch.float32)
        for optimizer in self._optimizers:
            optimizer.found_inf = found  # type: ignore[attr-defined]
        copy = torch.empty((), dtype=norm.dtype, pin_memory=norm.is_cuda)
        copy.copy_(norm.detach(), non_blocking=True)
        event = None
        if norm.is_cuda:
            event = torch.cuda.Event()  # type: ignore[no-untyped-call]
            event.record()
        self._unread = (step, copy, event)

    def settle(self) -> None:
        """Reads what the device said of the last step.

        Raises:
            ConfigError: its gradients were not finite, and that ends the run.
        """
        if self._unread is None:
            return
        step, norm, event = self._unread
        self._unread = None
        if event is not None:
            event.synchronize()
        self._decide(step, float(norm))

    def _decide(self, step: int, norm: float) -> None:
        if math.isfinite(norm):
            self._in_a_row = 0
            return
        self.skipped += 1
        self._in_a_row += 1
        self._not_now = True
        what = f"step {step}: the norm of the gradients is {norm}"
        if self._policy == "stop":
            raise ConfigError(
                f"{what}, and its update is not made; lower optimizer.lr or training.max_norm, look at its data "
                '(codetitan data inspect), or set training.on_nonfinite = "skip"'
            )
        if self._in_a_row > self._most:
            raise ConfigError(
                f"{what}, as in the {self._in_a_row - 1} steps before, none of whose updates is made; lower "
                "optimizer.lr or training.max_norm, or raise training.max_skipped_steps"
            )
        logger.warning("%s: skipped", what)

    def skips(self) -> bool:
        """Returns whether the optimizers must not step now, where the host decides; asked once a step."""
        not_now, self._not_now = self._not_now and not self._on_device, False
        return not_now

    @property
    def last_was_skipped(self) -> bool:
        """Whether the update of the last step was not made."""
        return self._in_a_row > 0


def check_saved(state_dict: Mapping[str, Any], where: str) -> None:
    """Makes sure that what is about to be saved is finite, on every rank; a collective where there are several.

    Weights that a finite gradient has made infinite, or moments that overflowed, are caught here; two numbers a tensor
    are computed where it lies, and read at once.

    Raises:
        ConfigError: something is not; the same on every rank.
    """
    extremes: dict[torch.device, list[torch.Tensor]] = {}
    names: dict[torch.device, list[str]] = {}
    optimizer: Any = state_dict.get("optimizer")  # the container, whose state the distributed checkpoint asks for
    moments = {} if optimizer is None else optimizer.state_dict()
    for name, value in {**state_dict, **moments}.items():
        local = value.to_local() if isinstance(value, DTensor) else value
        if isinstance(local, torch.Tensor) and local.is_floating_point() and local.numel():
            extremes.setdefault(local.device, []).append(torch.stack(torch.aminmax(local.detach())).float())
            names.setdefault(local.device, []).append(name)
    bad = [
        name
        for device, pairs in extremes.items()
        for name, ok in zip(names[device], torch.isfinite(torch.stack(pairs)).all(1).tolist(), strict=True)
        if not ok
    ]
    found: list[list[str]] = [bad]
    if dist.get_world_size() > 1:
        found = [[] for _ in range(dist.get_world_size())]
        dist.all_gather_object(found, bad[:1])
    first = next((name for names_ in found for name in names_), None)
    if first is not None:
        raise ConfigError(
            f"{where} is not saved: {first} is not finite; lower optimizer.lr or training.max_norm, and start the same "
            "command again, it goes on from the checkpoint before"
        )
