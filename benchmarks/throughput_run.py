"""Runs one point of throughput.py in processes of its own, and says why it failed where it does."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from codetitan import device
from codetitan.launch import set_environment
from throughput_points import Checked, Point

REPOSITORY = Path(__file__).resolve().parent.parent
_GRACE_S = 60  # torchrun gives its processes 30 s
_LONGEST = 200  # characters of a reason
# Boards by the names that CUDA gives them; other forms of a GPU (PCIe, NVL, GH200) differ: --gpu takes the nearest.
_PLANNED_GPUS = {
    "NVIDIA A100-SXM4-80GB": "a100",
    "NVIDIA H100 80GB HBM3": "h100",
    "NVIDIA H200": "h200",
    "NVIDIA B200": "b200",
}


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def reason(output: str, code: int) -> str:
    """Returns the line of a failed process's output that says why: out of memory, codetitan's own, or an error's."""
    lines = [re.sub(r"^(\[rank\d+\]:)?\s*", "", line).rstrip() for line in output.splitlines()]
    for pattern in (r".*\bout of memory\b", r"codetitan: error: ", r"[\w.]*(Error|Exception|Interrupt)\b(: |$)"):
        for line in lines:
            if re.match(pattern, line, re.IGNORECASE if "memory" in pattern else 0):
                return _short(line.removeprefix("codetitan: error: "))
    said = next((line for line in reversed(lines) if line), "no output")
    return _short(f"killed by signal {-code}: {said}" if code < 0 else f"exit code {code}: {said}")


def _stop(child: "subprocess.Popen[bytes]") -> None:
    # torchrun's processes have sessions of their own: it ends them when it is asked to, not when it is killed.
    try:
        os.killpg(child.pid, signal.SIGTERM)
        child.wait(_GRACE_S)
    except subprocess.TimeoutExpired:
        pass
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def run_command(command: Sequence[str], environment: dict[str, str], log: Path, timeout_s: float) -> str | None:
    """Runs a command in its own process group, with its output in `log`; returns why it failed, or None."""
    with log.open("wb") as output:
        child = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
        try:
            code = child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            _stop(child)
            return f"timed out after {timeout_s:g} s"
        except BaseException:
            _stop(child)
            raise
    return reason(log.read_text(encoding="utf-8", errors="replace"), code) if code else None


def read_metrics(file: Path, warm_up: int) -> dict[str, Any]:
    """Returns what codetitan's metrics.jsonl says of the steps after the warm-up; the memory is that of all steps."""
    steps = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    measured = steps[warm_up:]
    return {
        "step_s": [step["step_s"] for step in measured],
        "tok_per_s_per_device": [step["tok_per_s_per_device"] for step in measured],
        "data_share": [step["data_share"] for step in measured],
        "memory_gib": max(step["memory_gib"] for step in steps),
    }


def own_environment() -> dict[str, str]:
    """The codetitan beside this file is the one that runs, whichever is installed."""
    paths = [str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {"PYTHONPATH": os.pathsep.join(paths)}


def run_point(
    checked: Checked, *, world_size: int, warm_up: int, steps: int, timeout_s: float, log: Path
) -> dict[str, Any]:
    """Trains a point; returns its status and what was measured, or why not."""
    point = checked.point
    environment = own_environment() | {"NGPU": str(world_size), "PYTHON": sys.executable}
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        if point.trainer == "codetitan":
            command = [str(REPOSITORY / "run_train.sh"), "--config", str(point.config), *point.overrides]
            command += ["--dump_folder", folder]
        else:
            cores = len(os.sched_getaffinity(0))
            set_environment(environment, world_size, cores, cpu=device.device_type() == "cpu")
            torchrun = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={world_size}"]
            command = [sys.executable, *(torchrun if point.trainer == "torchtitan" else [])]
            command += [str(REPOSITORY / "benchmarks" / "throughput_worker.py"), point.trainer, str(point.config)]
            command += [str(warm_up), str(steps), str(result), *point.overrides]
        failed = run_command(command, environment, log, timeout_s)
        if failed is not None:
            return {"status": "failed", "reason": failed}
        log.unlink()
        if point.trainer == "codetitan":
            return {"status": "ok", "measured": read_metrics(Path(folder) / "metrics.jsonl", warm_up)}
        measured = json.loads(result.read_text(encoding="utf-8"))
    tokens = checked.settings["global_batch"] * checked.settings["seq_len"]
    measured["tok_per_s_per_device"] = [tokens / s / world_size for s in measured["step_s"]]
    return {"status": "ok", "measured": measured}


def planned_gpu(device_name: str) -> str | None:
    """Returns the name under which `codetitan plan` knows a GPU, None where it does not."""
    return _PLANNED_GPUS.get(device_name)


def predict(point: Point, gpu: str, world_size: int) -> dict[str, Any]:
    """Returns what `codetitan plan` predicts: memory_gib, step_s and tok_per_s_per_device; or the `error`."""
    command = [sys.executable, "-m", "codetitan.cli", "plan", "--config", str(point.config), *point.overrides]
    command += ["--world-size", str(world_size), "--gpu", gpu, "--json"]
    done = subprocess.run(command, env=own_environment(), capture_output=True, text=True)
    try:
        plan = json.loads(done.stdout)
        memory, time = plan["memory"], plan["time"]
        return {
            "memory_gib": memory["reserved_bytes"] / 2**30,
            "step_s": time["step_s"],
            "tok_per_s_per_device": time["tok_per_s_per_gpu"],
        }
    except (ValueError, KeyError, TypeError):
        return {"error": reason(done.stderr or done.stdout, done.returncode)}
