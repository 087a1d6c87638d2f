"""CUDA or CPU: what torchtitan needs adapted to run on a CPU (contract 8).

torchtitan 0.3.0 has no CPU mode: without a GPU it takes the device type "cuda" and calls `torch.cuda`. `install` gives
it the type "cpu" and a module with the few functions that it calls. The other adaptations stand where they act:
the attention (models/code/attention.py), FSDP's reduction (models/code/parallelize.py) and the configuration
(config/resolve.py: no CUDA graphs); `set_pg_timeouts` and `get_total_norm` below are put in place by titan.py.
"""

# ruff: noqa: E402  (torch is imported while no garbage is collected)
import os
import platform
import re
import resource
import shutil
import sysconfig
import warnings
from collections import namedtuple
from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from codetitan import starts

_collected = starts.pause()
import torch
import torch.distributed as dist

starts.go_on(_collected)
from codetitan.errors import ConfigError


def device_type() -> str:
    """Returns "cuda" where a GPU is visible, else "cpu"; an empty CUDA_VISIBLE_DEVICES hides the GPUs."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def visible_gpus() -> int:
    """Returns how many GPUs this machine shows."""
    return torch.cuda.device_count() if torch.cuda.is_available() else 0


DRIVER = Path("/proc/driver/nvidia/version")
# CUDA's major version → the oldest driver. Source: NVIDIA, CUDA compatibility, "minor version compatibility".
_OLDEST_DRIVER = {12: 525, 13: 580}
_NO_GPU = ("", "-1", "NoDevFiles")  # of CUDA_VISIBLE_DEVICES: no GPU is wanted; the last is SLURM's


def driver_version(text: str) -> str | None:
    """Returns e.g. `580.65.06` of what /proc/driver/nvidia/version says of the closed or the open module."""
    found = re.search(r"Kernel Module(?: for \S+)?\s+(\d+(?:\.\d+)+)", text)
    return None if found is None else found.group(1)


def why_unusable(driver: str) -> str:
    """Returns why torch can't use the GPUs of a machine with a driver of this version, with a way out."""
    cuda = torch.version.cuda
    if cuda is None:
        return f"torch {torch.__version__} is built without CUDA; install a wheel with it"
    oldest = _OLDEST_DRIVER.get(int(cuda.split(".")[0]), 0)
    if int(driver.split(".")[0]) < oldest:
        return f"it is older than the {oldest} that torch {torch.__version__} for CUDA {cuda} needs; update it"
    try:
        torch.cuda.init()  # type: ignore[no-untyped-call]
    except Exception as error:  # whatever it is, it is the reason
        return str(error).strip().split("\n")[0].rstrip(".") + "; is CUDA_VISIBLE_DEVICES right?"
    return "torch.cuda.is_available() is False; is CUDA_VISIBLE_DEVICES right?"


def check_driver(environment: Mapping[str, str], driver: Path = DRIVER) -> None:
    """A machine with an NVIDIA driver trains on its GPUs, unless CUDA_VISIBLE_DEVICES hides them all.

    torch's wheels are built for CUDA 13, which needs driver 580 or newer. With an older one torch.cuda.is_available()
    is False, with no more than a warning, and a node of H100s would train on its CPU all night.

    Raises:
        ConfigError: torch can't use them; says why.
    """
    if environment.get("CUDA_VISIBLE_DEVICES") in _NO_GPU or not driver.is_file():
        return
    with warnings.catch_warnings(action="ignore"):  # it warns of what is said here
        if torch.cuda.is_available():
            return
        version = driver_version(driver.read_text(encoding="utf-8", errors="replace")) or "0"
        why = why_unusable(version)
    raise ConfigError(
        f"this machine has an NVIDIA driver ({version}), and torch can't use its GPUs: {why}. To train on the CPU, set "
        "CUDA_VISIBLE_DEVICES="
    )


def c_compiler() -> str | None:
    """Returns the compiler that Triton takes for its launchers: CC, whatever it is, else gcc, else clang; or None.

    Source: triton 3.8, runtime/build.py.
    """
    if cc := os.environ.get("CC"):
        return shutil.which(cc)
    return shutil.which("gcc") or shutil.which("clang")


def python_header() -> Path:
    """Returns where Python.h must be, which Triton's launchers include."""
    return Path(sysconfig.get_paths()["include"]) / "Python.h"


def cpu_name() -> str:
    """Returns the processor's model name as Linux gives it, else what Python knows."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


_Properties = namedtuple("_Properties", ["total_memory"])


class CpuDeviceModule:
    """What torchtitan calls on `torch.cuda`, for the CPU. Memory is the process's peak resident set.

    A name that is missing here raises, as it does in `torch.cpu`: nothing is pretended to exist.
    """

    def __getattr__(self, name: str) -> Any:
        return getattr(torch.cpu, name)

    def current_device(self) -> int:  # torch.cpu returns "cpu", and torchtitan passes it on as an index
        return 0

    def get_device_name(self, device: torch.device | None = None) -> str:
        return cpu_name()

    def get_device_properties(self, device: torch.device | None = None) -> _Properties:
        return _Properties(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))

    def memory_stats(self, device: torch.device | None = None) -> dict[str, int]:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # Linux counts KiB
        return {
            "active_bytes.all.peak": peak,
            "reserved_bytes.all.peak": peak,
            "num_alloc_retries": 0,
            "num_ooms": 0,
        }

    def reset_peak_memory_stats(self) -> None:  # the operating system keeps the peak of the process's life
        pass

    def empty_cache(self) -> None:
        pass


def install() -> None:
    """Tells torchtitan which device there is. Must run before torchtitan's other modules are imported."""
    if device_type() == "cuda":
        return
    import torchtitan.tools.utils as utils

    utils.device_type = "cpu"
    utils.device_module = CpuDeviceModule()


def set_pg_timeouts(timeout: timedelta, parallel_dims: Any) -> None:
    """torchtitan's function of this name for gloo, whose barrier takes no device ids."""
    dist.barrier()
    groups = [mesh.get_group() for mesh in parallel_dims.get_all_one_dimensional_meshes().values()]
    for group in [*groups, None]:
        dist.set_timeout(timeout, group)


def get_total_norm(
    tensors: Iterable[torch.Tensor],
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> torch.Tensor:
    """`torch.nn.utils.get_total_norm` in float64, for CPU tensors, sharded or not; returns a scalar.

    On a CPU torch adds float32 squares one after the other: the norm of four million values is off by 3e-5, by another
    amount for each way of sharding them. Clipping then scales the gradients of two meshes differently, and their
    losses part by 5e-4 within fifty steps of `debug`.
    """
    norms = [torch.linalg.vector_norm(tensor.double(), norm_type) for tensor in tensors]
    total: torch.Tensor = torch.linalg.vector_norm(torch.stack(norms), norm_type)
    return total
