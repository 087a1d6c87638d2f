"""The model card: what the model is, what it has learnt from, and how to use it."""

import json
from typing import Any

import tomli

import codetitan
from codetitan.data.pieces.dialects import Sentinels
from codetitan.hf.architectures.table import architecture_of
from codetitan.models.code.shape import Flavor
from codetitan.training.description import Description

# What decides the model; the rest of a configuration decides on which machines it was trained, and how fast.
_SECTIONS = ("model", "tokenizer", "training", "optimizer", "lr_scheduler", "loss", "dataloader", "float8")
_ONLY_SPEED = {
    "training": ("local_batch_size", "disable_cuda_graphs", "enable_cpu_offload", "gc_freq"),
    "optimizer": ("implementation",),
    "dataloader": ("workers", "prefetch", "rows"),
}


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items() if item not in ({}, [])) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def _table(name: str, values: dict[str, Any]) -> list[str]:
    """Returns a TOML table: its keys, then its tables."""
    values = {key: value for key, value in values.items() if value not in ({}, [])}
    plain = {key: value for key, value in values.items() if not isinstance(value, dict)}
    lines = [f"[{name}]", *(f"{key} = {_toml(value)}" for key, value in plain.items())] if plain else []
    for key, value in values.items():
        if key not in plain:
            lines += _table(f"{name}.{key}", value)
    return lines


def _configuration(text: str) -> str:
    """Returns what a run's configuration says of the model, as TOML; the mesh and the speed are left out."""
    whole = tomli.loads(text)
    lines = [f"debug.seed = {whole['debug']['seed']}"]
    for section in _SECTIONS:
        values = whole.get(section, {})
        lines += _table(section, {k: v for k, v in values.items() if k not in _ONLY_SPEED.get(section, ())})
    return "\n".join(lines)


def _cell(text: str) -> str:
    """Returns a name as it stands in a table; a label or the words of a store may hold what ends a cell."""
    return text.replace("|", "\\|")


def _share(counts: dict[str, int]) -> str:
    total = max(1, sum(counts.values()))
    largest = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{name} {100 * count / total:.1f} %" for name, count in largest[:8]) + (
        f" and {len(largest) - 8} more" if len(largest) > 8 else ""
    )


def _data(description: Description) -> list[str]:
    """Returns what a model has learnt from, and before that the one that it began with."""
    lines: list[str] = []
    if description.base is not None:
        lines = [f"It began with `{description.base.flavor}`:", "", *_data(description.base), "", "and went on:", ""]
    if not description.sources:
        return [*lines, f"`{description.flavor}` was imported: codetitan does not know its data."]
    lines += ["| source | tokens | licences of a sample of its documents |", "| --- | --: | --- |"]
    for name, tokens in description.sources.items():
        licences = description.licences.get(name, {})
        n = sum(licences.values())
        shares = f"{_cell(_share(licences))} (of {n} documents)" if n else "not read"
        lines.append(f"| {_cell(name)} | {tokens:,} | {shares} |")
    total = sum(description.sources.values())
    steps = f"{description.positions:,} positions, padding counted, in {description.step:,} steps"
    lines += ["", f"{total:,} tokens ({steps}); languages: {_share(description.languages)}."]
    if share := description.validation.get("share"):
        units = {"repository": "repositories", "document": "documents"}[description.validation["by"]]
        lines += ["", f"{100 * share:g} % of the {units} were held out for validation, and never trained on."]
    return lines


def _rope(description: Description) -> str:
    rope = description.rope
    if rope.scaling == "none":
        return f"rotary, base {description.shape.rope_theta:g}"
    return (
        f"rotary, base {description.shape.rope_theta:g}, {rope.scaling} × {rope.factor:g} from {rope.original_seq_len}"
    )


