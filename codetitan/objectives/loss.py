"""torchtitan's chunked loss with an objective in it: cross entropy whose labels have weights, which it decides.

The head is passed twice: first without gradients, for the log-probabilities that the objective is a function of, then,
chunk by chunk, for the weighted cross entropy, whose gradient is the objective's. Where nothing is trained, as in
validation, it is plain cross entropy.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.distributed as dist

from codetitan.objectives.config import DPO
from codetitan.objectives.cross_entropy import label_losses
from codetitan.objectives.objective import Objective, TotalOverRanks
from codetitan.objectives.preferences import Preferences
from codetitan.titan import IGNORE_INDEX, BaseLoss, ChunkedLossWrapper, CrossEntropyLoss, is_fake

WEIGHTED: dict[type, Callable[[Any], Objective]] = {DPO: Preferences}
"""Table [objective] → what its labels' weights are decided by; of those that are not here, each is 1."""

Returned = tuple[torch.Tensor, dict[str, torch.Tensor]]


def with_objective(loss: BaseLoss.Config, objective: Any, vocab_size: int) -> BaseLoss.Config:
    """Returns the configuration of the loss that trains an objective.

    Args:
        loss: torchtitan's, as [loss] says.
        objective: as [objective] says.
        vocab_size: V; under tensor parallelism a rank has a part of the logits, and must know of how many.
    """
    if type(objective) not in WEIGHTED:
        whole = CrossEntropyLoss.Config(global_vocab_size=vocab_size)
        return replace(loss, loss_fn=whole) if isinstance(loss, ChunkedLossWrapper.Config) else whole
    return ObjectiveLoss.Config(
        num_chunks=loss.num_chunks if isinstance(loss, ChunkedLossWrapper.Config) else 1,
        loss_fn=WeightedCrossEntropy.Config(global_vocab_size=vocab_size),
        objective=objective,
    )


def targets_like(ids_BL: torch.Tensor, objective: Any) -> dict[str, torch.Tensor]:
    """Returns what a loader yields beside inputs for an objective, of zeros: for dry runs."""
    if type(objective) not in WEIGHTED:
        return {}
    streams = WEIGHTED[type(objective)](objective).streams
    return {"targets": ids_BL.new_zeros((*ids_BL.shape, 1 + len(streams)))}


class Measured:
    """What an objective has measured since that was last read.

    Args:
        names: of its metrics.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names
        self._sums: torch.Tensor | None = None  # of the metrics, then of what they are divided by

    def add(self, metrics: torch.Tensor, count: torch.Tensor) -> None:
        """Adds a microbatch's."""
        new = torch.cat([metrics, count[None]])
        self._sums = new if self._sums is None else self._sums + new

    def take(self, groups: Sequence[dist.ProcessGroup], device: torch.device) -> dict[str, float]:
        """Returns name → mean over the ranks of all `groups`, {} where there was nothing, and begins anew; a collective
        of them."""
        n = len(self._names) + 1
        sums = torch.zeros(n, dtype=torch.float64, device=device) if self._sums is None else self._sums
        self._sums = None
        for group in groups:
            dist.all_reduce(sums, group=group)
        *values, count = sums.tolist()
        return {name: value / count for name, value in zip(self._names, values, strict=True)} if count else {}


