"""Simulates the trainer's step on one H100 of many. One simulation a process: torch.compile counts in its own.

The trainer, its meshes and its model are the real ones (plan/tracing/dry_run.py); process groups and tensors are fake.
Two microbatches, an optimizer step and a third microbatch are run.
"""

from pathlib import Path
from typing import Any

import torch

from codetitan.config.resolve import resolve
from codetitan.models.code.pipeline import is_copy
from codetitan.objectives.loss import targets_like
from codetitan.plan.tracing.dry_run import build
from codetitan.titan import FakeTensorMode, dynamo_counters
from tests.hopper.inductor import up_to_the_gpu
from tests.hopper.meta import counts_documents, describe_stages, indexes, offloads
from tests.hopper.report import Report

LAYERS = 2  # all blocks are alike, and compiled once; the first and the last differ for FSDP

# A step needs no data, and no checkpoint to go on from.
WITHOUT_DATA = [
    *("--dataloader.sources", "python-stdlib", "--training.epochs", "none"),
    *("--checkpoint.enable", "false", "--checkpoint.initial_load_path", "none"),
]


def microbatch(trainer: Any) -> None:
    """Runs one forward and backward pass of `trainer`, a schedule's microbatches under pipeline parallelism."""
    training, parallelism = trainer.config.training, trainer.config.parallelism

    def batch(rows: int) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        ids = torch.zeros(rows, training.seq_len, dtype=torch.int64, device="cuda")
        inputs = {"input": ids, "positions": torch.zeros_like(ids)} | targets_like(ids, trainer.config.objective)
        return inputs, torch.zeros_like(ids)

    tokens = torch.full((), training.local_batch_size * training.seq_len, device="cuda")
    if parallelism.pipeline_parallel_degree == 1:
        inputs, labels = batch(training.local_batch_size)
        trainer.forward_backward_step(input_dict=inputs, labels=labels, global_valid_tokens=tokens)
        return
    batches = [
        batch(parallelism.pipeline_parallel_microbatch_size) for _ in range(trainer.num_pipeline_parallel_microbatches)
    ]
    trainer.forward_backward_step(
        input_dict=[inputs for inputs, _ in batches],
        labels=[labels for _, labels in batches],
        global_valid_tokens=tokens,
    )


def simulate(file: Path, overrides: list[str], *, world_size: int, rank: int) -> Report:
    """Returns what rank `rank` of `world_size` compiles for a configuration, and what inductor made of it."""
    resolved = resolve(file, [*WITHOUT_DATA, "--model.n_layers", str(LAYERS), *overrides], world_size=world_size)
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    unique_graphs = []
    with (
        offloads(),
        indexes(),
        up_to_the_gpu() as graphs,
        build(resolved.config, rank=rank, world_size=world_size, mode=mode) as trainer,
    ):
        if trainer.parallel_dims.pp_enabled:
            describe_stages(trainer)
        if resolved.config.model.attention == "varlen":
            counts_documents(trainer)
        parameters = [
            parameter
            for part in trainer.model_parts
            for name, parameter in part.named_parameters()
            if not is_copy(part, name)  # its gradient goes to the other end of the pipeline
        ]
        attention = type(next(iter(trainer.model_parts[0].layers.values())).attention.inner_attention).__name__
        with mode:
            for optimizes in (False, True, True):
                microbatch(trainer)
                unique_graphs.append(dynamo_counters["stats"]["unique_graphs"])
                with_gradient = sum(parameter.grad is not None for parameter in parameters)
                if optimizes:
                    trainer.optimizers.step()
                    trainer.optimizers.zero_grad()
    return Report(
        graphs=graphs,
        unique_graphs=unique_graphs,
        graph_breaks=dict(dynamo_counters["graph_break"]),
        gradients=(with_gradient, len(parameters)),
        inner_attention=attention,
        adapted=resolved.adapted,
    )
