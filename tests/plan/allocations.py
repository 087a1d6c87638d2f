"""What a rank of a real run holds: trains a step on its process and writes the bytes down."""

import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.parity import mesh


def _local_bytes(tensors: Iterable[Any]) -> int:
    local = [getattr(tensor, "_local_tensor", tensor) for tensor in tensors]
    return sum(tensor.numel() * tensor.element_size() for tensor in local)


def measure(arguments: list[str]) -> int:
    """A rank: trains the steps of a configuration, and leaves `held-R.json` in its folder."""
    import torch.distributed as dist

    from codetitan.config.resolve import resolve

    folder, config, *overrides = arguments
    rank, world_size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    resolved = resolve(Path(config), overrides, world_size=world_size)
    trainer = resolved.config.build()
    trainer.train()
    parameters = [p for part in trainer.model_parts for p in part.parameters()]
    states = [state for one in trainer.optimizers for state in one.state.values()]
    held = {
        "parameters": _local_bytes(parameters),
        "gradients": _local_bytes(p.grad for p in parameters if p.grad is not None),
        "optimizer": _local_bytes(value for state in states for value in state.values()),
        "pp": dist.get_rank(trainer.parallel_dims.get_mesh("pp").get_group()) if trainer.parallel_dims.pp > 1 else 0,
    }
    (Path(folder) / f"held-{rank}.json").write_text(json.dumps(held))
    dist.barrier()
    dist.destroy_process_group()
    sys.stdout.flush()
    return 0


def largest(config: Path, folder: Path, nproc: int, overrides: list[str]) -> list[dict[str, int]]:
    """Returns the most that a rank of each pipeline rank holds after a step on `nproc` processes, in bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    more = ["--dump_folder", str(folder / "run"), "--checkpoint.enable", "false", "--training.steps", "1"]
    mesh.start(folder, nproc, [str(folder), str(config), *overrides, *more], function=measure)
    ranks = [json.loads((folder / f"held-{rank}.json").read_text()) for rank in range(nproc)]
    stages = sorted({rank["pp"] for rank in ranks})
    names = ("parameters", "gradients", "optimizer")
    return [{name: max(rank[name] for rank in ranks if rank["pp"] == pp) for name in names} for pp in stages]
