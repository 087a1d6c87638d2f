"""What this machine has, and what of it training lacks. Run by itself, it compiles and runs one kernel.

python benchmarks/gpu_day_environment.py
"""

import os
import platform
import shutil
import subprocess
import sys
from typing import Any

import torch

from codetitan import device

Facts = dict[str, Any]


def _first_line(*command: str) -> str | None:
    if shutil.which(command[0]) is None:
        return None
    done = subprocess.run(command, capture_output=True, text=True)
    return next(iter(done.stdout.splitlines()), None)


def facts() -> Facts:
    """Returns what the verdict needs and what a reader of the results wants to know."""
    available = torch.cuda.is_available()
    gpus = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())] if available else []
    compiler, header = device.c_compiler(), device.python_header()
    return {
        "driver": device.driver_version(device.DRIVER.read_text(encoding="utf-8")) if device.DRIVER.is_file() else None,
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
    driver = found["driver"]
    if driver is not None and not found["CUDA available"]:
        wrong.append(f"driver {driver}: {device.why_unusable(driver)}")
    if found["C compiler"] is None:
        wrong.append("no C compiler for Triton's launchers; install gcc")
    if found["Python.h"] is None:
        wrong.append(f"{device.python_header()} is not there, which Triton compiles against; install python3-dev")
    return wrong


def main() -> None:
    """Compiles a sum of squares for this device, runs it and compares it with the eager one."""
    here = "cuda" if torch.cuda.is_available() else "cpu"

    def sum_of_squares(x: torch.Tensor) -> torch.Tensor:
        return (x * x).sum(-1)

    x = torch.arange(4096.0, device=here).view(16, 256) / 4096
    torch.testing.assert_close(torch.compile(sum_of_squares)(x), sum_of_squares(x))
    print(f"compiled and ran a kernel on {here}")


if __name__ == "__main__":
    main()
    sys.stdout.flush()
