"""A tokenizer's files in Hugging Face form: the same ids, the dialect's sentinels special, nothing around a text."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers

from codetitan.data.pieces.dialects import Dialect, Sentinels, resolve
from codetitan.errors import ConfigError
from codetitan.hf.chat import end, template
from codetitan.tokenizer import check
from codetitan.tokenizer.convert import Ranks, added_token, to_spec
from codetitan.tokenizer.encoding import Encoding, open_encoding, read_definition
from codetitan.tokenizer.original import without_prefix_space
from codetitan.tokenizer.pattern import UnknownSyntaxError

DIALECT = "dialect"
"""Key of tokenizer_config.json: the token family."""


def digest(fingerprint: str) -> str:
    """Returns the part of a tokenizer's fingerprint that does not depend on its name."""
    return fingerprint.rpartition("(")[2].rstrip(")")


def _spec(path: str, sentinels: Sentinels) -> dict[str, Any]:
    """Returns the tokenizer.json to write.

    Sentinels that are appended or not flagged special are special in it. Added tokens that are neither special nor
    markup (whitespace, single letters) go: `Encoding` never gives their ids, and code is full of them.
    """
    definition = read_definition(path)
    contents = definition.contents
    try:
        spec = to_spec(contents) if isinstance(contents, Ranks) else without_prefix_space(contents)
    except UnknownSyntaxError as error:
        raise ConfigError(f"{definition.name} can't be written as a tokenizer.json: {error}") from None
    added = {
        token["content"]: token | {"special": token["special"] or token["content"] in sentinels.ids}
        for token in spec.get("added_tokens") or []
        if token["special"] or token["content"] in sentinels.ids or re.fullmatch(r"<.+>|\[.+\]", token["content"])
    }
    added |= {token: added_token(token, number) for token, number in sentinels.new.items()}
    model = spec["model"]
    if isinstance(model["vocab"], dict):
        # In the vocabulary a token keeps its id also where the ids have gaps; tokenizers would count on otherwise.
        model = model | {"vocab": model["vocab"] | {token: entry["id"] for token, entry in added.items()}}
    return spec | {"added_tokens": sorted(added.values(), key=lambda entry: int(entry["id"])), "model": model}


def _check(file: Path, encoding: Encoding, sentinels: Sentinels, spec: dict[str, Any]) -> None:
    """What was written gives our ids."""
    try:
        written = tokenizers.Tokenizer.from_file(str(file))
    except Exception as error:  # tokenizers raises no other class
        raise ConfigError(f"{encoding.name} can't be written as a tokenizer.json: tokenizers says {error}") from None
    for sentinel, number in (sentinels.ids | sentinels.new).items():
        if written.token_to_id(sentinel) != number:
            raise ConfigError(
                f"{encoding.name} can't be written as a tokenizer.json: tokenizers gives {sentinel} the id "
                f"{written.token_to_id(sentinel)}, not {number}"
            )
    text = check.check_text()
    for token in spec["added_tokens"]:
        text = text.replace(token["content"], "")  # an id to tokenizers, plain text to us
    difference = check.first_difference(
        lambda text: np.array(written.encode(text, add_special_tokens=False).ids, np.uint32),
        lambda text: encoding.encode(encoding.normalize(text)),
        text,
    )
    if difference is not None:
        raise ConfigError(f"{encoding.name} can't be written as a tokenizer.json: other ids for {difference}")


def special_tokens_map(dialect: Dialect, special: Sequence[str]) -> dict[str, Any]:
    """Returns special_tokens_map.json: a document's end is all that begins and ends a text."""
    return {
        "bos_token": dialect.end,
        "eos_token": dialect.end,
        "pad_token": dialect.pad or dialect.end,
        "additional_special_tokens": list(special),
    }


def tokenizer_config(dialect: Dialect, special: Sequence[str]) -> dict[str, Any]:
    """Returns tokenizer_config.json of any tokenizer with a dialect's sentinels."""
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        **special_tokens_map(dialect, special),
        "clean_up_tokenization_spaces": False,
        "add_prefix_space": False,
    }


def write(
    path: str, dialect: Dialect, folder: Path, *, seq_len: int, structured: bool = False, chat: str | None = None
) -> Sentinels:
    """Writes tokenizer.json, tokenizer_config.json and special_tokens_map.json; of a chat format chat_template.jinja.

    Args:
        path: the tokenizer, as `open_encoding` takes it.
        dialect: whose sentinels it has, or gets.
        folder: where to write.
        seq_len: the longest sample that the model was trained on, for model_max_length.
        structured: whether it gets the sentinels of structured documents that it lacks.
        chat: the format of the conversations that the model was trained on; None: there were none.

    Raises:
        ConfigError: there is no such tokenizer, or a tokenizer.json can't give its ids.
    """
    encoding = open_encoding(path)
    sentinels = resolve(dialect, encoding, structured=structured)
    spec = _spec(path, sentinels)
    (folder / "tokenizer.json").write_text(json.dumps(spec, ensure_ascii=False), encoding="utf-8")
    _check(folder / "tokenizer.json", encoding, sentinels, spec)
    special = list(sentinels.ids | sentinels.new)
    of_model: dict[str, Any] = {
        "model_max_length": seq_len,
        "model_input_names": ["input_ids", "attention_mask"],
        DIALECT: dialect.name,
    }
    ends = {}
    if chat is not None:
        (folder / "chat_template.jinja").write_text(template(chat, sentinels), encoding="utf-8")
        ends = {"eos_token": end(chat, sentinels)}  # what programs stop a chat at
    for name, contents in (
        ("special_tokens_map.json", special_tokens_map(dialect, special) | ends),
        ("tokenizer_config.json", tokenizer_config(dialect, special) | of_model | ends),
    ):
        (folder / name).write_text(json.dumps(contents, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return sentinels
