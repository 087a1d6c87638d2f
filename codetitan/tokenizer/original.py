"""A `tokenizer.json` on `tokenizers` itself: what the conversion is checked against, and what runs the others.

It encodes pieces of text: added tokens in the text are plain text, and no space is put before a piece that has none
(Llama 2 puts one before every text), so that pieces encoded apart decode to their text.
"""

import hashlib
import json
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import tokenizers

from codetitan.tokenizer.convert import is_byte_level
from codetitan.tokenizer.settled import steps
from codetitan.tokenizer.vocabulary import bytes_of_ids, special_tokens


def puts_a_space_first(spec: dict[str, Any]) -> bool:
    """Whether the tokenizer, as it is written, puts a space before a text."""
    normalizers = steps(spec.get("normalizer"), "normalizers")
    return any(step["type"] == "Prepend" for step in normalizers) or any(
        step.get("prepend_scheme", "never") != "never" or step.get("add_prefix_space", False)
        for step in steps(spec.get("pre_tokenizer"), "pretokenizers")
    )


def without_prefix_space(spec: dict[str, Any]) -> dict[str, Any]:
    """Returns the spec so that ids joined from several texts decode to the joined text: it puts no space before a text,
    takes none off, and puts nothing around it."""
    normalizers = [step for step in steps(spec.get("normalizer"), "normalizers") if step["type"] != "Prepend"]
    pre_tokenizers = [_without_prefix_space(step) for step in steps(spec.get("pre_tokenizer"), "pretokenizers")]
    decoders = [
        _without_prefix_space(step) for step in steps(spec.get("decoder"), "decoders") if step["type"] != "Strip"
    ]
    return spec | {
        "truncation": None,
        "padding": None,
        "normalizer": {"type": "Sequence", "normalizers": normalizers} if normalizers else None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": pre_tokenizers} if pre_tokenizers else None,
        "post_processor": None,
        "decoder": {"type": "Sequence", "decoders": decoders} if decoders else None,
    }


def _without_prefix_space(step: dict[str, Any]) -> dict[str, Any]:
    if step["type"] == "Metaspace":
        return {key: value for key, value in step.items() if key != "add_prefix_space"} | {"prepend_scheme": "never"}
    return step | {"add_prefix_space": False} if "add_prefix_space" in step else step


def _plain_spec(spec: dict[str, Any]) -> dict[str, Any]:
    """Returns the spec without added tokens, prefix spaces and what is put around a text."""
    model, specials = dict(spec["model"]), special_tokens(spec)
    inside = specials.keys() & model["vocab"].keys() - {model.get("unk_token")} if "merges" in model else set()
    if inside:
        # As part of the vocabulary they could still come out of a text: by a merge, or as a whole word.
        pairs = (merge if isinstance(merge, list) else merge.split(" ", 1) for merge in model["merges"])
        model["merges"] = [pair for pair in pairs if inside.isdisjoint((*pair, "".join(pair)))]
        model["vocab"] = {token: number for token, number in model["vocab"].items() if token not in inside}
    return without_prefix_space(spec) | {"version": "1.0", "added_tokens": [], "decoder": None, "model": model}


def spec_digest(spec: dict[str, Any]) -> str:
    """Returns a SHA-256 of what decides the ids."""
    decides = {key: spec.get(key) for key in ("normalizer", "pre_tokenizer", "model")}
    return hashlib.sha256(json.dumps([decides, special_tokens(spec)], sort_keys=True).encode()).hexdigest()


class Original:
    """Encodes with `tokenizers`, one text at a time, its lock released.

    Args:
        spec: the contents of a tokenizer.json.

    Raises:
        ValueError, Exception: `tokenizers` can't load it (it raises bare exceptions).
    """

    def __init__(self, spec: dict[str, Any]) -> None:
        self._tokenizer = tokenizers.Tokenizer.from_str(json.dumps(_plain_spec(spec)))
        self.byte_level = is_byte_level(spec)
        self._spec = spec

    @cached_property
    def _bytes(self) -> dict[int, bytes]:  # half a second for 150,000 tokens, and no use to a check
        return bytes_of_ids(self._spec, byte_level=self.byte_level)

    @property
    def n_ids(self) -> int:
        """1 + the highest id."""
        return 1 + max(self._bytes)

    def encode(self, text: str) -> npt.NDArray[np.uint32]:
        """Returns uint32 (n,)."""
        return np.array(self._tokenizer.encode(text, add_special_tokens=False).ids, np.uint32)

    def decode_bytes(self, ids: Sequence[int] | npt.NDArray[np.integer[Any]]) -> bytes:
        """Returns the bytes of the ids."""
        table = self._bytes
        return b"".join([table[number] for number in map(int, ids)])
