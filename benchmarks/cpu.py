"""What the CPU adaptations are worth: the allocator's settings, and saving without collectives.

    python benchmarks/cpu.py

Each variant trains `debug` in a process of its own: some steps, a checkpoint, some steps.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CONFIG = Path(__file__).parent.parent / "train_configs" / "debug.toml"
GLIBC_DEFAULTS = {"MALLOC_MMAP_THRESHOLD_": "131072", "MALLOC_TRIM_THRESHOLD_": "131072"}


def child(save: str, steps: int) -> None:
    """Trains, saves, trains; prints seconds a step before and after as JSON."""
    from codetitan.config.resolve import resolve
    from codetitan.titan import CheckpointManager

    with tempfile.TemporaryDirectory() as folder:
        config = resolve(CONFIG, ["--dump_folder", folder, "--metrics.log_freq", "1000000"], world_size=1).config
        trainer = config.build()
        batches = trainer.batch_generator(trainer.dataloader)

        def run(n: int) -> float:
            start = time.perf_counter()
            for _ in range(n):
                trainer.step += 1
                trainer.train_step(batches)
            return (time.perf_counter() - start) / n

        run(2)
        before = run(steps)
        if save == "collectives":
            states = trainer.checkpointer._flattened_model_states_sd()
            CheckpointManager.dcp_save(trainer.checkpointer, states, f"{folder}/a", trainer.checkpointer.async_mode)
        else:
            trainer.checkpointer.save(trainer.step, last_step=True)
        print(json.dumps({"before": before, "after": run(steps)}), flush=True)
        os._exit(0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--child", choices=["ours", "collectives"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child, options.steps)
    from codetitan.launch import set_environment

    shipped = dict(os.environ) | {"CUDA_VISIBLE_DEVICES": "", "RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0"}
    shipped |= {"MASTER_ADDR": "localhost", "MASTER_PORT": "29534"}
    set_environment(shipped, nproc=1, cores=len(os.sched_getaffinity(0)), cpu=True)
    variants = {
        "as shipped": (shipped, "ours"),
        "saving with collectives": (shipped, "collectives"),
        "glibc's default thresholds": (shipped | GLIBC_DEFAULTS, "ours"),
    }
    print("| variant | s/step before a checkpoint | s/step after it |\n| --- | --: | --: |")
    for name, (environment, save) in variants.items():
        command = [sys.executable, __file__, "--child", save, "--steps", str(options.steps)]
        output = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
        result = json.loads(output.splitlines()[-1])
        print(f"| {name} | {result['before']:.3f} | {result['after']:.3f} |", flush=True)


if __name__ == "__main__":
    main()
