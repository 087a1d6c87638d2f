"""Text to token ids, at tiktoken's speed: a byte-level BPE `tokenizer.json`, run by tiktoken.

tiktoken encodes several times faster than `tokenizers` and gives the same ids (benchmarks/tokenizer.py); the
conversion is checked on real text each time a tokenizer is loaded.
"""

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import tiktoken

from codetitan.errors import ConfigError, did_you_mean

ASSETS = Path(__file__).parent.parent / "assets"
END_OF_TEXT = "<|endoftext|>"

# tiktoken's regex engine keeps a million places to go back to and panics beyond: `\s+(?!\S)` on a run of whitespace.
_TOO_MUCH_WHITESPACE = re.compile(r"\s{900000}")


def tokenizer_folder(path: str) -> Path:
    """Returns the folder of a tokenizer given by path, or by the name of one that ships with codetitan.

    Raises:
        ConfigError: there is none.
    """
    for folder in (Path(path).expanduser(), ASSETS / path):
        if (folder / "tokenizer.json").is_file():
            return folder
    shipped = sorted(folder.name for folder in ASSETS.iterdir())
    raise ConfigError(
        f'hf_assets_path = "{path}" is neither a folder with a tokenizer.json nor a shipped tokenizer '
        f"({', '.join(shipped)}){did_you_mean(path, shipped)}"
    )


def _unicode_to_byte() -> dict[str, int]:
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


def _pattern(pre_tokenizer: dict[str, Any], path: Path) -> str:
    """Returns the pre-tokenizer's regex: a `Split` on a regex followed by a plain `ByteLevel`."""
    steps = pre_tokenizer.get("pretokenizers", [pre_tokenizer]) if pre_tokenizer else []
    match [(step["type"], step) for step in steps]:
        case [("Split", split), ("ByteLevel", byte_level)] if not byte_level.get("use_regex", True):
            if "Regex" in split["pattern"] and split["behavior"] == "Isolated" and not split["invert"]:
                return str(split["pattern"]["Regex"])
    raise ConfigError(
        f"{path}: its pre-tokenizer is not a regex split followed by ByteLevel; train one that is with "
        "`codetitan tokenizer train`"
    )


def can_encode(text: str) -> bool:
    """Whether tiktoken can encode the text: not where 900,000 or more characters of whitespace stand together."""
    return len(text) < 900_000 or _TOO_MUCH_WHITESPACE.search(text) is None


def open_encoding(path: str) -> tuple[Path, tiktoken.Encoding]:
    """Finds, converts and checks a tokenizer; returns its folder and encoding.

    Raises:
        ConfigError: there is none, tiktoken can't run it, or it has no token to end a document with.
    """
    folder = tokenizer_folder(path)
    encoding = load_encoding(folder)
    if END_OF_TEXT not in encoding.special_tokens_set:
        raise ConfigError(f'{folder}/tokenizer.json has no special token "{END_OF_TEXT}" to end a document with')
    check_conversion(encoding, folder)
    return folder, encoding


def load_encoding(folder: Path) -> tiktoken.Encoding:
    """Converts a byte-level BPE `tokenizer.json` to tiktoken, ids unchanged.

    Raises:
        ConfigError: the file is no byte-level BPE that tiktoken can run.
    """
    try:
        return _convert(folder)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(
            f"{folder}/tokenizer.json: not a byte-level BPE as tokenizers writes it ({type(error).__name__}: {error})"
        ) from None


def _convert(folder: Path) -> tiktoken.Encoding:
    path = folder / "tokenizer.json"
    spec = json.loads(path.read_text(encoding="utf-8"))
    model = spec["model"]
    if model.get("type") != "BPE" or spec.get("normalizer"):
        raise ConfigError(f"{path}: not a byte-level BPE without a normalizer; codetitan runs no other kind")
    specials = {token["content"]: int(token["id"]) for token in spec["added_tokens"]}
    table = _unicode_to_byte()
    ranks = {
        bytes(table[character] for character in token): int(number)
        for token, number in model["vocab"].items()
        if token not in specials
    }
    # tiktoken merges the pair with the lowest id first: ids must rise in the order of the merges.
    merged = [
        model["vocab"]["".join(merge if isinstance(merge, list) else merge.split(" "))] for merge in model["merges"]
    ]
    if any(a >= b for a, b in pairwise(merged)):
        raise ConfigError(f"{path}: its ids do not follow the order of its merges; tiktoken can't run it")
    return tiktoken.Encoding(
        folder.name,
        pat_str=_pattern(spec["pre_tokenizer"], path),
        mergeable_ranks=ranks,
        special_tokens=specials,
    )


def check_conversion(encoding: tiktoken.Encoding, folder: Path) -> None:
    """Compares tiktoken's ids with the original's on real text: this file, which has code, prose and non-ASCII.

    Raises:
        ConfigError: they differ.
    """
    import tokenizers  # 50 ms, and only needed here

    text = Path(__file__).read_text(encoding="utf-8")
    original = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    original.encode_special_tokens = True  # as plain text, as encode_ordinary does
    if encoding.encode_ordinary(text) != original.encode(text, add_special_tokens=False).ids:
        raise ConfigError(f"{folder}/tokenizer.json: tiktoken and tokenizers give different ids; it can't be used")
