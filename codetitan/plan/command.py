"""`codetitan plan`: resolves, estimates, builds one rank for real, and prints."""

import json
import logging
import os
import time
import warnings
from collections.abc import Sequence
from pathlib import Path

# A plan runs on a CPU, whatever the machine has: its tensors have no storage.
os.environ["CUDA_VISIBLE_DEVICES"] = ""

from codetitan.config.resolve import Resolved, resolve
from codetitan.errors import ConfigError
from codetitan.plan import report
from codetitan.plan.dry_run import build, fake_mode
from codetitan.plan.estimate import Estimate, estimate
from codetitan.plan.gpus import GPU
from codetitan.plan.trace import shards


def quiet() -> None:
    """Keeps torch's and torchtitan's remarks about fake runs off the console."""
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)


def dry_run(resolved: Resolved, plan: Estimate, rank: int) -> str:
    """Builds the trainer of one rank whole, as a run does; returns a line about it.

    Raises:
        ConfigError: the trainer's own set-up refuses the configuration.
    """
    start = time.perf_counter()
    try:
        with fake_mode(), build(resolved.config, rank=rank, world_size=resolved.world_size) as trainer:
            held = shards(*trainer.model_parts).bytes
    except (ValueError, RuntimeError, AssertionError, NotImplementedError) as error:
        raise ConfigError(f"the trainer's set-up fails on rank {rank}: {' '.join(str(error).split())}") from error
    seconds = time.perf_counter() - start
    place = ", ".join(f"{name} {i}" for name, i in plan.topology.coordinates(rank).items() if plan.topology.degrees[name] > 1)
    return (
        f"dry run rank {rank}{f' ({place})' if place else ''} of {resolved.world_size} was built by the trainer's own code, on fake "
        f"process groups: {held / 2**20:,.1f} MiB of parameters; {seconds:.1f} s"
    )


def run(
    config: Path,
    overrides: Sequence[str],
    *,
    world_size: int,
    gpu: GPU,
    nodes_of: int,
    rank: int,
    as_json: bool,
) -> None:
    """Prints the plan; see `codetitan plan --help`."""
    quiet()
    resolved = resolve(config, overrides, world_size=world_size, here=False)
    plan = estimate(resolved.config, resolved.world_size, gpu, nodes_of=nodes_of)
    note = dry_run(resolved, plan, rank)
    if as_json:
        print(json.dumps(report.as_json(plan, resolved.config), indent=2))
    else:
        print(report.text(plan, resolved.config, note))
