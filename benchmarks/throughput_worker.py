"""One process of a baseline, which throughput.py starts: trains, and writes what it measured as JSON.

    python throughput_worker.py pytorch|torchtitan CONFIG WARM_UP STEPS RESULT [--section.key VALUE …]

The result holds, of the steps after the warm-up, `step_s`, and of the whole run `memory_gib`: the peak that the
allocator reserved, or of the resident set on a CPU.
"""

import json
import os
import resource
import sys
import tempfile
from pathlib import Path

import torch
import torch.distributed as dist

from codetitan.config.resolve import resolve


def peak_memory_gib() -> float:
    """Returns the process's peak since the start; for torchtitan since its first step, whose log line resets it."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_reserved() / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # Linux counts KiB


def main() -> None:
    trainer_name, config_file, warm_up, steps, result, *overrides = sys.argv[1:]
    rank, world_size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    sys.setswitchinterval(5e-4)  # as codetitan.train: the loader's thread is the same
    with tempfile.TemporaryDirectory() as folder:
        overrides += ["--dump_folder", folder]
        config = resolve(Path(config_file), overrides, world_size=world_size).config
        if trainer_name == "pytorch":
            from plain_pytorch import PlainTrainer

            trainer = PlainTrainer(config)
        else:
            from torchtitan_llama3 import Contestant, baseline_config

            trainer = Contestant(baseline_config(config).build())
        for _ in range(int(warm_up)):
            trainer.steps(1)
        step_s = [trainer.steps(1) for _ in range(int(steps))]
        if rank == 0:
            Path(result).write_text(json.dumps({"step_s": step_s, "memory_gib": peak_memory_gib()}), encoding="utf-8")
    if dist.is_initialized():
        dist.barrier()
        dist.destroy_process_group()
    sys.stdout.flush()
    os._exit(0)  # without interpreter teardown, which hangs or crashes in gloo's and NCCL's threads


if __name__ == "__main__":
    main()
