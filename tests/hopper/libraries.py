"""Builds the libraries that show a process eight H100, and the environment in which it sees them."""

import importlib.util
import os
import shutil
import subprocess
from pathlib import Path

from codetitan import device

HERE = Path(__file__).parent
REPOSITORY = HERE.parent.parent

# The CUDA headers of torch's wheels include this one of the compiler, which no wheel has.
HOST_DEFINES = """
#define __device_builtin__
#define __device_builtin_texture_type__
#define __device_builtin_surface_type__
#define __cudart_builtin__
#define __builtin_align__(n) __attribute__((aligned(n)))
#define __align__(n) __attribute__((aligned(n)))
#define __host__
#define __device__
#define CUDARTAPI
#define CUDART_CB
#define __inline__ inline
"""

# FlashAttention 3 as far as torch looks for it at a start; its kernels are called by no fake tensor.
FLASH_ATTENTION_3 = """
import torch

library = torch.library.Library("flash_attn_3", "DEF")
library.define("fwd(Tensor q) -> Tensor")
library.define("bwd(Tensor q) -> Tensor")
"""


def _folder(package: str, *parts: str) -> Path | None:
    """A folder of an installed package, without importing it; None: it is not there."""
    spec = importlib.util.find_spec(package)
    locations = list(spec.submodule_search_locations or []) if spec else []
    return next((path for place in locations if (path := Path(place).joinpath(*parts)).is_dir()), None)


def missing() -> str | None:
    """What this machine lacks for a simulation, as a reason to skip; None: nothing."""
    if shutil.which("gcc") is None:
        return "no gcc, which builds the libraries that show a GPU"
    if not device.python_header().is_file():
        return "no Python.h, which Triton's driver is built with"
    if (triton := _folder("triton", "backends", "nvidia", "bin")) is None or not (triton / "ptxas").is_file():
        return "no ptxas of Triton, which compiles for Hopper"
    if _folder("nvidia", "cu13", "include") is None:
        return "no CUDA headers, which torch's CUDA wheels bring"
    return None


def build(folder: Path) -> dict[str, str]:
    """Builds the libraries into `folder`; returns the environment of a process that shall see the GPUs.

    The kernels that such processes compile are kept in `folder`, and not compiled again.
    """
    headers = _folder("nvidia", "cu13", "include")
    (folder / "include" / "crt").mkdir(parents=True)
    (folder / "include" / "crt" / "host_defines.h").write_text(HOST_DEFINES)
    (folder / "lib").mkdir()
    (folder / "packages").mkdir()
    (folder / "packages" / "flash_attn_interface.py").write_text(FLASH_ATTENTION_3)
    inherited = filter(None, [os.environ.get("PYTHONPATH")])
    for source, library in (("cudart.c", "cudart.so"), ("libcuda.c", "lib/libcuda.so.1")):
        include = [f"-I{folder / 'include'}", f"-I{headers}"]
        command = ["gcc", "-shared", "-fPIC", *include, "-o", str(folder / library), str(HERE / source)]
        subprocess.run(command, check=True, timeout=60)
    return {name: value for name, value in os.environ.items() if name != "CUDA_VISIBLE_DEVICES"} | {
        "LD_PRELOAD": str(folder / "cudart.so"),
        "LD_LIBRARY_PATH": str(folder / "lib"),
        "PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(folder / "packages"), *inherited]),
        "TRITON_CACHE_DIR": str(folder / "triton"),
        "TORCHINDUCTOR_CACHE_DIR": str(folder / "inductor"),
        "OMP_NUM_THREADS": "1",
        "PYTHONWARNINGS": "ignore",
    }
