"""What a `tokenizer.json` says about its ids: bytes of the ordinary tokens, added tokens, collisions."""

import json
from pathlib import Path
from typing import Any

from codetitan.errors import ConfigError


def byte_of_character() -> dict[str, int]:
    """GPT-2's table of printable characters that stand for bytes in a byte-level BPE's vocabulary.

    Source: `bytes_to_unicode` in github.com/openai/gpt-2 (src/encoder.py).
    """
    printable = [
        *range(ord("!"), ord("~") + 1),
        *range(ord("¡"), ord("¬") + 1),
        *range(ord("®"), ord("ÿ") + 1),
    ]
    table = {chr(byte): byte for byte in printable}
    others = [byte for byte in range(256) if byte not in printable]
    return table | {chr(256 + i): byte for i, byte in enumerate(others)}


def read_spec(path: Path) -> dict[str, Any]:
    """Returns a tokenizer.json.

    Raises:
        ConfigError: it is no JSON object with a model, or two of its tokens have one id.
    """
    try:
        spec = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: can't be read as JSON ({type(error).__name__}: {error})") from None
    if not isinstance(spec, dict) or not isinstance(spec.get("model"), dict) or "vocab" not in spec["model"]:
        raise ConfigError(f"{path}: not a tokenizer.json as tokenizers writes it (no model with a vocab)")
    if isinstance(spec["model"]["vocab"], dict):
        check_collisions(spec["model"]["vocab"], special_tokens(spec), path)
    return spec


def special_tokens(spec: dict[str, Any]) -> dict[str, int]:
    """Returns every added token, flagged `special` or not (Qwen flags its fill-in-the-middle tokens as not)."""
    return {token["content"]: int(token["id"]) for token in spec.get("added_tokens") or []}


def check_collisions(vocab: dict[str, int], specials: dict[str, int], path: Path) -> None:
    """Each id belongs to one token.

    Raises:
        ConfigError: two tokens have one id, or one token has two.
    """
    for token, number in specials.items():
        if vocab.get(token, number) != number:
            raise ConfigError(
                f'{path}: "{token}" has id {vocab[token]} in the vocabulary and {number} as an added token'
            )
    names = {**dict.fromkeys(vocab), **dict.fromkeys(specials)}
    owners: dict[int, str] = {}
    if len({*vocab.values(), *specials.values()}) == len(names):
        return
    for token, number in [*vocab.items(), *specials.items()]:
        if owners.setdefault(number, token) != token:
            raise ConfigError(
                f'{path}: "{owners[number]}" and "{token}" both have id {number}; give one of them another'
            )


def byte_fallbacks(spec: dict[str, Any]) -> int:
    """Returns how many of the 256 bytes a model of characters can fall back to, where it does at all."""
    vocab = spec["model"]["vocab"]
    tokens = set(vocab) if isinstance(vocab, dict) else {entry[0] for entry in vocab}
    return sum(f"<0x{byte:02X}>" in tokens for byte in range(256)) if spec["model"].get("byte_fallback") else 0


def spaced_bytes(token: str) -> bytes:
    """Returns what a token of the Llama-2 kind stands for: `▁` is a space, `<0x0A>` a byte."""
    if len(token) == 6 and token.startswith("<0x") and token.endswith(">"):
        return bytes([int(token[3:5], 16)])
    return token.replace("▁", " ").encode()


def bytes_of_ids(spec: dict[str, Any], *, byte_level: bool) -> dict[int, bytes]:
    """Returns what each id stands for, an added token for its own text."""
    vocab = spec["model"]["vocab"]
    items = vocab.items() if isinstance(vocab, dict) else ((entry[0], i) for i, entry in enumerate(vocab))
    if byte_level:
        table = byte_of_character()
        known = {
            int(number): bytes(map(table.__getitem__, token)) for token, number in items if table.keys() >= set(token)
        }
    else:
        known = {int(number): spaced_bytes(token) for token, number in items}
    return known | {number: token.encode() for token, number in special_tokens(spec).items()}
