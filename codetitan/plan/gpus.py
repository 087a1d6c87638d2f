"""The GPUs that `codetitan plan` knows: peaks, memory and links. No torch here.

Peaks are dense with sums in float32 (figures "with sparsity" are halved), links are one direction's. Memory is what
nvidia-smi lists for the board; of the GB200 and the MI300X, what the data sheet says. Sources, NVIDIA's: the data
sheets "A100" (40 and 80 GB), "H100" (SXM, PCIe), "H100 NVL", "H200" (SXM, NVL), "DGX B200", "GB200 NVL72" (figures of
a superchip halved), "L40S", "L4" and "A10"; the white papers of GA102 (RTX 3090), Ada (RTX 4090) and RTX Blackwell
(RTX 5090). AMD's: the data sheet "MI300X". Boards without a switch have 16 lanes of PCIe between them: an NVLink
bridge joins two to four of them only.

The network is no board's: for SXM boards that of the DGX of their generation, one adapter a GPU, 200 Gb/s (DGX A100) or
400 Gb/s (DGX H100, H200, B200); assumed likewise for other large boards, and 100 Gb/s for the small ones and GeForce.
"""

import re
from dataclasses import dataclass, replace

from codetitan.errors import ConfigError, did_you_mean

GIB = 1024**3


@dataclass(frozen=True, slots=True)
class GPU:
    """A device: peaks in FLOP/s (0: it has none), memory in bytes, bandwidths in bytes/s, one direction, a GPU.

    Attributes:
        nvlink: between the GPUs of a node, over what `inside` names.
        hopper: whether it runs the kernels of flex_flash: Hopper, or Blackwell of the data centre.
    """

    name: str
    fp32_flops: float
    bf16_flops: float
    fp8_flops: float
    memory: int
    memory_bandwidth: float
    nvlink: float
    network: float
    inside: str = "NVLink"
    hopper: bool = False


_MIB = 1024**2

GPUS: dict[str, GPU] = {
    "a100": GPU("A100 SXM 80 GB", 19.5e12, 312e12, 0.0, 81920 * _MIB, 2.039e12, 300e9, 25e9),
    "a100-40": GPU("A100 SXM 40 GB", 19.5e12, 312e12, 0.0, 40960 * _MIB, 1.555e12, 300e9, 25e9),
    "h100": GPU("H100 SXM", 67e12, 989e12, 1979e12, 81559 * _MIB, 3.35e12, 450e9, 50e9, hopper=True),
    "h100-pcie": GPU("H100 PCIe", 51e12, 756e12, 1513e12, 81559 * _MIB, 2.0e12, 64e9, 50e9, "PCIe", True),
    "h100-nvl": GPU("H100 NVL", 60e12, 835e12, 1671e12, 95830 * _MIB, 3.9e12, 64e9, 50e9, "PCIe", True),
    "h200": GPU("H200 SXM", 67e12, 989e12, 1979e12, 143771 * _MIB, 4.8e12, 450e9, 50e9, hopper=True),
    "h200-nvl": GPU("H200 NVL", 60e12, 835e12, 1671e12, 143771 * _MIB, 4.8e12, 64e9, 50e9, "PCIe", True),
    "b200": GPU("B200 SXM", 75e12, 2250e12, 4500e12, 183359 * _MIB, 7.7e12, 900e9, 50e9, hopper=True),
    "gb200": GPU("GB200", 80e12, 2500e12, 5000e12, 186 * 10**9, 8.0e12, 900e9, 50e9, hopper=True),
    "l40s": GPU("L40S", 91.6e12, 362e12, 733e12, 46068 * _MIB, 0.864e12, 32e9, 12.5e9, "PCIe"),
    "l4": GPU("L4", 30.3e12, 121e12, 242e12, 23034 * _MIB, 0.3e12, 32e9, 12.5e9, "PCIe"),
    "a10": GPU("A10", 31.2e12, 125e12, 0.0, 23028 * _MIB, 0.6e12, 32e9, 12.5e9, "PCIe"),
    "rtx3090": GPU("GeForce RTX 3090", 35.6e12, 71e12, 0.0, 24576 * _MIB, 0.936e12, 32e9, 12.5e9, "PCIe"),
    "rtx4090": GPU("GeForce RTX 4090", 82.6e12, 165.2e12, 330.3e12, 24564 * _MIB, 1.008e12, 32e9, 12.5e9, "PCIe"),
    "rtx5090": GPU("GeForce RTX 5090", 104.8e12, 209.5e12, 419e12, 32607 * _MIB, 1.792e12, 64e9, 12.5e9, "PCIe"),
    "mi300x": GPU("MI300X", 163.4e12, 1307.4e12, 2614.9e12, 192 * GIB, 5.3e12, 448e9, 50e9, "Infinity Fabric"),
}  # fmt: skip


def _key(name: str) -> str:
    """Returns a name as the table has it: `A100-40GB`, `H100 SXM`, `NVIDIA GeForce RTX 4090` and `4090` too."""
    key = re.sub(r"[\s_]+", "-", name.strip().lower()).removeprefix("nvidia-").removeprefix("geforce-")
    key = re.sub(r"^(?:rtx-?)?(3090|4090|5090)$", r"rtx\1", key)
    key = re.sub(r"-sxm\d?", "", re.sub(r"gb$", "", key))
    return re.sub(r"^(a100|h100|h200|b200)(?:-80|-141|-180)?$", r"\1", key)


def find(name: str, **changes: float | None) -> GPU:
    """Returns a GPU by its name, with the changes that are not None.

    Raises:
        ConfigError: there is no such GPU.
    """
    key = _key(name)
    gpu = GPUS.get(key)
    if gpu is None and key.startswith("v100"):
        raise ConfigError(f'--gpu "{name}": it has no bf16, and the CUDA 13 of this torch has no kernels for it')
    if gpu is None:
        raise ConfigError(
            f'--gpu "{name}" must be one of {", ".join(GPUS)}{did_you_mean(key, GPUS)}; for another take the nearest '
            "and say what differs, e.g. --gpu h100 --gpu-memory-gib 64 --gpu-bandwidth 2.4"
        )
    changed = {key: value for key, value in changes.items() if value is not None}
    return replace(gpu, **changed, name=f"{gpu.name}, changed") if changed else gpu  # type: ignore[arg-type]
