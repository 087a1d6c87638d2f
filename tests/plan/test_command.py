"""`codetitan plan` as a user types it: what it prints for every shipped configuration, and what it refuses."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from codetitan.cli import main
from tests.config.test_plans import FILES, tokenizer, world_sizes
from tests.conftest import REPOSITORY

DEBUG = str(REPOSITORY / "train_configs" / "debug.toml")
CONFIG_350M = str(REPOSITORY / "train_configs" / "code_350m.toml")


def quick(path: Path) -> bool:
    """One process, a node, and FP8; the others take half a minute each."""
    return path.stem in ("debug", "code_350m_8gpu", "code_1_3b_8gpu_fp8")


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, id=path.stem, marks=() if quick(path) else pytest.mark.slow) for path in FILES],
)
def test_every_shipped_configuration_fits(capsys: pytest.CaptureFixture[str], path: Path) -> None:
    """On H100s, as many as its name says (else 8, which is what the README calls a node)."""
    world_size = world_sizes(path)[-1]
    assert main(["plan", "--config", str(path), "--world-size", str(world_size), "--json", *tokenizer(path)]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["memory"]["fits"], plan["memory"]
    # The rank that the trainer itself built, whole, holds what the three blocks told.
    assert plan["dry_run"]["parameter_bytes"] == plan["memory"]["ranks"][0]["parameters"]
    assert plan["world_size"] == world_size and plan["time"]["step_s"] > 0
    assert 0 < plan["time"]["mfu_causal"] < plan["time"]["mfu_full"] < 1


def test_the_report(capsys: pytest.CaptureFixture[str]) -> None:
    """What a person reads: the mesh, the stages, memory, traffic, time, and the rank that was built."""
    options = ["--parallelism.pipeline_parallel_degree", "2", "--parallelism.tensor_parallel_degree", "2"]
    options += ["--tokens", "1M", "--validation.interval", "50", "--validation.share", "0.01"]
    assert main(["plan", "--config", DEBUG, "--world-size", "16", "--rank", "5", "--nodes-of", "8", *options]) == 0
    out = capsys.readouterr().out
    for line in (
        "plan    debug, 9.2M parameters, on 16 × H100 SXM",
        "mesh    PP 2 · FSDP 4 · TP 2 = 16 GPUs on 2 nodes of 8",
        "    rank  0  1  2  3  4  5  6  7",
        "    FSDP  0  0  1  1  2  2  3  3",
        "  PP: groups of 2 over 2 nodes, network (ranks 0,8)",
        "  TP: groups of 2 inside a node, NVLink (ranks 0-1)",
        "  stage 0 on pipeline rank 0: embedding, blocks 0-3",
        "  stage 1 on pipeline rank 1: norm and head",
        "dry run rank 5 (pp 0, dp_shard 2, tp 1) of 16 was built by the trainer's own code",
        "inside documents",
        "% of the memory is used; larger microbatches or less checkpointing may be faster: --search",
        "245 steps, 1M tokens",
        "validation: 5 rounds of 256,000 tokens, ",
    ):
        assert line in out, out
    assert "  fits: " in out and "pipeline bubble" in out


def test_what_does_not_fit(capsys: pytest.CaptureFixture[str]) -> None:
    """Says how much is missing, and what would help."""
    file = str(REPOSITORY / "train_configs" / "code_7b.toml")
    options = ["--activation_checkpoint.name", "selective", "--training.local_batch_size", "4"]
    assert main(["plan", "--config", file, "--world-size", "1", "--gpu", "a100", *options]) == 0
    out = capsys.readouterr().out
    assert "DOES NOT FIT" in out and "GiB are missing; one of:" in out
    for tip in ("training.local_batch_size = 2", 'activation_checkpoint.name = "full"', "tensor_parallel_degree = 2"):
        assert tip in out, out


REFUSED = {
    "--world-size 0": "--world-size 0 must be at least 1",
    "--world-size 7": "training.global_batch_size = 16 must be a multiple of",
    "--gpu h10": '--gpu "h10" must be one of a100, a100-40, h100, ',
    "--worldsize 8": '--worldsize: unknown option; did you mean "--world-size"?',
    "--gpus h100": '--gpus: unknown option; did you mean "--gpu"?',
    "--nodes-of 0": "--nodes-of 0 must be at least 1",
    "--rank 9 --world-size 8": "--rank 9 must be one of 0 to 7",
    "--network -1": "--network -1.0 must be above 0",
    "--output x.toml": "--output needs --search",
    "--search --json": "--search prints no JSON; leave one of them out",
    "--search --output nowhere/x.toml": "--output nowhere/x.toml can't be written: No such file or directory",
    "--gpu a100 --float8.recipe tensorwise --float8.skip_small_layers false "
    "--training.mixed_precision_param bfloat16": "the A100 SXM 80 GB has no FP8",
    "--training.lr 1e-3": 'training.lr (command line): unknown key; did you mean "optimizer.lr"?',
    "--parallelism.tensor_parallel_degree 8 --world-size 8": "tensor_parallel_degree = 8 must divide model.n_heads = 4",
    "--parallelism.tensor_parallel_degree 3 --world-size 3": "tensor_parallel_degree = 3 must divide",
    "--parallelism.data_parallel_shard_degree 3 --world-size 8": "the degrees (data_parallel_shard_degree 3) multiply",
    "--parallelism.context_parallel_degree 4 --world-size 4": "training.seq_len = 256",
    "--parallelism.pipeline_parallel_degree 8 --world-size 8": "pipeline_parallel_degree = 8",
    "--parallelism.pipeline_parallel_degree 4 --world-size 4": "fewer pipeline microbatches of 1 than the 4 stages",
    "--parallelism.pipeline_parallel_schedule 1f1b": 'parallelism.pipeline_parallel_schedule = "1f1b" must be one of',
    "--training.local_batch_size 5": "training.global_batch_size = 16",
    "--model.n_heads 3": "model.n_heads = 3",
    "--model.flavor 350": 'model.flavor = "350"',
    "--float8.recipe tensorwise": "every layer of debug is too small to gain",
    "--model.attention flash": "model.attention",
    "--optimizer.name SGD": "optimizer.name",
    "--activation_checkpoint.name some": "activation_checkpoint.name",
    "--model.attention varlen --parallelism.context_parallel_degree 2 --world-size 2": "does not work under",
}


@pytest.mark.parametrize("options", REFUSED)
def test_refused(capsys: pytest.CaptureFixture[str], options: str) -> None:
    """One line that names the key and the fix, exit code 2, and nothing on stdout."""
    assert main(["plan", "--config", DEBUG, *options.split()]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.startswith("codetitan: error: ") and captured.err.count("\n") == 1
    assert REFUSED[options] in captured.err


def plan_of(*arguments: str) -> str:
    """What the command prints, run as a user does: forks want a process that has not run autograd."""
    command = [sys.executable, "-m", "codetitan.cli", "plan", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_search(tmp_path: Path) -> None:
    """The best is a configuration that plans as well as the table says."""
    fragment = tmp_path / "best.toml"
    small = ["--model.n_layers", "2", "--compile.enable", "false", "--training.global_batch_size", "16"]
    small += ["--world-size", "2", "--nodes-of", "2"]
    out = plan_of("--config", CONFIG_350M, "--search", "--output", str(fragment), *small)
    assert "valid settings were compared" in out and fragment.read_text() in out
    rows = [line.split() for line in out.splitlines() if line.strip()[:2].strip().isdigit()]
    speeds = [float(row[9].replace(",", "")) for row in rows]
    assert len(speeds) == 10 and speeds[0] == max(speeds)
    again = ["--config", str(fragment), "--world-size", "2", "--nodes-of", "2"]  # what the command line set is in it
    best = json.loads(plan_of(*again, "--json"))["time"]["tok_per_s_per_gpu"]
    assert best == pytest.approx(speeds[0], rel=0.01) and speeds[0] > speeds[-1]
