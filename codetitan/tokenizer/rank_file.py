"""tiktoken's own encodings, by name and from rank files (`NAME.tiktoken`: a base64 token and its rank a line)."""

import base64
import binascii
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from types import FunctionType
from typing import Any

import tiktoken_ext.openai_public as openai_public
from tiktoken import registry

from codetitan.errors import ConfigError, did_you_mean
from codetitan.tokenizer.convert import Ranks
from codetitan.tokenizer.vocabulary import check_collisions

METADATA = "tiktoken.json"
RANK_FILE = "tokenizer.tiktoken"


def named(name: str) -> Ranks:
    """Returns one of `tiktoken.list_encoding_names()`; tiktoken downloads it once, into its cache.

    Raises:
        ConfigError: it is not in tiktoken's cache and can't be downloaded.
    """
    constructors = registry.ENCODING_CONSTRUCTORS
    assert constructors is not None, "list_encoding_names() fills it"
    try:
        definition = constructors[name]()
    except (OSError, ValueError) as error:
        raise ConfigError(
            f'hf_assets_path = "{name}": tiktoken could not download it ({type(error).__name__}); set '
            f"TIKTOKEN_CACHE_DIR to a folder that has it, or give its rank file, PATH/{name}.tiktoken"
        ) from None
    return _ranks(definition)


def _ranks(definition: dict[str, Any]) -> Ranks:
    return Ranks(
        ranks=definition["mergeable_ranks"],
        splits=[definition["pat_str"]],
        special_tokens=definition["special_tokens"],
    )


def read_ranks(path: Path) -> tuple[dict[bytes, int], str]:
    """Returns the ranks of a rank file, and the file's SHA-256.

    Raises:
        ConfigError: it can't be read, or a line is not a base64 token and its rank.
    """
    try:
        contents = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    ranks: dict[bytes, int] = {}
    owners: set[int] = set()
    for number, line in enumerate(contents.splitlines(), start=1):
        if not line:
            continue
        try:
            token_64, rank_text = line.split()
            token, rank = base64.b64decode(token_64, validate=True), int(rank_text)
        except (ValueError, binascii.Error):
            raise ConfigError(f"{path}: line {number} is not a base64 token and its rank: {line[:40]!r}") from None
        if token in ranks or rank in owners or rank < 0:
            raise ConfigError(f"{path}: line {number} repeats a token or a rank: {line[:40]!r}")
        ranks[token] = rank
        owners.add(rank)
    missing = sum(bytes([byte]) not in ranks for byte in range(256))
    if missing:
        raise ConfigError(f"{path}: {missing} of the 256 bytes have no rank; is it complete?")
    return ranks, hashlib.sha256(contents).hexdigest()


def _definition(name: str, ranks: dict[bytes, int]) -> tuple[dict[str, Any], set[str]]:
    """Returns tiktoken's definition of an encoding, made from `ranks`, and the digests it expects of its file.

    The constructors in `tiktoken_ext.openai_public` load their ranks by a global name; copies of them, in a namespace
    where that name is ours, have the pattern and the special tokens without a download and without changing tiktoken.
    """
    digests: set[str] = set()

    def load(*_: object, expected_hash: str | None = None, **__: object) -> dict[bytes, int]:
        if expected_hash is not None:
            digests.add(expected_hash)
        return ranks

    namespace = dict(vars(openai_public))
    for key, value in vars(openai_public).items():
        if isinstance(value, FunctionType) and value.__module__ == openai_public.__name__:
            namespace[key] = FunctionType(value.__code__, namespace, key, value.__defaults__, value.__closure__)
    namespace["load_tiktoken_bpe"] = namespace["data_gym_to_mergeable_bpe_ranks"] = load
    constructor: Callable[[], dict[str, Any]] = namespace[openai_public.ENCODING_CONSTRUCTORS[name].__name__]
    return constructor(), digests


def from_rank_file(path: Path) -> Ranks:
    """Returns a rank file with the pattern and the special tokens that belong to it.

    They are those of the encoding that the file is named after; of our own `tokenizer.tiktoken`, those of the
    tiktoken.json beside it.

    Raises:
        ConfigError: the file is broken, or no encoding is known by its name.
    """
    metadata = path.parent / METADATA
    if path.name == RANK_FILE and metadata.is_file():
        return _ours(path, metadata)
    known = sorted(openai_public.ENCODING_CONSTRUCTORS)
    if path.stem not in known:
        raise ConfigError(
            f'hf_assets_path = "{path}": its pattern and special tokens are those of the encoding it is named after, '
            f"and {path.stem} must be one of {', '.join(known)}{did_you_mean(path.stem, known)}"
        )
    ranks, digest = read_ranks(path)
    definition, digests = _definition(path.stem, ranks)
    if digests and digest not in digests:
        raise ConfigError(
            f"{path}: not the published {path.name} (its SHA-256 is {digest[:12]}…, not {min(digests)[:12]}…); "
            "download it again"
        )
    return _ranks(definition)


def _ours(path: Path, metadata: Path) -> Ranks:
    ranks, digest = read_ranks(path)
    try:
        contents = json.loads(metadata.read_text(encoding="utf-8"))
        expected, pattern = contents["sha256"], contents["pattern"]
        specials = {str(token): int(number) for token, number in contents["special_tokens"].items()}
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise ConfigError(f"{metadata}: broken ({type(error).__name__}: {error})") from None
    if digest != expected:
        raise ConfigError(f"{path}: not the file that {metadata.name} describes (SHA-256 {digest[:12]}…)")
    check_collisions({repr(token): rank for token, rank in ranks.items()}, specials, metadata)
    return Ranks(ranks=ranks, splits=[pattern], special_tokens=specials)


def write(ranks: Ranks, folder: Path) -> None:
    """Writes `folder`/tokenizer.tiktoken, as tiktoken reads it, and tiktoken.json: its pattern and special tokens."""
    assert len(ranks.splits) == 1 and not ranks.nfc, "what `codetitan tokenizer train` makes"
    contents = b"".join(
        base64.b64encode(token) + b" %d\n" % rank
        for token, rank in sorted(ranks.ranks.items(), key=lambda item: item[1])
    )
    (folder / RANK_FILE).write_bytes(contents)
    metadata = {
        "pattern": ranks.splits[0],
        "special_tokens": ranks.special_tokens,
        "sha256": hashlib.sha256(contents).hexdigest(),
    }
    (folder / METADATA).write_text(json.dumps(metadata, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
