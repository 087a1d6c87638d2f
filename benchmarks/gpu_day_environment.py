"""What this machine has, and what of it training lacks. Run by itself, it compiles and runs one kernel.

python benchmarks/gpu_day_environment.py
"""

import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import torch

Facts = dict[str, Any]
DRIVER = Path("/proc/driver/nvidia/version")
# CUDA's major version → the oldest driver. Source: NVIDIA, CUDA compatibility, "minor version compatibility".
_OLDEST_DRIVER = {11: 450, 12: 525, 13: 580}


def driver_version(text: str) -> str | None:
    """Returns e.g. `580.65.06` of what /proc/driver/nvidia/version says of the closed or the open module."""
    found = re.search(r"Kernel Module(?: for \S+)?\s+(\d+(?:\.\d+)+)", text)
    return found and found.group(1)


def _first_line(*command: str) -> str | None:
    if shutil.which(command[0]) is None:
        return None
    done = subprocess.run(command, capture_output=True, text=True)
    return next(iter(done.stdout.splitlines()), None)


def c_compiler() -> str | None:
    """Returns the compiler that Triton takes for its launchers: CC, else gcc, else clang."""
    return os.environ.get("CC") or shutil.which("gcc") or shutil.which("clang")


def _header() -> Path:
    return Path(sysconfig.get_path("include")) / "Python.h"


def facts() -> Facts:
    """Returns what the verdict needs and what a reader of the results wants to know."""
    available = torch.cuda.is_available()
    gpus = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())] if available else []
    compiler, header = c_compiler(), _header()
    return {
        "driver": driver_version(DRIVER.read_text(encoding="utf-8")) if DRIVER.is_file() else None,
        "CUDA of torch": torch.version.cuda,
        "CUDA available": available,
        "GPUs": [f"{gpu.name}, {gpu.total_memory / 2**30:.1f} GiB, {gpu.major}.{gpu.minor}" for gpu in gpus],
        "cores": len(os.sched_getaffinity(0)),
        "memory GiB": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": platform.platform(),
        "Python.h": str(header) if header.is_file() else None,
        "C compiler": compiler and (_first_line(compiler, "--version") or compiler),
        "g++": _first_line("g++", "--version"),
        "nvcc": _first_line("nvcc", "--version"),
    }


def shortcomings(found: Facts) -> list[str]:
    """Returns what stands in the way of training here, the first cause first; nvcc is not needed."""
    wrong = []
    driver, cuda, available = found["driver"], found["CUDA of torch"], found["CUDA available"]
    oldest = _OLDEST_DRIVER.get(int(cuda.split(".")[0])) if cuda else None
    if driver is not None and not available:
        if cuda is None:
            wrong.append("this torch is built without CUDA; install the CUDA wheel")
        elif oldest is not None and int(driver.split(".")[0]) < oldest:
            wrong.append(f"driver {driver} is older than the {oldest} that CUDA {cuda} of this torch needs; update it")
        else:
            wrong.append(f"torch.cuda.is_available() is False with driver {driver}; is CUDA_VISIBLE_DEVICES set?")
    if found["C compiler"] is None:
        wrong.append("no C compiler for Triton's launchers; install gcc")
    if found["Python.h"] is None:
        wrong.append(f"{_header()} is not there, which Triton compiles against; install python3-dev")
    return wrong


def main() -> None:
    """Compiles a sum of squares for this device, runs it and compares it with the eager one."""
    device = "cuda" if torch.cuda.is_available() else "cpu"

    def sum_of_squares(x: torch.Tensor) -> torch.Tensor:
        return (x * x).sum(-1)

    x = torch.arange(4096.0, device=device).view(16, 256) / 4096
    torch.testing.assert_close(torch.compile(sum_of_squares)(x), sum_of_squares(x))
    print(f"compiled and ran a kernel on {device}")


if __name__ == "__main__":
    main()
    sys.stdout.flush()
