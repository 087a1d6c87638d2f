"""A process of a run whose weights FSDP gathers in FP8: trains, then looks at the weights."""

import os
from pathlib import Path

import torch

from codetitan.config.resolve import resolve
from codetitan.models.code.float8_linear import Float8Linear
from codetitan.titan import DTensor, WeightWithDynamicFloat8CastTensor
from codetitan.training.trainer import CodeTrainer


def train_and_look(arguments: list[str]) -> int:
    """A rank: trains the configuration, and says how many weights it has checked."""
    resolved = resolve(Path(arguments[0]), arguments[1:], world_size=int(os.environ["WORLD_SIZE"]))
    trainer: CodeTrainer = resolved.config.build()
    trainer.train()
    (model,) = trainer.model_parts
    state = {value.data_ptr(): value for value in model.state_dict().values() if not isinstance(value, DTensor)}
    assert not state, "FSDP shards every parameter"
    checked = 0
    for module in model.modules():
        if not isinstance(module, Float8Linear):
            continue
        local = module.weight._local_tensor
        assert isinstance(local, WeightWithDynamicFloat8CastTensor)
        saved = module.state_dict()["weight"]
        assert type(saved._local_tensor) is torch.Tensor
        assert saved._local_tensor.data_ptr() == local._tensor.data_ptr()
        # torchao's definition of the scale of a weight in e4m3, from the whole weight.
        amax = saved.full_tensor().abs().max().double()
        expected = (torch.finfo(torch.float8_e4m3fn).max / amax).float()
        assert torch.equal(local._precomputed_scale, expected), (local._precomputed_scale, expected)
        # What FSDP gathers with the scale of the step is what it would gather with one of its own.
        (data,), (scale,) = local.fsdp_pre_all_gather(None)
        assert data.dtype == torch.float8_e4m3fn
        local._precomputed_scale = None
        (data_own,), (scale_own,) = local.fsdp_pre_all_gather(module.weight.device_mesh)
        assert torch.equal(scale, scale_own) and torch.equal(data.float(), data_own.float())
        checked += 1
    trainer.close()
    print(f"checked {checked} weights", flush=True)
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()
    return 0
