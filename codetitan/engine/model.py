"""A model in Hugging Face form, ours or another's, loaded by transformers; or a checkpoint of a run, exported first."""

import contextlib
import hashlib
import json
import logging
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from codetitan.data.pieces.dialects import DIALECTS, Sentinels, dialect_of, resolve
from codetitan.engine.prompts import Prompts
from codetitan.errors import ConfigError
from codetitan.hf.tokenizer import DIALECT
from codetitan.tokenizer.encoding import Encoding, open_encoding


@dataclass(frozen=True)
class Model:
    """A loaded model.

    Attributes:
        network: transformers' model, on its device.
        prompts: how it is asked; has its tokenizer, sentinels and context.
        ends: ids that end a text: every sentinel, for none stands in code, and what the folder names.
        no_tokens: rows that fill the vocabulary up; never to be drawn.
        folder: where it was read.
    """

    network: Any
    prompts: Prompts
    ends: tuple[int, ...]
    no_tokens: tuple[int, ...]
    folder: Path


def load(folder: Path, dtype: str | None = None) -> Model:
    """Loads a model, onto the GPU if there is one.

    Args:
        folder: in Hugging Face form.
        dtype: float32, bfloat16 or float16; None: the folder's.

    Raises:
        ConfigError: there is no such model there, it is damaged, or it has no tokenizer.
    """
    prompts = open_prompts(folder)
    logging.getLogger("torch.utils._pytree").setLevel(logging.ERROR)  # torchao, which transformers imports
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    try:
        network, info = transformers.AutoModelForCausalLM.from_pretrained(
            folder, dtype=dtype or "auto", output_loading_info=True, ignore_mismatched_sizes=True
        )
        prompts.context = int(network.config.max_position_embeddings)
    except Exception as error:  # of many classes, from many libraries
        from codetitan.training.checkpoint_error import reason  # imports torch's checkpoints, which take a second

        raise ConfigError(f"--model {folder} can't be loaded: {reason(error)}") from error
    for what, names in (("lacks", info["missing_keys"]), ("has another size of", info["mismatched_keys"])):
        if names:  # transformers draws random numbers for them
            raise ConfigError(f"--model {folder} is damaged: it {what} {sorted(map(str, names))[0]}")
    network = network.to("cuda" if torch.cuda.is_available() else "cpu").eval()
    of_folder = network.generation_config.eos_token_id
    own_ends = of_folder if isinstance(of_folder, list) else [of_folder] if of_folder is not None else []
    sentinels = prompts.sentinels.ids.values()
    n_tokens = max(prompts.encoding.n_ids, 1 + max(sentinels))
    return Model(
        network=network,
        prompts=prompts,
        ends=tuple(sorted({*sentinels, *own_ends})),
        no_tokens=tuple(range(n_tokens, int(network.config.vocab_size))),
        folder=folder,
    )


def not_finite(network: Any, log_probability: float) -> ConfigError:
    """Returns the error of a loaded network that gives such a log-probability."""
    why = "the training has diverged; take an earlier checkpoint"
    if network.dtype == torch.float16:
        why = "float16 is too narrow for it (--dtype float32 is not), or the training has diverged"
    return ConfigError(f"--model: its log-probabilities are not finite ({log_probability}): {why}")


def open_prompts(folder: Path) -> Prompts:
    """Opens the tokenizer of a model's folder, and reads how long a text may be; the weights are not looked at.

    Raises:
        ConfigError: it has no config.json or no tokenizer.json, or one of them can't be read.
    """
    for name in ("config.json", "tokenizer.json"):
        if not (folder / name).is_file():
            raise ConfigError(f"--model {folder} has no {name}")
    encoding = open_encoding(str(folder))
    context = _read_json(folder / "config.json").get("max_position_embeddings")
    return Prompts(encoding, _sentinels(folder, encoding), context if isinstance(context, int) else 0)


def _sentinels(folder: Path, encoding: Encoding) -> Sentinels:
    """Returns the folder's dialect: the one that it names, else the one whose sentinels its tokenizer has."""
    file = folder / "tokenizer_config.json"
    named = _read_json(file).get(DIALECT) if file.is_file() else None
    if named is not None and named not in list(DIALECTS):
        raise ConfigError(f'{file}: {DIALECT} = "{named}" must be one of {", ".join(DIALECTS)}')
    return resolve(dialect_of(encoding) if named is None else DIALECTS[named], encoding)


def _read_json(file: Path) -> dict[str, Any]:
    try:
        contents = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file}: can't be read as JSON ({error})") from None
    return contents if isinstance(contents, dict) else {}


def fingerprint(folder: Path) -> str:
    """Returns the SHA-256 of what decides a model's text: its weights, config.json and tokenizer.json.

    A checkpoint and its exports have the same one, in the same type.
    """

    def of(file: Path) -> str:
        with file.open("rb") as opened:
            return f"{file.name} {hashlib.file_digest(opened, 'sha256').hexdigest()}\n"

    files = sorted({*weights(folder), folder / "config.json", folder / "tokenizer.json"})
    with ThreadPoolExecutor(8) as several:  # hashing lets the interpreter's lock go
        return hashlib.sha256("".join(several.map(of, files)).encode()).hexdigest()


def weights(folder: Path) -> list[Path]:
    """Returns the files of a model's weights; none where the folder has a tokenizer alone."""
    return [file for pattern in ("*.safetensors", "*.bin") for file in folder.glob(pattern)]


@contextlib.contextmanager
def as_folder(
    model: Path, tokenizer_path: str | None, temporary: Path | None = None
) -> Iterator[tuple[Path, int | None]]:
    """Gives a folder in Hugging Face form, and the step of a checkpoint, which is exported to a temporary one first.

    Args:
        model: such a folder, or a checkpoint.
        tokenizer_path: of a checkpoint, where it is not where it was.
        temporary: that folder; it is new, and stays where the process is killed. None: one that the system names.

    Raises:
        ConfigError: it is neither such a folder nor a checkpoint.
    """
    if (model / "config.json").is_file():
        yield model, None
        return
    if (model / "tokenizer.json").is_file() and not (model / ".metadata").is_file():
        raise ConfigError(f"--model {model} has no config.json, which a model in Hugging Face form has")
    from codetitan.hf.export import export
    from codetitan.hf.weights import Checkpoint

    with contextlib.ExitStack() as stack:
        called = "--output"
        if temporary is None:
            temporary = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="codetitan-")))
            called = "the temporary folder (TMPDIR)"
        stack.callback(shutil.rmtree, temporary, ignore_errors=True)
        exported = temporary / "model"
        taken = export(model, exported, tokenizer_path=tokenizer_path, called=called)
        yield exported, Checkpoint(taken).description.step


@contextlib.contextmanager
def opened(model: Path, tokenizer_path: str | None, dtype: str | None = None) -> Iterator[Model]:
    """Loads a folder in Hugging Face form, or a checkpoint.

    Raises:
        ConfigError: it is neither, or can't be loaded.
    """
    with as_folder(model, tokenizer_path) as (folder, _):
        yield load(folder, dtype)
