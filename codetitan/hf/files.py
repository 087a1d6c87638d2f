"""The tensors of a folder in Hugging Face form: those that its config.json says, or one line on what is not so."""

import json
import re
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from codetitan.errors import ConfigError
from codetitan.hf.architectures.architecture import Architecture
from codetitan.hf.architectures.tensors import deciding_key, names
from codetitan.hf.weights import DTYPES
from codetitan.models.code.shape import EMBEDDING, Flavor, tensors

INDEX = "model.safetensors.index.json"
_TIED = "tie_word_embeddings"

# What GPTQ, AWQ, bitsandbytes and FP8 put beside a weight or in its place.
_QUANTIZED = re.compile(r"\.(qweight|qzeros|scales|g_idx|SCB|weight_scale(_inv)?|weight_packed|absmax)$")
_LAYER = re.compile(r"model\.layers\.(\d+)\.")


def read_json(file: Path) -> dict[str, Any]:
    """Returns a file's object.

    Raises:
        ConfigError: it has none.
    """
    try:
        contents = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file}: can't be read as JSON ({error})") from None
    if not isinstance(contents, dict):
        raise ConfigError(f"{file}: must be a JSON object")
    return contents


def _files(model: Path) -> list[Path]:
    """Returns the safetensors files of a model."""
    if not (model / INDEX).is_file():
        if (model / "model.safetensors").is_file():
            return [model / "model.safetensors"]
        if any(model.glob("model-*-of-*.safetensors")):
            raise ConfigError(f"--model {model} is incomplete: it has no {INDEX}; copy it again")
        raise ConfigError(
            f"--model {model} has no model.safetensors; weights in another form are converted by transformers: "
            "AutoModelForCausalLM.from_pretrained(…).save_pretrained(…)"
        )
    weight_map = read_json(model / INDEX).get("weight_map")
    files = list(dict.fromkeys(map(str, weight_map.values()))) if isinstance(weight_map, dict) else []
    if not files or any(Path(name).name != name for name in files):
        raise ConfigError(f"{model / INDEX}: weight_map must give each tensor a file of this folder")
    missing = [name for name in files if not (model / name).is_file()]
    if missing:
        raise ConfigError(
            f"--model {model} is incomplete: of the {len(files)} files that {INDEX} names it has no "
            f"{', '.join(missing[:3])}{' …' if len(missing) > 3 else ''}; copy it again"
        )
    return [model / name for name in files]


def _opened(model: Path) -> dict[str, torch.Tensor]:
    """Returns all tensors, mapped from the files: what is not touched takes no memory."""
    found: dict[str, torch.Tensor] = {}
    for file in _files(model):
        try:
            with safe_open(file, framework="pt") as opened:
                found |= {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118  # no mapping
        except (SafetensorError, OSError) as error:
            raise ConfigError(f"{file} is damaged: {error}") from None
    return found


def _type(tensor: torch.Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _check_form(model: Path, found: dict[str, torch.Tensor], shape: Flavor) -> None:
    """No tensor is quantized, and there are as many layers as config.json says."""
    for name, tensor in found.items():
        named, small = _QUANTIZED.search(name), tensor.element_size() == 1 and tensor.dtype != torch.bool
        if named or small:
            form = "" if named else f" of type {_type(tensor)}"
            raise ConfigError(f"--model {model}: its weights are quantized: {name}{form}; import the original")
    layers = {int(match[1]) for name in found if (match := _LAYER.match(name))}
    n = max(layers, default=-1) + 1
    if n != shape.n_layers:
        raise ConfigError(f"--model {model} has tensors of {n} layers, and its config.json says {shape.n_layers}")


def read_tensors(model: Path, shape: Flavor, architecture: Architecture) -> dict[str, torch.Tensor]:
    """Returns our name → tensor, mapped from the files.

    Args:
        model: the folder.
        shape: what its config.json says.
        architecture: whose names the tensors have.

    Raises:
        ConfigError: a file or a tensor is missing, a tensor is of another size or type, or is none of the model's.
    """
    found = _opened(model)
    found = {name: tensor for name, tensor in found.items() if not name.endswith("rotary_emb.inv_freq")}
    _check_form(model, found, shape)
    theirs, sizes = names(shape, architecture), tensors(shape)
    for ours, name in theirs.items():
        if name not in found:
            key = deciding_key(shape, architecture, name)
            why = "" if key is None else f", and its config.json has {key} = {'false' if key == _TIED else 'true'}"
            raise ConfigError(f"--model {model} is incomplete: {name} is missing{why}")
        if tuple(found[name].shape) != sizes[ours].size:
            raise ConfigError(
                f"--model {model}: {name} is {tuple(found[name].shape)}, and its config.json says {sizes[ours].size}"
            )
        if found[name].dtype not in DTYPES.values():
            raise ConfigError(
                f"--model {model}: {name} is of type {_type(found[name])}; it must be {', '.join(DTYPES)}"
            )
    known = set(theirs.values())
    for name in [name for name in found if name not in known]:
        key = deciding_key(shape, architecture, name)
        if key == _TIED:
            # Tied all the same, as transformers 4 does; of two that differ one would be lost.
            if not torch.equal(found[name], found[theirs[EMBEDDING]]):
                raise ConfigError(
                    f"--model {model}: {name} differs from {theirs[EMBEDDING]}, and its config.json has {_TIED} = true"
                )
        elif key is not None:
            raise ConfigError(f"--model {model} has {name}, and its config.json has {key} = false")
        else:
            raise ConfigError(f"--model {model}: {name} is no tensor of {architecture.name}")
    return {ours: found[name] for ours, name in theirs.items()}
