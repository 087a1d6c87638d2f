"""The baseline of the benchmarks: torchtitan's Trainer and Llama-3 model in the shape of a configuration."""

import dataclasses
import time
from typing import Any

import torch

from codetitan import device
from codetitan.models.code.attention import DenseMaskAttention
from codetitan.models.code.model import CodeModel
from codetitan.models.code.parallelize import parallelize_code
from codetitan.titan import MetricsProcessor, Trainer
from codetitan.training.trainer import CodeTrainer

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
        rope=ComplexRoPE.Config(dim=shape.head_width, max_seq_len=131072, theta=500000, scaling="llama"),
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
    """torchtitan's Trainer.Config with the same training, data, loss and plan; it logs its first step only."""
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
