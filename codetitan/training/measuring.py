"""Passes forward of the model that is trained, beside its training: each label's loss, added up by cell on any mesh.

A label carries the number of its cell (data/validation/cells.py). Where a sequence or a batch is cut over ranks, each
adds up what it has; the sums of all ranks are the same numbers on every mesh, but for the rounding of float32.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist

from codetitan.data.validation.cells import CELL_SHIFT
from codetitan.models.code.pipeline import forward_only
from codetitan.objectives.cross_entropy import label_losses
from codetitan.titan import IGNORE_INDEX, ChunkedLossWrapper, DTensor, FSDPModule

if TYPE_CHECKING:
    from codetitan.training.trainer import CodeTrainer

Microbatch = tuple[dict[str, torch.Tensor], torch.Tensor]
"""Inputs as the loader yields them, and labels int64 (B, L), id + 2^32 · cell."""


def forward(trainer: "CodeTrainer", group: list[Microbatch]) -> None:
    """Passes a microbatch, or those of a pipeline, through model and loss."""
    done = [trainer.post_dataloading_process(inputs, labels) for inputs, labels in group]
    with trainer.train_context():
        if not trainer.parallel_dims.pp_enabled:
            ((inputs, labels, arguments),) = done
            trainer.loss_fn(trainer.model_parts[0](inputs, **arguments), labels)
            return
        with forward_only(trainer.pp_schedule):
            trainer.pp_schedule.eval(
                arg_mbs=[(inputs,) for inputs, _, _ in done] if trainer.pp_has_first_stage else None,
                kwarg_mbs=[arguments for _, _, arguments in done],
                target_mbs=[labels for _, labels, _ in done] if trainer.pp_has_last_stage else None,
                losses=[] if trainer.pp_has_last_stage else None,
                return_outputs=False,
            )


@contextlib.contextmanager
def measuring(trainer: "CodeTrainer", nats: torch.Tensor) -> Iterator[None]:
    """Within it, the loss function adds to `nats`, float64 (cells,); behind it, the training goes on as if nothing had
    been."""
    loss = trainer.loss_fn.loss_fn if isinstance(trainer.loss_fn, ChunkedLossWrapper) else trainer.loss_fn
    train_fn, seen = loss.fn, trainer.ntokens_seen
    tp = trainer.parallel_dims.get_optional_mesh("tp")
    loss.fn = _by_cell(nats, None if tp is None else tp.get_group())
    try:
        with torch.no_grad():
            yield
    finally:
        loss.fn, trainer.ntokens_seen = train_fn, seen
        for part in trainer.model_parts:
            for module in part.modules():
                if isinstance(module, FSDPModule):
                    # Without a backward pass the root's weights stay gathered, and the next step would begin with
                    # them, whatever the optimizer has done since.
                    module.reshard()


def add_up(trainer: "CodeTrainer", nats: torch.Tensor) -> None:
    """Makes the sums of this rank those of all; a collective."""
    for name in ("loss", "pp"):  # cut over data and sequence; and only a pipeline's last stage has losses
        if (mesh := trainer.parallel_dims.get_optional_mesh(name)) is not None:
            dist.all_reduce(nats, group=mesh.get_group())
    if dist.get_world_size() > 1:
        # A GPU adds up in any order, so tensor-parallel ranks may differ in the last bit; but what follows from the
        # numbers, such as the end of the run, must be the same on each.
        dist.broadcast(nats, 0)


def _by_cell(nats: torch.Tensor, tp_group: dist.ProcessGroup | None) -> Callable[..., torch.Tensor]:
    """Returns a loss function that adds each label's loss to its cell.

    Args:
        nats: float64 (cells,), added to.
        tp_group: the ranks over which the vocabulary is sharded; None: it is whole.
    """

    def add(pred: torch.Tensor, labels: torch.Tensor, *, global_vocab_size: int | None) -> torch.Tensor:
        labels = labels.to_local() if isinstance(labels, DTensor) else labels
        ids = torch.where(labels >= 0, labels & ((1 << CELL_SHIFT) - 1), IGNORE_INDEX)
        losses = label_losses(pred, ids, tp_group, global_vocab_size)
        nats.index_add_(0, labels.flatten().clamp(min=0) >> CELL_SHIFT, losses.double())
        return losses.sum()

    return add
