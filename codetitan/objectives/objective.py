"""What an objective is: of the log-probabilities of a microbatch's labels, a loss and its slope at each of them.

That slope is the weight of a token's cross entropy, so whatever computes the latter (in chunks, over a vocabulary that
is sharded, at the end of a pipeline) trains any objective, and no mesh can change it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.distributed as dist

Streams = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class Learnt:
    """What an objective says of a microbatch.

    Attributes:
        loss: (), float64, not yet divided by the denominator; of all ranks it adds up to the objective's.
        weight_BL: float64 (B, L), −∂loss/∂logp: what each label's cross entropy is multiplied by.
        metrics: float64 (metrics,), sums; of all ranks they add up like the loss.
        count: (), float64, what the metrics are divided by.
    """

    loss: torch.Tensor
    weight_BL: torch.Tensor
    metrics: torch.Tensor
    count: torch.Tensor


@dataclass(frozen=True)
class TotalOverRanks:
    """Adds up over the context-parallel ranks, which share rows.

    Attributes:
        group: of these ranks; None: there is one.
    """

    group: dist.ProcessGroup | None = None

    @property
    def ranks(self) -> int:
        """How many there are."""
        return 1 if self.group is None else self.group.size()

    def __call__(self, tensor: torch.Tensor) -> torch.Tensor:
        """Returns the sum, in place; a collective."""
        if self.group is not None:
            dist.all_reduce(tensor, group=self.group)
        return tensor


class Objective(Protocol):
    """A pure function of a microbatch.

    Attributes:
        streams: what each label carries beside its id, in the order of the loader's: int64 (B, L), floats as bits.
        metrics: names of what it measures.
    """

    streams: tuple[str, ...]
    metrics: tuple[str, ...]

    def __call__(
        self, logp_BL: torch.Tensor, learnt_BL: torch.Tensor, streams: Streams, total: TotalOverRanks
    ) -> Learnt:
        """Returns the loss and its slope.

        Args:
            logp_BL: float32 (B, L), log-probability of each label; 0 where nothing is learnt.
            learnt_BL: bool (B, L), whether there is a label.
            streams: name → int64 (B, L).
            total: adds up over the ranks that share the rows.
        """
        ...
