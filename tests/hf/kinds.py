"""A small model of each kind that there is, as a checkpoint, with what our own code computes of it."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.distributed.checkpoint.state_dict_saver import save

from codetitan.models.code.kernels import Kernels
from codetitan.models.code.model import CodeModel
from codetitan.models.code.rope import RopeConfig
from codetitan.models.code.shape import Flavor
from codetitan.models.code.spec import model_config
from codetitan.tokenizer.encoding import open_encoding
from codetitan.training.description import KEY, Description

SEQ_LEN, NEW_TOKENS = 96, 12
LONGER = {"factor": 4.0, "original_seq_len": 24}
GQA = Flavor(64, 3, 4, 2, 96, 32768, False)

STARCODER2: dict[str, Any] = {
    "norm": "layernorm", "mlp": "gelu", "qkv_bias": True, "out_bias": True, "mlp_bias": True,
}  # fmt: skip


def of(**changes: Any) -> Flavor:
    """Returns grouped-query attention's shape with other blocks."""
    return dataclasses.replace(GQA, **changes)


KINDS: dict[str, tuple[Flavor, RopeConfig]] = {
    "multi-head, tied": (Flavor(64, 3, 4, 4, 96, 32768, True), RopeConfig()),
    "grouped-query": (GQA, RopeConfig()),
    "multi-query": (Flavor(64, 2, 4, 1, 96, 32768, False, norm_eps=1e-6), RopeConfig()),
    "YaRN": (GQA, RopeConfig(scaling="yarn", **LONGER)),
    "YaRN, other ramp": (GQA, RopeConfig(scaling="yarn", beta_fast=8.0, beta_slow=2.0, **LONGER)),
    "NTK": (GQA, RopeConfig(scaling="ntk", **LONGER)),
    "linear": (GQA, RopeConfig(scaling="linear", **LONGER)),
    "Llama 3": (GQA, RopeConfig(scaling="llama3", low_freq_factor=1.5, high_freq_factor=3.0, **LONGER)),
    "Llama, biases": (of(qkv_bias=True, out_bias=True, mlp_bias=True, head_dim=24), RopeConfig()),
    "Qwen2": (of(qkv_bias=True), RopeConfig()),
    "Qwen2, YaRN": (of(qkv_bias=True), RopeConfig(scaling="yarn", **LONGER)),
    "Qwen2, window": (of(qkv_bias=True, sliding_window=16), RopeConfig()),
    "Qwen3": (of(qk_norm=True, head_dim=32, tie_embeddings=True), RopeConfig()),
    "Qwen3, biases and window": (of(qk_norm=True, head_dim=32, qkv_bias=True, out_bias=True, sliding_window=16),
                                 RopeConfig()),
    "StarCoder2": (of(**STARCODER2, tie_embeddings=True, sliding_window=16), RopeConfig()),
    "StarCoder2, no biases": (of(norm="layernorm", mlp="gelu"), RopeConfig(scaling="linear", **LONGER)),
    "Mistral": (of(export_as="MistralForCausalLM", head_dim=24), RopeConfig()),
    "Seed-OSS": (of(qkv_bias=True, head_dim=24), RopeConfig()),
    "Mistral, window": (of(sliding_window=16), RopeConfig(scaling="yarn", **LONGER)),
}  # fmt: skip

_CLASSES = {
    "Qwen2": "Qwen2ForCausalLM",
    "Qwen3": "Qwen3ForCausalLM",
    "StarCoder2": "Starcoder2ForCausalLM",
    "Mistral": "MistralForCausalLM",
    "Seed-OSS": "SeedOssForCausalLM",
}
CLASSES = {kind: _CLASSES.get(kind.split(",")[0], "LlamaForCausalLM") for kind in KINDS}
"""Kind → the class of its export."""


def built(shape: Flavor, rope: RopeConfig) -> CodeModel:
    """Returns a model whose weights are far from their initial values: logits of tens, no norm that is 1."""
    config = model_config(shape, seed=0, kernels=Kernels(attention="flex"), rope=rope)
    for layer in config.layers:
        layer.attention.rope.max_seq_len = 2 * SEQ_LEN
    model = config.build()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        model.init_states()
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            one = 0 if name.endswith(".bias") else 1
            parameter.copy_(one + 0.3 * noise if parameter.ndim == 1 else noise / parameter.shape[1] ** 0.5)
    return model.eval()


def logits_of(model: CodeModel, ids: torch.Tensor) -> torch.Tensor:
    """Returns (B, L, V) for ids (B, L), each row one document."""
    positions = torch.arange(ids.shape[1]).expand_as(ids)
    logits: torch.Tensor = model(ids, positions=positions, attention_masks=model.get_attention_masks(positions))
    return logits


@dataclass(frozen=True)
class Expected:
    """What our code makes of a model.

    Attributes:
        ids: int64 (2, L).
        logits: float32 (2, L, V).
        greedy: what follows the first row, the likeliest token each time.
    """

    ids: torch.Tensor
    logits: torch.Tensor
    greedy: list[int]


@torch.no_grad()
def expected(model: CodeModel) -> Expected:
    ids = torch.randint(20, 32768, (2, SEQ_LEN), generator=torch.Generator().manual_seed(2))
    text = ids[:1]
    for _ in range(NEW_TOKENS):
        text = torch.cat([text, logits_of(model, text)[:, -1:].argmax(-1)], 1)
    return Expected(ids, logits_of(model, ids), text[0, SEQ_LEN:].tolist())


def described(shape: Flavor, rope: RopeConfig) -> Description:
    return Description(
        flavor="test",
        shape=shape,
        rope=rope,
        seq_len=SEQ_LEN,
        tokenizer="code-32k",
        fingerprint=open_encoding("code-32k").fingerprint,
        dialect="starcoder",
        step=7,
        sources={"python-stdlib": 1000},
        languages={"python": 1000},
        licences={"python-stdlib": {"PSF-2.0": 5}},
    )


def checkpoint(
    folder: Path, model: CodeModel, description: Description, change: Callable[[dict[str, object]], object] = dict
) -> Path:
    """Saves a model as the trainer does; `change` may spoil what is saved."""
    state: dict[str, object] = {**model.state_dict(), KEY: description.to_json()}
    change(state)
    save(state, checkpoint_id=folder, no_dist=True)
    return folder