def _blocks(shape: Flavor) -> str:
    """Returns what the blocks are made of."""
    biases = {"q, k, v": shape.qkv_bias, "attention's output": shape.out_bias, "MLP": shape.mlp_bias}
    with_bias = [name for name, there in biases.items() if there]
    parts = [
        {"rmsnorm": "RMSNorm", "layernorm": "LayerNorm"}[shape.norm],
        {"swiglu": "SwiGLU", "gelu": "GELU"}[shape.mlp],
    ]
    parts += [f"biases ({'; '.join(with_bias)})"] if with_bias else []
    parts += ["normed q and k"] if shape.qk_norm else []
    parts += [f"sliding window of {shape.sliding_window:,} tokens"] if shape.sliding_window is not None else []
    return ", ".join(parts)


def _chat(description: Description) -> list[str]:
    if description.chat is None:
        return []
    return [
        "",
        "It answers instructions:",
        "",
        "```python",
        'messages = [{"role": "user", "content": "Write a function that adds two numbers."}]',
        "inputs = tokenizer.apply_chat_template(",
        '    messages, add_generation_prompt=True, return_tensors="pt", return_dict=True',
        ")",
        "answer = model.generate(**inputs, max_new_tokens=256)[0, inputs.input_ids.shape[1] :]",
        "print(tokenizer.decode(answer, skip_special_tokens=True))",
        "```",
    ]


def card(description: Description, sentinels: Sentinels, dtype: str, name: str) -> str:
    """Returns README.md of the folder, in the hub's form.

    Args:
        description: of the checkpoint.
        sentinels: the dialect in ids.
        dtype: of the tensors.
        name: the folder's, for the examples.
    """
    shape, dialect = description.shape, sentinels.dialect
    prompt = f"{dialect.fim_prefix}def add(a, b):\n    {dialect.fim_suffix}\n\nprint(add(1, 2))\n{dialect.fim_middle}"
    heads = f"{shape.n_heads} heads, {shape.n_kv_heads} of keys and values, each {shape.head_width} wide"
    lines = [
        "---",
        "# license: fill in; it depends on the data below",
        "library_name: transformers",
        "pipeline_tag: text-generation",
        "tags: [code, fill-in-the-middle, codetitan]",
        "---",
        "",
        f"# {name}",
        "",
        f"A code model of {shape.n_params / 1e6:,.1f}M parameters, flavor `{description.flavor}` of codetitan.",
        "",
        "| | |",
        "| --- | --- |",
        f"| layers, width, MLP's width | {shape.n_layers}, {shape.dim}, {shape.ffn_dim} |",
        f"| blocks | {_blocks(shape)}; {architecture_of(shape).name} |",
        f"| attention | {heads} |",
        f"| positions | {_rope(description)} |",
        f"| context | {description.seq_len:,} tokens |",
        f"| vocabulary | {shape.vocab_size:,}, {'tied' if shape.tie_embeddings else 'untied'} embeddings |",
        f"| tokenizer | {description.fingerprint}, dialect {dialect.name} |",
        f"| tensors | {dtype} |",
        "",
        "## Use",
        "",
        "```python",
        "from transformers import AutoModelForCausalLM, AutoTokenizer",
        "",
        f'tokenizer = AutoTokenizer.from_pretrained("{name}")',
        f'model = AutoModelForCausalLM.from_pretrained("{name}")',
        f"prompt = {json.dumps(prompt, ensure_ascii=False)}  # fill in the middle; for completion, plain code",
        'inputs = tokenizer(prompt, return_tensors="pt")',
        "middle = model.generate(**inputs, max_new_tokens=32)[0, inputs.input_ids.shape[1] :]",
        "print(tokenizer.decode(middle, skip_special_tokens=True))",
        "```",
        "",
        f"A middle ends with `{dialect.fim_end or dialect.end}`, a document with `{dialect.end}`. No token stands "
        "before a text.",
        *_chat(description),
        "",
        "## Training data",
        "",
        *_data(description),
    ]
    if description.config:
        lines += ["", "## Training configuration", "", "```toml", _configuration(description.config), "```"]
    return "\n".join(
        [*lines, "", f"Trained with codetitan {description.version}, exported with {codetitan.__version__}.", ""]
    )
