"""What of a run's logs reaches the console."""

import logging

import pytest

from codetitan.train import _ForPeople


def record(name: str, level: int, message: str) -> logging.LogRecord:
    return logging.LogRecord(name, level, "", 0, message, None, None)


@pytest.mark.parametrize(
    ("rank", "name", "level", "message", "shown"),
    [
        (0, "codetitan", logging.INFO, "model  debug", True),
        (1, "codetitan", logging.INFO, "model  debug", False),
        (3, "codetitan.training.metrics", logging.INFO, "step 1/8", True),
        (0, "torchtitan.trainer", logging.INFO, "Trainer is initialized", False),
        (0, "torch.distributed", logging.WARNING, "something that a user can act on", True),
        (1, "torch.distributed", logging.ERROR, "a rank that fails speaks", True),
        # As torch 2.14's _inductor/fx_passes/micro_pipeline_tp.py says them, for each reduce-scatter of each block.
        (
            0, "torch._inductor.fx_passes.micro_pipeline_tp", logging.WARNING,
            "matmul result has more than one user, skipping fused_matmul_reduce_scatter fusion.", False,
        ),
        (
            0, "torch._inductor.fx_passes.micro_pipeline_tp", logging.WARNING,
            "async TP found no matching all-gather/reduce-scatter patterns for fusion", False,
        ),
    ],
)  # fmt: skip
def test_the_console_is_for_people(rank: int, name: str, level: int, message: str, shown: bool) -> None:
    assert _ForPeople(rank).filter(record(name, level, message)) is shown
