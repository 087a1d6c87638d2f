"""`codetitan import`: a model in Hugging Face form, to a checkpoint that training goes on from."""

import dataclasses
import json
import warnings
from pathlib import Path
from typing import Any

import torch
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.state_dict_saver import save

from codetitan.data.pieces.dialects import DIALECTS, dialect_of
from codetitan.errors import ConfigError, did_you_mean
from codetitan.hf import tokenizer
from codetitan.hf.architectures.config_json import read_config
from codetitan.hf.files import read_json, read_tensors
from codetitan.hf.folder import appearing, check_new
from codetitan.models.code.flavors import FLAVORS
from codetitan.models.code.rope import RopeConfig
from codetitan.models.code.shape import EMBEDDING, HEAD, Block, Flavor
from codetitan.tokenizer.encoding import open_encoding
from codetitan.training.checkpoint_error import os_error_of, raise_what_is_no_fault_of_files
from codetitan.training.checksums import ChecksumWriter
from codetitan.training.description import KEY, Description

_TOKENS_A_STEP = 524_288


def _extended(rows: torch.Tensor, n: int) -> torch.Tensor:
    """Returns an embedding (V, D) with `n` rows more, each the mean of those there.

    So a new token is at first as likely as an average one, and changes little: Hewitt, "Initializing new word
    embeddings for pretrained language models" (2021).
    """
    mean = rows.float().mean(0, keepdim=True).to(rows.dtype)
    return torch.cat([rows, mean.expand(n, -1)])


def _save(state: dict[str, Any], folder: Path) -> None:
    try:
        with warnings.catch_warnings(action="ignore"):  # of a process group that is not there
            save(state, storage_writer=ChecksumWriter(folder), checkpoint_id=folder, no_dist=True)
    except (Exception, CheckpointException) as error:  # the latter is no Exception
        raise_what_is_no_fault_of_files(error)
        raise os_error_of(error) or error from error


def _value(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if not isinstance(value, float) else repr(value)


def _toml(name: str, output: Path, shape: Flavor, rope: RopeConfig, seq_len: int, dialect: str) -> str:
    """Returns a configuration that goes on training the model."""
    rows = max(1, _TOKENS_A_STEP // seq_len)
    # Sizes first; of the rest what is not usual.
    fields = dataclasses.fields(Flavor)
    usual = {f.name: f.default for f in fields if f.name in (*Block.__slots__, "head_dim", "export_as")}
    values = dataclasses.asdict(shape)
    model = {f.name: values[f.name] for f in fields if f.name not in usual}
    model |= {name: values[name] for name, default in usual.items() if values[name] != default}
    rotation = {"theta": model.pop("rope_theta")}
    if rope.scaling != "none":
        rotation = dataclasses.asdict(rope) | rotation
    tables: dict[str, dict[str, Any]] = {
        "": {"dump_folder": f"outputs/{name}", "hf_assets_path": str(output / "tokenizer")},
        "model": {"flavor": name, **model},
        "model.rope": rotation,
        "tokenizer": {"dialect": dialect},
        "training": {"seq_len": seq_len, "local_batch_size": 1, "global_batch_size": rows, "steps": 1000},
        "optimizer": {"lr": 5e-5, "betas": [0.9, 0.95], "weight_decay": 0.1},
        "lr_scheduler": {"warmup_ratio": 0.02, "decay_type": "cosine", "min_lr_factor": 0.1},
        "dataloader.fim": {"rate": 0.5},
        "checkpoint": {
            "enable": True,
            "interval": 100,
            "keep_latest_k": 3,
            "last_save_model_only": False,
            "initial_load_path": str(output / "checkpoint" / "step-0"),
        },
    }
    lines = [
        f"# Goes on training {name}, which `codetitan import` wrote. What stands in [training], [optimizer],",
        "# [lr_scheduler] and [dataloader.fim] is a start: change it.",
        f"# ./run_train.sh --config {output / 'train.toml'} --dataloader.sources directory:PATH",
    ]
    for table, values in tables.items():
        lines += ["", f"[{table}]"] if table else [""]
        lines += [f"{key} = {_value(value)}" for key, value in values.items()]
    return "\n".join(lines) + "\n"


def import_model(model: Path, output: Path, *, dialect: str | None = None, structured: bool = False) -> Flavor:
    """Writes `output`/checkpoint/step-0, tokenizer/ and train.toml, which trains it; the tensors keep their bits.

    Where the tokenizer lacks the dialect's sentinels, they get the next ids, and the embeddings rows for them.

    Args:
        model: a folder in Hugging Face form.
        output: the folder to write, which must be new.
        dialect: token family; None: the one whose sentinels the tokenizer has, else starcoder.
        structured: whether the sentinels of structured documents that it lacks are added, too.

    Returns:
        The shape that was written.

    Raises:
        ConfigError: the model is of another architecture, incomplete or damaged, or the disk is full.
    """
    check_new(output)
    if dialect is not None and dialect not in DIALECTS:
        raise ConfigError(
            f'--dialect "{dialect}" must be one of {", ".join(DIALECTS)}{did_you_mean(dialect, DIALECTS)}'
        )
    if not model.is_dir():
        raise ConfigError(f"--model {model}: no such folder")
    if not (model / "config.json").is_file():
        raise ConfigError(
            f"--model {model} has no config.json: it is no folder in Hugging Face form; hf download NAME --local-dir "
            "DIR makes one"
        )
    architecture, shape, rope, seq_len = read_config(read_json(model / "config.json"), str(model / "config.json"))
    if not (model / "tokenizer.json").is_file():
        raise ConfigError(
            f"--model {model} has no tokenizer.json; transformers writes one: "
            "AutoTokenizer.from_pretrained(…).save_pretrained(…)"
        )
    tensors = read_tensors(model, shape, architecture)
    name = model.absolute().name
    if name in FLAVORS:  # whose blocks would be those of our flavor where train.toml does not name them
        name = f"{name}-imported"
    encoding = open_encoding(str(model))
    family = dialect_of(encoding) if dialect is None else DIALECTS[dialect]
    n_bytes = sum(tensor.nbytes for tensor in tensors.values())
    with appearing(output, n_bytes=n_bytes) as folder:
        place = output.absolute()
        (folder / "tokenizer").mkdir()
        sentinels = tokenizer.write(str(model), family, folder / "tokenizer", seq_len=seq_len, structured=structured)
        if max(*sentinels.ids.values(), *sentinels.new.values(), encoding.n_ids - 1) >= shape.vocab_size:
            more = sentinels.vocab_size - shape.vocab_size
            for embedding in (EMBEDDING, HEAD):
                if embedding in tensors:
                    tensors[embedding] = _extended(tensors[embedding], more)
            shape = dataclasses.replace(shape, vocab_size=sentinels.vocab_size)
        toml = _toml(name, place, shape, rope, seq_len, family.name)
        (folder / "train.toml").write_text(toml, encoding="utf-8")
        description = Description(
            flavor=name,
            shape=shape,
            rope=rope,
            seq_len=seq_len,
            tokenizer=str(place / "tokenizer"),
            fingerprint=open_encoding(str(folder / "tokenizer")).fingerprint,
            dialect=family.name,
        )
        if shape.tie_embeddings:
            tensors[HEAD] = tensors[EMBEDDING]  # a checkpoint has both names
        _save({**tensors, KEY: description.to_json()}, folder / "checkpoint" / "step-0")
    return shape
