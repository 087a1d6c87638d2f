"""What a search found: its table, and the best as a TOML file."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

from codetitan.config.render import dump, of_command_line
from codetitan.config.resolve import Resolved
from codetitan.plan.gpus import GIB
from codetitan.plan.report.tables import columns
from codetitan.plan.search import Found


def ranking(found: Sequence[Found], compared: int) -> str:
    """Returns the table of a search, the best first."""
    settings = ["FSDP", "replicate", "TP", "CP", "PP", "microbatch", "checkpointing"]
    rows = [["", *settings, "GiB", "tok/s/GPU", "MFU", "waiting", "bubble"]]
    for i, one in enumerate(found, start=1):
        c, plan = one.candidate, one.plan
        degrees_ = map(str, (c.shard, c.replicate, c.tp, c.cp, c.pp, c.rows))
        shares = (plan.mfu("full"), plan.waiting_s / plan.step_s, plan.bubble)
        speed = f"{plan.tok_per_s_per_gpu:,.0f}"
        gib = f"{plan.fullest.needed / GIB:.1f}"
        rows.append([str(i), *degrees_, c.checkpointing, gib, speed, *(f"{100 * share:.1f} %" for share in shares)])
    lines = columns(rows)
    return "\n".join(
        [f"search  {compared} valid settings were compared; those that fit, by estimated tokens a second", *lines]
    )


def fragment(best: Found, resolved: Resolved, file: Path, folder: Path) -> str:
    """Returns a TOML file for `folder` that extends `file`: the command line's settings, and the best of a search."""
    tables = of_command_line(resolved)
    tables.pop("activation_checkpoint", None)  # its options belong to the policy that is replaced
    settings = best.candidate.settings(
        best.config.training.global_batch_size, best.config.parallelism.pipeline_parallel_schedule
    )
    written = best.config.parallelism
    for name in ("module_fqns_per_model_part", "pipeline_parallel_layers_per_stage"):
        if getattr(resolved.config.parallelism, name) != getattr(written, name):
            settings[f"parallelism.{name}"] = "none"  # stages are placed by cost
    for key, value in settings.items():
        section, name = key.split(".")
        tables.setdefault(section, {})[name] = value
    lines = [
        f"# codetitan plan --search for {resolved.world_size} × {best.plan.gpu.name}: an estimated "
        f"{best.plan.tok_per_s_per_gpu:,.0f} tok/s/GPU",
        f"extends = {json.dumps(os.path.relpath(file, folder), ensure_ascii=False)}",
    ]
    return "\n".join([*lines, *dump(tables)]) + "\n"
