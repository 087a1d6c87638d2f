"""`codetitan export`: a checkpoint of any mesh as a folder that transformers loads, on a CPU."""

import json
from pathlib import Path

from codetitan.data.pieces.chat import Chat
from codetitan.data.pieces.dialects import DIALECTS
from codetitan.errors import ConfigError
from codetitan.hf import tokenizer
from codetitan.hf.architectures.config_json import config_json, generation_config
from codetitan.hf.architectures.table import check_exportable
from codetitan.hf.card import card
from codetitan.hf.folder import appearing, check_new
from codetitan.hf.weights import DTYPES, MAX_SHARD_BYTES, Checkpoint, find_checkpoint
from codetitan.tokenizer.encoding import open_encoding


def export(
    checkpoint: Path,
    output: Path,
    *,
    dtype: str | None = None,
    tokenizer_path: str | None = None,
    max_shard_bytes: int = MAX_SHARD_BYTES,
    called: str = "--output",
) -> Path:
    """Writes a model in Hugging Face form; the optimizer is not read.

    Args:
        checkpoint: a complete checkpoint, or a folder of a run that has some.
        output: the folder to write, which must be new; it appears when all of it is written.
        dtype: float32, bfloat16 or float16; None: the checkpoint's.
        tokenizer_path: where the tokenizer is now; None: where it was.
        max_shard_bytes: of a safetensors file, about; the most memory that is used.
        called: how errors call the output.

    Returns:
        The checkpoint that was taken.

    Raises:
        ConfigError: there is no such checkpoint, it is damaged, no class of transformers has its blocks, its tokenizer
            is missing, or the disk is full.
    """
    check_new(output, called)
    source = Checkpoint(find_checkpoint(checkpoint))
    said = source.description
    check_exportable(said.shape)
    rounded = None if dtype is None else DTYPES[dtype]
    dtype = dtype or str(source.dtype).removeprefix("torch.")
    path = tokenizer_path or said.tokenizer
    _check_tokenizer(path, said.fingerprint)
    with appearing(output, n_bytes=source.n_bytes(rounded), called=called) as folder:
        sentinels = tokenizer.write(
            *(path, DIALECTS[said.dialect], folder),
            seq_len=said.seq_len,
            structured=said.structured_documents,
            chat=said.chat,
        )
        chat = None if said.chat is None else Chat(said.chat, open_encoding(path), sentinels)
        ends = [] if chat is None else [chat.number(chat.format.end)]
        for name, contents in (
            ("config.json", config_json(said, sentinels, dtype)),
            ("generation_config.json", generation_config(sentinels, ends)),
        ):
            (folder / name).write_text(json.dumps(contents, indent=2) + "\n", encoding="utf-8")
        (folder / "README.md").write_text(card(said, sentinels, dtype, output.absolute().name), encoding="utf-8")
        source.write(folder, rounded, max_shard_bytes)
    return source.folder


def _check_tokenizer(path: str, fingerprint: str) -> None:
    """The tokenizer is there, and the one that the model was trained with."""
    try:
        found = open_encoding(path).fingerprint
    except ConfigError as error:
        raise ConfigError(
            f"the model's tokenizer is missing or broken; say where it is with --tokenizer PATH ({error})"
        ) from None
    if tokenizer.digest(found) != tokenizer.digest(fingerprint):
        raise ConfigError(
            f"the tokenizer {path} is not the model's: its fingerprint is {found}, the model's {fingerprint}; say "
            "where that is with --tokenizer PATH"
        )
