"""codetitan against torchtitan's own Llama-3 code: the same shape, on the same batches, in one process.

    python benchmarks/against_torchtitan.py --config train_configs/debug.toml
    torchrun --nproc-per-node 8 benchmarks/against_torchtitan.py --config train_configs/code_350m.toml

Both trainers take turns of a few steps, so that a machine whose speed drifts slows both: the figure is the median over
the rounds of the ratio within a round. The baseline is torchtitan's Trainer, Llama-3 model (complex RoPE, fused QKV,
its own initial values), AdamW container and metrics; it reads codetitan's loader. On a CPU, where torchtitan can't
train, it gets the adaptations that codetitan has (attention, mask, gloo), and nothing else.
"""

import argparse
import dataclasses
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

for name, value in {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0", "MASTER_ADDR": "localhost"}.items():
    os.environ.setdefault(name, value)
os.environ.setdefault("MASTER_PORT", "29533")

import torch
import torch.distributed as dist

from codetitan import device
from codetitan.config.resolve import resolve
from codetitan.errors import ConfigError
from codetitan.models.code.attention import DenseMaskAttention
from codetitan.models.code.model import CodeModel
from codetitan.models.code.parallelize import parallelize_code
from codetitan.titan import MetricsProcessor, Trainer
from codetitan.trainer import CodeTrainer

# isort: split
import torchtitan.models.llama3 as llama3
from torchtitan.components.optimizer import default_adamw
from torchtitan.models.common import ComplexRoPE, Embedding, Linear, RMSNorm

CPU = device.device_type() == "cpu"


class Llama3OnCpu(llama3.Llama3Model):
    """torchtitan's model with the one method that a CPU needs replaced."""

    @dataclasses.dataclass(kw_only=True, slots=True)
    class Config(llama3.Llama3Model.Config):
        pass

    _create_flex_attention_mask = CodeModel._create_flex_attention_mask


def llama3_spec(config: CodeTrainer.Config) -> Any:
    """torchtitan's Llama-3 with the configuration's shape, built by torchtitan's own function."""
    shape = config.model.shape()
    cls = Llama3OnCpu if CPU else llama3.Llama3Model
    layers = llama3._build_llama3_layers(
        n_layers=shape.n_layers,
        dim=shape.dim,
        n_heads=shape.n_heads,
        n_kv_heads=shape.n_kv_heads,
        hidden_dim=shape.ffn_dim,
        fuse_qkv=shape.n_kv_heads > 1,
        rope=ComplexRoPE.Config(dim=shape.head_dim, max_seq_len=131072, theta=500000, scaling="llama"),
        attn_backend=config.model.attention,
    )
    if CPU:
        for layer in layers:
            layer.attention.inner_attention = DenseMaskAttention.Config()
    embedding_init = llama3._EMBEDDING_SKIP_INIT if shape.tie_embeddings else llama3._EMBEDDING_INIT
    model = cls.Config(
        dim=shape.dim,
        vocab_size=shape.vocab_size,
        enable_weight_tying=shape.tie_embeddings,
        tok_embeddings=Embedding.Config(
            num_embeddings=shape.vocab_size, embedding_dim=shape.dim, param_init=embedding_init
        ),
        norm=RMSNorm.Config(normalized_shape=shape.dim, param_init=llama3._NORM_INIT),
        lm_head=Linear.Config(
            in_features=shape.dim, out_features=shape.vocab_size, param_init=llama3._output_linear_init(shape.dim)
        ),
        layers=layers,
    )
    spec = llama3.model_registry("debugmodel")
    return dataclasses.replace(spec, model=model, parallelize_fn=parallelize_code if CPU else spec.parallelize_fn)


def baseline_config(config: CodeTrainer.Config) -> Any:
    """torchtitan's Trainer.Config with the same training, data, loss and plan."""
    same = ("dataloader", "tokenizer", "hf_assets_path", "loss", "parallelism", "compile", "activation_checkpoint")
    training = dataclasses.replace(config.training)
    return Trainer.Config(
        model_spec=llama3_spec(config),
        dump_folder=config.dump_folder,
        training=training,
        optimizer=default_adamw(lr=config.optimizer.lr),
        metrics=MetricsProcessor.Config(log_freq=10**9),
        **{name: getattr(config, name) for name in same},
    )


class Contestant:
    """A trainer, stepped by hand with checkpoints and logging off."""

    def __init__(self, trainer: Any) -> None:
        self.trainer = trainer
        self.batches = trainer.batch_generator(trainer.dataloader)

    def steps(self, n: int) -> float:
        """Runs n steps; returns seconds a step."""
        if not CPU:
            torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(n):
            self.trainer.step += 1
            self.trainer.train_step(self.batches)
        if not CPU:
            torch.cuda.synchronize()
        return (time.perf_counter() - start) / n


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, default=2, help="steps a turn")
    parser.add_argument("--warm-up", type=int, default=3, help="steps before the first round")
    parser.add_argument("--output", type=Path, help="write the result as JSON")
    options, overrides = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as folder:
        own = ["--dump_folder", folder, "--checkpoint.enable", "false", "--metrics.log_freq", "1000000000"]
        try:
            resolved = resolve(options.config, [*overrides, *own], world_size=int(os.environ["WORLD_SIZE"]))
        except ConfigError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
        config = resolved.config
        contestants = {
            "codetitan": Contestant(config.build()),
            "torchtitan": Contestant(baseline_config(config).build()),
        }
        for contestant in contestants.values():
            contestant.steps(options.warm_up)
        seconds: dict[str, list[float]] = {name: [] for name in contestants}
        for i in range(options.rounds):
            # Who goes first alternates, so that neither always finds the caches of the other.
            for name in sorted(contestants, reverse=bool(i % 2)):
                seconds[name].append(contestants[name].steps(options.steps))
    if dist.get_rank() == 0:
        report(options, config, seconds)
    dist.destroy_process_group()
    return 0


def report(options: argparse.Namespace, config: CodeTrainer.Config, seconds: dict[str, list[float]]) -> None:
    tokens = config.training.global_batch_size * config.training.seq_len
    ratios = [b / a for a, b in zip(seconds["codetitan"], seconds["torchtitan"], strict=True)]
    quartiles = statistics.quantiles(ratios, n=4)
    name = device.cpu_name() if CPU else torch.cuda.get_device_name()
    result = {
        "flavor": config.model.flavor,
        "device": f"{dist.get_world_size()} × {name}",
        "threads": torch.get_num_threads() if CPU else None,
        "tokens_per_step": tokens,
        "seq_len": config.training.seq_len,
        "tok_per_s": {name: round(tokens / statistics.median(times)) for name, times in seconds.items()},
        "ratio": round(statistics.median(ratios), 4),
        "ratio_quartiles": [round(quartiles[0], 4), round(quartiles[2], 4)],
        "rounds": options.rounds,
        "steps_a_turn": options.steps,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d"),
        "command": " ".join(["python", *sys.argv]),
    }
    print(f"\n{config.model.flavor} on {result['device']}, {tokens:,} tokens a step, {options.rounds} rounds")
    print("| | tok/s (median) |\n| --- | --: |")
    for contestant, speed in result["tok_per_s"].items():  # type: ignore[attr-defined]
        print(f"| {contestant} | {speed:,} |")
    low, high = result["ratio_quartiles"]  # type: ignore[misc]
    print(f"\ncodetitan / torchtitan: {result['ratio']} (quartiles {low} to {high})")
    if options.output is not None:
        options.output.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
