"""A folder that can't be imported: one line that says why, and nothing left behind."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from codetitan.errors import ConfigError
from codetitan.hf.architectures.table import ARCHITECTURES
from codetitan.hf.importing import import_model
from tests.hf.conftest import truncate

Spoil = Callable[[Path], Any]


def config(**changes: Any) -> Spoil:
    def change(folder: Path) -> None:
        file = folder / "config.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | changes))

    return change


def tensors(change: Callable[[dict[str, torch.Tensor]], Any]) -> Spoil:
    def rewrite(folder: Path) -> None:
        there = load_file(folder / "model.safetensors")
        change(there)
        save_file(there, folder / "model.safetensors")

    return rewrite


Q = "model.layers.0.self_attn.q_proj."
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 24}
IS_ONE_OF = f"codetitan's model is one of {', '.join(ARCHITECTURES)}, and no other can be imported"
BAD_MODELS: list[tuple[Spoil, str]] = [
    *(
        (config(architectures=[name]), f'exported/config.json: architectures = ["{name}"]; {IS_ONE_OF}')
        for name in ("GraniteForCausalLM", "Qwen3MoeForCausalLM", "MixtralForCausalLM", "LlamaModel")
    ),
    (config(architectures=None, model_type="gemma"), f'exported/config.json: model_type = "gemma"; {IS_ONE_OF}'),
    (config(architectures=[["Llama"]]), f'exported/config.json: architectures = [["Llama"]]; {IS_ONE_OF}'),
    (config(architectures=[], model_type=["llama"]), f'exported/config.json: model_type = ["llama"]; {IS_ONE_OF}'),
    (
        config(architectures=["Qwen2ForCausalLM"]),
        'exported/config.json: model_type = "llama" is not "qwen2" of Qwen2ForCausalLM',
    ),
    (
        config(attention_bias=True),
        "--model exported is incomplete: model.layers.0.self_attn.q_proj.bias is missing, and its config.json has "
        "attention_bias = true",
    ),
    (
        config(hidden_act="gelu"),
        'exported/config.json: hidden_act = "gelu"; codetitan\'s model has silu in LlamaForCausalLM',
    ),
    (
        config(head_dim=64),
        "--model exported: model.layers.0.self_attn.q_proj.weight is (32, 32), and its config.json says (128, 32)",
    ),
    (
        config(head_dim=15),
        "exported/config.json: head_dim = 15; codetitan's model rotates pairs: it needs heads of even width",
    ),
    (
        config(num_attention_heads=3, num_key_value_heads=2),
        "exported/config.json: num_attention_heads = 3 must be a multiple of num_key_value_heads = 2",
    ),
    (
        config(num_attention_heads=3),
        "exported/config.json: hidden_size = 32 must be a multiple of num_attention_heads = 3",
    ),
    (
        config(rope_scaling={"rope_type": "dynamic", "factor": 2.0}),
        'exported/config.json: rope_type = "dynamic"; codetitan\'s model knows default, linear, yarn and llama3',
    ),
    (
        config(rope_scaling=YARN | {"attention_factor": 1.5}),
        "exported/config.json: rope_scaling.attention_factor = 1.5; codetitan's model has YaRN's own attention factor",
    ),
    (
        config(quantization_config={"bits": 4, "quant_method": "gptq"}),
        "exported/config.json: its weights are quantized (gptq); codetitan's model is not; import the original",
    ),
    (
        tensors(lambda there: there.update({Q + "qweight": there.pop(Q + "weight").to(torch.int32)})),
        "--model exported: its weights are quantized: model.layers.0.self_attn.q_proj.qweight; import the original",
    ),
    (
        tensors(lambda there: there.update({Q + "weight": there[Q + "weight"].to(torch.float8_e4m3fn)})),
        "--model exported: its weights are quantized: model.layers.0.self_attn.q_proj.weight of type float8_e4m3fn; "
        "import the original",
    ),
    (
        tensors(lambda there: there.update({Q + "weight": there[Q + "weight"].double()})),
        "--model exported: model.layers.0.self_attn.q_proj.weight is of type float64; it must be float32, bfloat16, "
        "float16",
    ),
    (
        tensors(lambda there: there.update({"model.position_ids": torch.arange(4)})),
        "--model exported: model.position_ids is no tensor of LlamaForCausalLM",
    ),
    (
        config(num_hidden_layers=2),
        "--model exported has tensors of 1 layers, and its config.json says 2",
    ),
    (
        tensors(lambda there: there.update({"model.layers.1.mlp.up_proj.weight": torch.zeros(48, 32)})),
        "--model exported has tensors of 2 layers, and its config.json says 1",
    ),
    (
        tensors(lambda there: there.update({Q + "bias": torch.zeros(32)})),
        "--model exported has model.layers.0.self_attn.q_proj.bias, and its config.json has attention_bias = false",
    ),
    (
        config(tie_word_embeddings=False),
        "--model exported is incomplete: lm_head.weight is missing, and its config.json has tie_word_embeddings = "
        "false",
    ),
    (
        tensors(lambda there: there.update({"lm_head.weight": torch.zeros(32768, 32)})),
        "--model exported: lm_head.weight differs from model.embed_tokens.weight, and its config.json has "
        "tie_word_embeddings = true",
    ),
    (
        config(intermediate_size=None),
        "exported/config.json: intermediate_size = null must be a whole number of at least 1",
    ),
    (config(num_hidden_layers=-1), "exported/config.json: num_hidden_layers = -1 must be a whole number of at least 1"),
    (config(vocab_size="many"), 'exported/config.json: vocab_size = "many" must be a whole number of at least 1'),
    (config(tie_word_embeddings="false"), 'exported/config.json: tie_word_embeddings = "false" must be true or false'),
    (config(rms_norm_eps=float("inf")), "exported/config.json: rms_norm_eps = Infinity must be a number above 0"),
    (config(rope_scaling="yarn"), 'exported/config.json: rope_scaling = "yarn" must be an object'),
    (
        config(partial_rotary_factor=0.5),
        "exported/config.json: partial_rotary_factor is not 1; codetitan's model rotates whole heads",
    ),
    (
        config(rope_scaling={"rope_type": "llama3", "factor": 8.0}),
        "exported/config.json: rope_scaling.original_max_position_embeddings = null must be a number above 0",
    ),
    (
        lambda folder: (folder / "model.safetensors.index.json").write_text(
            '{"weight_map": {"a": "../b.safetensors"}}'
        ),
        "exported/model.safetensors.index.json: weight_map must give each tensor a file of this folder",
    ),
    (
        lambda folder: (folder / "model.safetensors.index.json").write_text('{"weight_map": null}'),
        "exported/model.safetensors.index.json: weight_map must give each tensor a file of this folder",
    ),
    (lambda folder: (folder / "config.json").write_text("{"), "exported/config.json: can't be read as JSON ("),
    (
        lambda folder: (folder / "config.json").unlink(),
        "--model exported has no config.json: it is no folder in Hugging Face form",
    ),
    (
        lambda folder: (folder / "tokenizer.json").unlink(),
        "--model exported has no tokenizer.json; transformers writes one: AutoTokenizer.from_pretrained(…)"
        ".save_pretrained(…)",
    ),
    (
        lambda folder: (folder / "model.safetensors").unlink(),
        "--model exported has no model.safetensors; weights in another form are converted by transformers: "
        "AutoModelForCausalLM.from_pretrained(…).save_pretrained(…)",
    ),
    (
        lambda folder: (folder / "model.safetensors").rename(folder / "model-00001-of-00001.safetensors"),
        "--model exported is incomplete: it has no model.safetensors.index.json; copy it again",
    ),
    (
        lambda folder: (folder / "model.safetensors.index.json").write_text(
            '{"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model.safetensors"}}'
        ),
        "--model exported is incomplete: of the 2 files that model.safetensors.index.json names it has no "
        "model-00001-of-00002.safetensors; copy it again",
    ),
    (lambda folder: truncate(folder / "model.safetensors"), "exported/model.safetensors is damaged: "),
    (
        tensors(lambda there: there.pop("model.norm.weight")),
        "--model exported is incomplete: model.norm.weight is missing",
    ),
    (
        tensors(lambda there: there.update({"model.norm.bias": torch.zeros(32)})),
        "--model exported: model.norm.bias is no tensor of LlamaForCausalLM",
    ),
    (
        config(intermediate_size=64),
        "--model exported: model.layers.0.mlp.gate_proj.weight is (48, 32), and its config.json says (64, 32)",
    ),
]


@pytest.mark.parametrize(("spoil", "line"), BAD_MODELS)
def test_a_bad_model(exported: Path, tmp_path: Path, spoil: Spoil, line: str) -> None:
    spoil(exported)
    with pytest.raises(ConfigError) as caught:
        import_model(exported, tmp_path / "output")
    message = str(caught.value).replace(f"{tmp_path}/", "")
    assert message.startswith(line) and "\n" not in message
    assert not (tmp_path / "output").exists() and not list(tmp_path.glob(".*"))


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none: no such folder$"):
        import_model(tmp_path / "none", tmp_path / "out")
