"""Applies the plan to a model: torchtitan's order of TP, CP, activation checkpointing, compile and FSDP."""

from typing import Any

from torch import nn

from codetitan import device
from codetitan.models.code.freezing import trains
from codetitan.titan import FSDPModule, canonical_fqn, parallelize_llama


def parallelize_code(part: Any, **plan: Any) -> nn.Module:
    """torchtitan's `parallelize_fn`: takes and returns the model, with the trainer's parallel settings."""
    if part.tok_embeddings is None or part.lm_head is None:
        part.enable_weight_tying = False  # a pipeline stage: TiedAcrossStages keeps both ends equal
    model: nn.Module = parallelize_llama(part, **plan)
    for name, parameter in model.named_parameters():
        # Here, and not before: torchtitan registers parameters anew where it shards them, as trained ones.
        parameter.requires_grad_(trains(canonical_fqn(name), part.config.shape, part.config.train_layers))
    if device.device_type() == "cpu":
        for module in model.modules():
            if isinstance(module, FSDPModule):
                # FSDP's pre-multiplied sum is NCCL's own; gloo has plain sums only.
                module.set_force_sum_reduction_for_comms(True)
    return model
