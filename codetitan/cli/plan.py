"""`codetitan plan`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from codetitan.cli.options import at_least_one
from codetitan.errors import ConfigError


@dataclass
class PlanCommand:
    """Say what a configuration holds, sends and takes on N GPUs, before it is launched. Needs no GPU.

    Every other option is an override: --section.key VALUE.
    """

    config: Path
    """The TOML file."""

    world_size: int | None = None
    """GPUs; default: as few as the degrees allow."""

    gpu: str = "h100"
    """a100, a100-40, h100, h100-pcie, h200, b200, l40s, a10, rtx4090, …; the flags below change one."""

    nodes_of: int = 8
    """GPUs of a node."""

    tokens: str | None = None
    """Length of the run in tokens, such as 7B; the same as --training.tokens."""

    rank: int = 0
    """The rank whose set-up is built whole by the trainer's own code."""

    json: bool = False
    """Print JSON: bytes, seconds, FLOPs."""

    search: bool = False
    """Compare degrees, microbatches and activation checkpointing for these GPUs instead; takes minutes."""

    output: Path | None = None
    """With --search: write the best as a TOML file, too."""

    gpu_memory_gib: float | None = None
    """Memory, as nvidia-smi lists it."""

    gpu_bf16_tflops: float | None = None
    """Dense bf16 peak, TFLOP/s."""

    gpu_fp8_tflops: float | None = None
    """Dense FP8 peak, TFLOP/s."""

    gpu_bandwidth: float | None = None
    """Memory bandwidth, TB/s."""

    nvlink: float | None = None
    """Bandwidth between the GPUs of a node, GB/s a GPU in one direction."""

    network: float | None = None
    """Bandwidth between nodes, GB/s a GPU in one direction."""

    def run(self, overrides: Sequence[str]) -> None:
        from codetitan.plan import gpus

        if self.output is not None and not self.search:
            raise ConfigError("--output needs --search")
        if self.search and self.json:
            raise ConfigError("--search prints no JSON; leave one of them out")
        at_least_one("--world-size", self.world_size)
        at_least_one("--nodes-of", self.nodes_of)
        if self.rank < 0:
            raise ConfigError(f"--rank {self.rank} must not be negative")
        changes = {
            "memory": (self.gpu_memory_gib, "--gpu-memory-gib", gpus.GIB),
            "bf16_flops": (self.gpu_bf16_tflops, "--gpu-bf16-tflops", 1e12),
            "fp8_flops": (self.gpu_fp8_tflops, "--gpu-fp8-tflops", 1e12),
            "memory_bandwidth": (self.gpu_bandwidth, "--gpu-bandwidth", 1e12),
            "nvlink": (self.nvlink, "--nvlink", 1e9),
            "network": (self.network, "--network", 1e9),
        }
        for value, option, _ in changes.values():
            if value is not None and not value > 0:
                raise ConfigError(f"{option} {value} must be above 0")
        gpu = gpus.find(self.gpu, **{k: None if v is None else v * unit for k, (v, _, unit) in changes.items()})
        from codetitan.config.load import find
        from codetitan.plan import command

        length = [] if self.tokens is None else ["--training.tokens", self.tokens]
        command.run(
            find(self.config), [*overrides, *length], world_size=self.world_size, gpu=gpu, nodes_of=self.nodes_of,
            rank=self.rank, as_json=self.json, searches=self.search, output=self.output,
        )  # fmt: skip
