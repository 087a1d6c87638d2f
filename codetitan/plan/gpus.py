"""The GPUs that `codetitan plan` knows: peaks, memory and links. No torch here.

Peaks are dense (data sheets that print them "with sparsity" are halved), links are one direction's. Memory is what
nvidia-smi lists for the board. Sources, all NVIDIA's: the data sheets "A100 80GB", "H100" (SXM), "H200" (SXM) and "DGX
B200". The network is that of the DGX of the same generation: one adapter a GPU, 200 Gb/s (DGX A100) or 400 Gb/s (DGX
H100, H200, B200).
"""

from dataclasses import dataclass, replace

from codetitan.errors import ConfigError, did_you_mean

GIB = 1024**3


@dataclass(frozen=True, slots=True)
class GPU:
    """A device: peaks in FLOP/s (0: it has none), memory in bytes, bandwidths in bytes/s, one direction, a GPU."""

    name: str
    fp32_flops: float
    bf16_flops: float
    fp8_flops: float
    memory: int
    memory_bandwidth: float
    nvlink: float
    network: float


_MIB = 1024**2

GPUS: dict[str, GPU] = {
    "a100": GPU("A100 SXM 80 GB", 19.5e12, 312e12, 0.0, 81920 * _MIB, 2.039e12, 300e9, 25e9),
    "h100": GPU("H100 SXM", 67e12, 989e12, 1979e12, 81559 * _MIB, 3.35e12, 450e9, 50e9),
    "h200": GPU("H200 SXM", 67e12, 989e12, 1979e12, 143771 * _MIB, 4.8e12, 450e9, 50e9),
    "b200": GPU("B200 SXM", 75e12, 2250e12, 4500e12, 183359 * _MIB, 7.7e12, 900e9, 50e9),
}


def find(name: str, **changes: float | None) -> GPU:
    """Returns a GPU by its name, with the changes that are not None.

    Raises:
        ConfigError: there is no such GPU.
    """
    gpu = GPUS.get(name.lower())
    if gpu is None:
        raise ConfigError(
            f'--gpu "{name}" must be one of {", ".join(GPUS)}{did_you_mean(name.lower(), GPUS)}; for another take the '
            "nearest and say what differs, e.g. --gpu h100 --gpu-memory-gib 94 --gpu-bandwidth 3.9"
        )
    changed = {key: value for key, value in changes.items() if value is not None}
    return replace(gpu, **changed, name=f"{gpu.name}, changed") if changed else gpu  # type: ignore[arg-type]
