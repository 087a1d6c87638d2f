"""`codetitan plan` against published training runs on H100s: estimated and published tokens a second and GPU.

    python benchmarks/plan_against_published.py

The shapes, batches and plans are those of the publications as far as they state them; what they don't state is assumed
and said in the last column. An estimate assumes GPUs at their full power and no waiting but for links and pipelines.
"""

import sys
import warnings
from dataclasses import dataclass

from codetitan.config.resolve import resolve
from codetitan.plan import command  # before torch: it hides the GPUs
from codetitan.plan.estimate import estimate
from codetitan.plan.gpus import GPUS
from throughput_run import REPOSITORY


@dataclass(frozen=True)
class Run:
    """A published run: settings as overrides of code_7b.toml, GPUs, and tokens a second and GPU."""

    name: str
    gpus: int
    settings: str
    tok_per_s: float
    note: str


_LLAMA3_8B = (
    "--model.dim 4096 --model.n_layers 32 --model.n_heads 32 --model.n_kv_heads 8 --model.ffn_dim 14336 "
    "--model.vocab_size 128256 --model.attention sdpa --training.seq_len 8192 --training.local_batch_size 2 "
    "--training.global_batch_size 16 --activation_checkpoint.name selective"
)
_OLMO_7B = (
    "--model.dim 4096 --model.n_layers 32 --model.n_heads 32 --model.n_kv_heads 32 --model.ffn_dim 11008 "
    "--model.vocab_size 100352 --model.attention sdpa --training.seq_len 4096 --training.global_batch_size 128"
)
_OLMO_1B = (
    "--model.dim 2048 --model.n_layers 16 --model.n_heads 16 --model.n_kv_heads 16 --model.ffn_dim 8192 "
    "--model.vocab_size 100352 --model.attention sdpa --training.seq_len 4096 --training.global_batch_size 128"
)
_TITAN = "torchtitan's docs/performance; H100s limited to 500 W"
RUNS = [
    Run("torchtitan Llama-3 8B", 8, f"{_LLAMA3_8B} --compile.enable false", 5762, _TITAN),
    Run("torchtitan Llama-3 8B, compile", 8, _LLAMA3_8B, 6667, _TITAN),
    Run("torchtitan Llama-3 8B, compile, FP8 tensorwise", 8, f"{_LLAMA3_8B} --float8.recipe tensorwise", 8532, _TITAN),
    Run("OLMo-core 7B", 8, f"{_OLMO_7B} --training.local_batch_size 2 --activation_checkpoint.name selective", 10000,
        "GPUs, microbatch and checkpointing assumed"),
    Run("OLMo-core 1.1B", 8, f"{_OLMO_1B} --training.local_batch_size 4 --activation_checkpoint.name none", 55000,
        "GPUs, shape, microbatch and checkpointing assumed"),
    Run("OLMo-core 1.1B, FP8", 8, f"{_OLMO_1B} --training.local_batch_size 4 --activation_checkpoint.name none "
        "--float8.recipe tensorwise", 65000, "GPUs, shape, microbatch and checkpointing assumed"),
]  # fmt: skip


def main() -> int:
    warnings.simplefilter("ignore")
    print("| run | GPUs | published tok/s/GPU | estimated | estimated / published | note |")
    print("| --- | --: | --: | --: | --: | --- |")
    for run in RUNS:
        with command.quiet():
            config = resolve(
                REPOSITORY / "train_configs" / "code_7b.toml", run.settings.split(), world_size=run.gpus, here=False
            ).config
            plan = estimate(config, run.gpus, GPUS["h100"], nodes_of=8)
        speed = plan.tok_per_s_per_gpu
        ratio = speed / run.tok_per_s
        print(
            f"| {run.name} | {run.gpus} | {run.tok_per_s:,.0f} | {speed:,.0f} | {ratio:.2f} | {run.note} |", flush=True
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