class WeightedCrossEntropy(CrossEntropyLoss):
    """Cross entropy of labels int64 (B, L, 2): ids, and the float64 of their weights.

    Attributes:
        tp_group: the ranks over which the vocabulary is sharded; None: it is whole.
        collected: where it is a list, the losses of labels (B, L, …) are appended to it, and none has a weight.
    """

    @dataclass(kw_only=True, slots=True)
    class Config(CrossEntropyLoss.Config):
        pass

    def __init__(self, config: Config, *, compile_config: Any = None) -> None:
        super().__init__(config, compile_config=compile_config)
        self.tp_group: dist.ProcessGroup | None = None
        self.collected: list[torch.Tensor] | None = None
        # torchtitan's keys: what says that a loss is compiled.
        compiled = compile_config is not None and compile_config.enable and "loss" in compile_config.components
        self._losses = torch.compile(label_losses, backend=compile_config.backend) if compiled else label_losses

    def __call__(
        self, pred: torch.Tensor, labels: torch.Tensor, global_valid_tokens: torch.Tensor | None = None, **kwargs: Any
    ) -> Returned:
        """Returns the sum of the losses by their weights, over `global_valid_tokens`."""
        ids_BL = labels[..., 0] if labels.ndim == 3 else labels
        if self.collected is not None:
            losses = self._losses(pred, ids_BL, self.tp_group, self.global_vocab_size)
            self.collected.append(losses.view(ids_BL.shape))
            return losses.sum(), {}
        if not torch.is_grad_enabled():
            measured: Returned = super().__call__(pred, ids_BL, global_valid_tokens, **kwargs)
            return measured
        assert global_valid_tokens is not None, "a step knows its denominator"
        losses = self._losses(pred, ids_BL, self.tp_group, self.global_vocab_size)
        return (losses * labels[..., 1].view(torch.float64).flatten().float()).sum() / global_valid_tokens, {}


class ObjectiveLoss(ChunkedLossWrapper):
    """The loss of an objective; labels are int64 (B, L, 1 + its streams).

    Attributes:
        total: adds up over the ranks that share rows.
        measured: what the objective has measured.
    """

    @dataclass(kw_only=True, slots=True)
    class Config(ChunkedLossWrapper.Config):
        objective: Any

    def __init__(self, config: Config, *, compile_config: Any = None) -> None:
        super().__init__(config, compile_config=compile_config)
        self._objective = WEIGHTED[type(config.objective)](config.objective)
        self.total = TotalOverRanks()
        self.measured = Measured(self._objective.metrics)

    def place(self, tp_group: dist.ProcessGroup | None, cp_group: dist.ProcessGroup | None) -> None:
        """Says which ranks share the vocabulary, and which share rows; None: no others do."""
        assert isinstance(self.loss_fn, WeightedCrossEntropy)
        self.loss_fn.tp_group, self.total = tp_group, TotalOverRanks(cp_group)

    def __call__(
        self, pred: torch.Tensor, labels: torch.Tensor, global_valid_tokens: torch.Tensor | None = None, **kwargs: Any
    ) -> Returned:
        """Returns the objective's loss over its denominator, `global_valid_tokens`."""
        if not pred.requires_grad:
            measured: Returned = super().__call__(pred, labels, global_valid_tokens, **kwargs)
            return measured
        inner = self.loss_fn
        assert isinstance(inner, WeightedCrossEntropy) and global_valid_tokens is not None
        inner.collected = []
        with torch.no_grad():
            super().__call__(pred.detach(), labels)
        losses_BL, inner.collected = torch.cat(inner.collected, 1), None
        ids_BL, *streams = labels.unbind(-1)
        learnt = self._objective(
            -losses_BL,
            ids_BL != IGNORE_INDEX,
            dict(zip(self._objective.streams, streams, strict=True)),
            self.total,
        )
        if not is_fake(pred):  # a pipeline passes such tensors through its stages, to learn their shapes
            self.measured.add(learnt.metrics, learnt.count)
        weighted = torch.stack([ids_BL, learnt.weight_BL.view(torch.int64)], -1)
        surrogate, _ = super().__call__(pred, weighted, global_valid_tokens, **kwargs)
        return _WithValue.apply(surrogate, (learnt.loss / global_valid_tokens).float()), {}


class _WithValue(torch.autograd.Function):
    """The gradient of one scalar with the value of another: the weighted cross entropy's and the objective's."""

    @staticmethod
    def forward(ctx: Any, surrogate: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        return value.clone()

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        return gradient, None
