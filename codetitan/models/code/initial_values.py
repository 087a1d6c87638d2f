"""Initial values that do not depend on the mesh (contract 6): a function of (seed, the parameter's name).

torch's distributed random numbers do not work on a CPU and give other values on other meshes. Here each parameter is
drawn whole, by a generator of its own on its own device, and then sharded: one full parameter exists at a time. CPU
and CUDA draw different values.
"""

import math

import torch
from torch import nn

from codetitan import device
from codetitan.data.order import key
from codetitan.models.code.shape import EMBEDDING, HEAD, Flavor, Tensor, block_tensors, outer_tensors
from codetitan.titan import DTensor, Replicate, canonical_fqn, is_fake

STD = 0.02


def tensor_of(shape: Flavor, name: str) -> Tensor:
    """Returns the entry of a parameter by its name in the whole model."""
    if not name.startswith("layers."):
        return outer_tensors(shape)[name]
    return block_tensors(shape)[name.split(".", 2)[2]]


def initial_std(tensor: Tensor, n_layers: int) -> float:
    """Returns 0.02, scaled by 1/√(2·layers) for the projections that write to the residual stream.

    Source: GPT-2 (Radford et al. 2019, §2.3); StarCoder, arXiv 2305.06161, uses the same.
    """
    return STD / math.sqrt(2 * n_layers) if tensor.initial == "residual" else STD


@torch.no_grad()
def init_parameters(model: nn.Module, shape: Flavor, *, seed: int) -> None:
    """Fills every parameter: norms with 1, biases with 0, weights from a normal distribution cut at three standard
    deviations."""
    for wrapped_name, parameter in model.named_parameters():
        if is_fake(parameter):
            continue  # a plan's: it has no storage
        name = canonical_fqn(wrapped_name)
        if shape.tie_embeddings and name == HEAD:  # of a last pipeline stage
            name = EMBEDDING
        tensor = tensor_of(shape, name)
        if tensor.initial in ("one", "zero"):
            parameter.fill_(float(tensor.initial == "one"))
            continue
        # Offloaded weights lie on the CPU, which would draw others.
        full = torch.empty(parameter.shape, dtype=torch.float32, device=device.device_type())
        generator = torch.Generator(device=full.device).manual_seed(key(seed, "init", name) >> 1)
        std = initial_std(tensor, shape.n_layers)
        nn.init.trunc_normal_(full, std=std, a=-3 * std, b=3 * std, generator=generator)
        full = full.to(parameter.device)
        if isinstance(parameter, DTensor):
            mesh = parameter.device_mesh
            parameter.copy_(DTensor.from_local(full, mesh, [Replicate()] * mesh.ndim, run_check=False))
        else:
            parameter.copy_(full)
