"""Cross entropy label by label, whether a rank has the whole vocabulary or a shard."""

import torch
import torch.distributed as dist

from codetitan.titan import IGNORE_INDEX, DTensor, _LossParallelCrossEntropy


def label_losses(
    pred_BLV: torch.Tensor, ids_BL: torch.Tensor, tp_group: dist.ProcessGroup | None, vocab_size: int | None
) -> torch.Tensor:
    """Returns float32 (B·L,): the loss of each label in nats, 0 of those that are IGNORE_INDEX.

    Args:
        pred_BLV: (B, L, V) logits, or this rank's shard of the vocabulary.
        ids_BL: int64 (B, L).
        tp_group: the ranks over which the vocabulary is sharded; None: it is whole.
        vocab_size: V of all ranks.
    """
    logits = (pred_BLV.to_local() if isinstance(pred_BLV, DTensor) else pred_BLV).flatten(0, 1).float()
    ids = (ids_BL.to_local() if isinstance(ids_BL, DTensor) else ids_BL).flatten(0, 1)
    if tp_group is None:
        return torch.nn.functional.cross_entropy(logits, ids, ignore_index=IGNORE_INDEX, reduction="none")
    losses: torch.Tensor = _LossParallelCrossEntropy.apply(logits, ids, tp_group, vocab_size, "none")
    return losses
