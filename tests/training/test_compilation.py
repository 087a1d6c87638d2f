"""What torch.compile does during a run is counted, and a run that goes on compiling is told so."""

import json
import logging
from pathlib import Path

import pytest
import torch

from codetitan.training.compilation import Watch, counts
from tests.conftest import REPOSITORY, metrics, run_train

# A run of its own folder: the graphs of another one would be taken from a cache, and not be compiled.
COMPILED = """
extends = "{base}"
dump_folder = "{dump_folder}"
[model]
dim = 64
n_layers = 2
n_heads = 2
ffn_dim = 128
[training]
seq_len = 256
global_batch_size = 4
local_batch_size = 2
steps = 4
[compile]
enable = true
[checkpoint]
enable = false
[metrics]
log_freq = 1
enable_tensorboard = false
"""


def test_a_compilation_after_the_second_step_is_counted_and_said(caplog: pytest.LogCaptureFixture) -> None:
    @torch.compile(backend="eager", dynamic=False)
    def double(x: torch.Tensor) -> torch.Tensor:
        return 2 * x

    watch, before = Watch(), counts()
    with caplog.at_level(logging.WARNING, "codetitan"):
        for step, length in enumerate((4, 5, 5, 4), start=1):
            double(torch.ones(length))
            watch.after_step(step)
        assert counts().graphs == before.graphs + 2 and not caplog.messages
        for step, length in enumerate((6, 7), start=5):
            double(torch.ones(length))
            watch.after_step(step)
    assert counts().graphs == before.graphs + 4
    (line,) = caplog.messages
    assert line.startswith("step 5: 1 more graphs compiled and 0 graph breaks since step 2 of this start")


def test_a_recompilation_of_a_whole_graph_is_counted() -> None:
    """As blocks compile: under fullgraph=True dynamo counts a recompile among its graphs, and not among its frames."""

    @torch.compile(backend="eager", dynamic=False, fullgraph=True)
    def triple(x: torch.Tensor) -> torch.Tensor:
        return 3 * x

    before = counts()
    for length in (4, 5):
        triple(torch.ones(length))
    assert counts().graphs == before.graphs + 2


@pytest.mark.parametrize(
    ("nproc", "overrides"),
    [
        # Inductor's C++ compiler takes a minute; what dynamo compiles again, it compiles again for this backend, too.
        (1, ["--activation_checkpoint.name", "selective", "--compile.backend", "aot_eager"]),
        pytest.param(2, ["--parallelism.tensor_parallel_degree", "2"], marks=pytest.mark.slow),
        pytest.param(2, ["--parallelism.pipeline_parallel_degree", "2"], marks=pytest.mark.slow),
    ],
    ids=["selective", "tp2", "pp2"],
)
def test_nothing_is_compiled_after_the_second_step(tmp_path: Path, nproc: int, overrides: list[str]) -> None:
    config = tmp_path / "run.toml"
    base = REPOSITORY / "train_configs" / "debug.toml"
    config.write_text(COMPILED.format(base=base, dump_folder=tmp_path / "run"), encoding="utf-8")
    result = run_train(config, *overrides, nproc=nproc)
    assert result.returncode == 0, result.stdout + result.stderr
    records = metrics(tmp_path / "run")
    assert records[0]["graphs"] >= 1, json.dumps(records[0])
    assert all(record["graphs"] == records[1]["graphs"] for record in records[2:])
    assert all(record["graph_breaks"] == 0 for record in records)
    for log in (tmp_path / "run" / "logs").iterdir():
        assert "more graphs compiled" not in log.read_text(encoding="utf-8")
