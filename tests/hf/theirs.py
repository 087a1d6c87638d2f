"""Models of random weights, of every class, made and saved by transformers as people do."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerFast

from tests.tokenizer.small import trained, written

SIZES: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
}
_BY_LAYER = {"use_sliding_window": True, "sliding_window": 8, "max_window_layers": 0}
_DROPOUT = {"attention_dropout": 0.1, "residual_dropout": 0.1, "embedding_dropout": 0.1}  # as StarCoder2 has it

# kind → model_type, and what is not its default
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "Llama": ("llama", {}),
    "Llama, biases": ("llama", {"attention_bias": True, "mlp_bias": True, "head_dim": 24}),
    "Qwen2": ("qwen2", {"tie_word_embeddings": True}),
    "Qwen2, window": ("qwen2", _BY_LAYER),
    "Qwen3": ("qwen3", {"head_dim": 32, "tie_word_embeddings": True}),
    "Qwen3, biases and window": ("qwen3", {"attention_bias": True, **_BY_LAYER}),
    "StarCoder2": ("starcoder2", {"sliding_window": 8, **_DROPOUT}),
    "StarCoder2, no biases": ("starcoder2", {"use_bias": False, "tie_word_embeddings": False}),
    "Mistral": ("mistral", {"sliding_window": None, "head_dim": 24}),
    "Mistral, window": ("mistral", {"sliding_window": 8}),
    "Seed-OSS": ("seed_oss", {"head_dim": 24, "attention_out_bias": True, "attention_bias": False}),
}

# What the published tokenizers have, in the order of their ids; of Qwen2.5, those from <tool_call> on are not special.
QWEN = (
    "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>", "<|box_start|>", "<|box_end|>",
    "<|quad_start|>", "<|quad_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>",
    "<|video_pad|>", "<tool_call>", "</tool_call>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>",
    "<|fim_pad|>", "<|repo_name|>", "<|file_sep|>",
)  # fmt: skip
STARCODER2 = (
    "<fim_prefix>", "<fim_middle>", "<fim_suffix>", "<fim_pad>", "<repo_name>", "<file_sep>", "<issue_start>",
    "<issue_comment>", "<issue_closed>", "<jupyter_start>", "<jupyter_text>", "<jupyter_code>", "<jupyter_output>",
    "<jupyter_script>", "<empty_output>",
)  # fmt: skip


def model_of(kind: str, vocab_size: int, **changes: Any) -> PreTrainedModel:
    """Returns a model in fp32 whose biases and norms are not their initial values."""
    model_type, of_kind = KINDS[kind]
    torch.manual_seed(0)
    config = AutoConfig.for_model(model_type, vocab_size=vocab_size, **SIZES | of_kind | changes)
    config.pad_token_id = None
    model: PreTrainedModel = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(4).add_(0.01 * torch.randn_like(parameter))
    return model


def save(model: PreTrainedModel, folder: Path, tokenizer: Path) -> Path:
    """Writes a model in several files, and a tokenizer."""
    model.save_pretrained(folder, max_shard_size="100KB")
    PreTrainedTokenizerFast(tokenizer_file=str(tokenizer / "tokenizer.json")).save_pretrained(folder)
    return folder


def tokenizer_of(family: str, folder: Path) -> Path:
    """Returns a folder with a small tokenizer that has a family's sentinels behind its vocabulary."""
    kind, sentinels = {"qwen": ("qwen", QWEN), "starcoder2": ("starcoder", STARCODER2)}[family]
    tokens = json.loads(trained(kind))["added_tokens"]
    n_ids = Tokenizer.from_str(trained(kind)).get_vocab_size()
    plain = QWEN[QWEN.index("<tool_call>") :] if family == "qwen" else ()
    more = [
        {**tokens[0], "id": n_ids + number, "content": sentinel, "special": sentinel not in plain}
        for number, sentinel in enumerate(sentinels)
    ]
    return written(kind, folder, added_tokens=[*tokens, *more])


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    """Returns what the safetensors files of a folder have."""
    return {name: tensor for file in folder.glob("*.safetensors") for name, tensor in load_file(file).items()}
