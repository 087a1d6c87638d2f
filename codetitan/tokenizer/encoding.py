"""Text to token ids, at tiktoken's speed wherever tiktoken gives a tokenizer's own ids: `open_encoding`.

tiktoken encodes several times faster than `tokenizers` (benchmarks/tokenizer.py). A tokenizer.json is converted, and
the conversion checked against the original on real text each time it is loaded; what can't be converted runs on
`tokenizers`, provided that the text comes back from its ids.
"""

import functools
import re
import unicodedata
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt
import tiktoken

from codetitan.errors import ConfigError, did_you_mean
from codetitan.places import expand
from codetitan.tokenizer import check, rank_file
from codetitan.tokenizer.convert import NotConvertibleError, Ranks, convert
from codetitan.tokenizer.engine import Ids, Tiktoken, digest, token_bytes
from codetitan.tokenizer.pattern import UnknownSyntaxError
from codetitan.tokenizer.settled import settled, steps
from codetitan.tokenizer.vocabulary import byte_fallbacks, read_spec, special_tokens

if TYPE_CHECKING:
    from codetitan.tokenizer.original import Original

ASSETS = Path(__file__).parent.parent / "assets"

# tiktoken's regex engine keeps a million places to go back to and fails beyond: `\s+(?!\S)` on a run of whitespace.
# Runs of 1.5 MB of anything else (a letter, digits, marks, CJK, emoji, NULs) take it at most 1.5 s.
# Looked for from the start of a run only: from each place in it, a run just too short would take hours.
_TOO_MUCH_WHITESPACE = re.compile(r"(?<!\s)\s{900000}")


class _Engine(Protocol):
    """What encodes: tiktoken, or `tokenizers` (`codetitan.tokenizer.original`)."""

    @property
    def n_ids(self) -> int: ...
    def encode(self, text: str) -> npt.NDArray[np.uint32]: ...
    def decode_bytes(self, ids: Ids) -> bytes: ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Encoding:
    """A tokenizer: the one interface to all of them. `open_encoding` makes it.

    Attributes:
        name: of its folder or file, or tiktoken's.
        fingerprint: the name and a digest of what decides the ids, the same for every form of one tokenizer.
        n_ids: 1 + the highest id.
        special_tokens: the ids of all added tokens, flagged special or not; `encode` never gives them.
        note: why it runs on `tokenizers`, several times slower; None on tiktoken.
        without: what of its file is not used, because it is of chance or stands around a text; None where nothing.
        token_bytes: int64 (n_ids,), the bytes that each ordinary id stands for, 0 for the others; None where the
            tokenizer runs on `tokenizers`.
        splits: whether a text may be cut before a single space between two visible ASCII characters: the ids of the
            parts, one after the other, are the ids of the whole.
    """

    name: str
    fingerprint: str
    n_ids: int
    special_tokens: dict[str, int]
    note: str | None
    token_bytes: npt.NDArray[np.int64] | None
    splits: bool
    without: str | None = None
    _engine: _Engine
    _nfc: bool
    _unencodable: re.Pattern[str]

    def normalize(self, text: str) -> str:
        """Returns what the tokenizer makes of a text before it encodes it: Unicode's NFC, or the text itself."""
        if self._nfc and not text.isascii() and not unicodedata.is_normalized("NFC", text):
            # Of tokenizers, so that the ids are the original's: Python's own has the marks of later Unicode versions.
            # Text that is normalized by the later version is so by the earlier.
            from tokenizers.normalizers import NFC

            return str(NFC().normalize_str(text))
        return text

    def encode(self, text: str) -> npt.NDArray[np.uint32]:
        """Returns uint32 (n,), read-only: the ids of a normalized text; special tokens in it are plain text."""
        return self._engine.encode(text)

    def decode_bytes(self, ids: Ids) -> bytes:
        """Returns the bytes of the ids, for a special token its own text.

        Raises:
            KeyError: an id is no token.
        """
        return self._engine.decode_bytes(ids)

    def can_encode(self, text: str) -> bool:
        """Whether the ids of a text exist and give it back.

        They don't where 900,000 or more characters of whitespace stand together (tiktoken), where `▁` occurs (the
        Llama-2 kind takes it for a space), and for half a surrogate pair, which is no text.
        """
        if self._unencodable.search(text) is not None:
            return False
        try:
            return text.isascii() or bool(text.encode())
        except UnicodeEncodeError:
            return False


def absolute(path: str) -> str:
    """Returns what `read_definition` takes, so that it means the same in any working directory."""
    place = expand(path, "hf_assets_path")
    return str(place.absolute()) if place.exists() else path


def open_encoding(path: str) -> Encoding:
    """Finds a tokenizer, converts it where that is needed, and checks it.

    Args:
        path: as `read_definition` takes it.

    Raises:
        ConfigError: there is none, it is broken, or text does not come back from its ids.
    """
    definition = read_definition(path)
    if isinstance(definition.contents, Ranks):
        return _on_tiktoken(definition.name, definition.contents)
    assert definition.file is not None
    if ASSETS in definition.file.parents:
        return _shipped(definition.name, definition.file)
    encoding = _from_json(definition.name, definition.file, definition.contents)
    return replace(encoding, without=definition.without)


@dataclass(frozen=True)
class Definition:
    """What a tokenizer is, as it is written.

    Attributes:
        name: of its folder or file, or tiktoken's.
        file: where it was read; None: by tiktoken.
        contents: of the tokenizer.json but for what is not used, or the ranks.
        without: what is not used; None where nothing.
    """

    name: str
    file: Path | None
    contents: dict[str, Any] | Ranks
    without: str | None = None


def read_definition(path: str) -> Definition:
    """Finds a tokenizer.

    Args:
        path: a folder with a tokenizer.json, such a file itself, the name of a shipped tokenizer, a rank file
            (NAME.tiktoken), or a name that tiktoken knows, such as cl100k_base.

    Raises:
        ConfigError: there is none, or it is broken.
    """
    place = expand(path, "hf_assets_path")
    if place.suffix == ".tiktoken":
        name = place.parent.resolve().name if place.name == rank_file.RANK_FILE else place.stem
        return Definition(name, place, rank_file.from_rank_file(place))
    for file in (place, place / "tokenizer.json", ASSETS / path / "tokenizer.json"):
        if file.is_file() and file.suffix == ".json":
            name = file.resolve().parent.name if file.name == "tokenizer.json" else file.stem
            return Definition(name, file, *settled(name, read_spec(file)))
    shipped, known = sorted(folder.name for folder in ASSETS.iterdir()), tiktoken.list_encoding_names()
    if path in known:
        return Definition(path, None, rank_file.named(path))
    raise ConfigError(
        f'hf_assets_path = "{path}" is no folder with a tokenizer.json, no .json or .tiktoken file, no shipped '
        f"tokenizer ({', '.join(shipped)}) and none of tiktoken's ({', '.join(known)})"
        f"{did_you_mean(path, [*shipped, *known])}"
    )


@functools.cache
def _shipped(name: str, file: Path) -> Encoding:
    """Opens a tokenizer of ours once a process: a run asks when it checks its configuration and when it builds.

    Converting and checking it takes 0.4 s of CPU. A file of somebody else's may have changed since, and is read again.
    """
    return _from_json(name, file, read_spec(file))


def _from_json(name: str, path: Path, spec: dict[str, Any]) -> Encoding:
    """Opens a tokenizer.json, on tiktoken if it can."""
    from codetitan.tokenizer.original import Original  # tokenizers: 50 ms, and only needed here

    try:
        original = Original(spec)
    except Exception as error:  # tokenizers raises no other class
        raise ConfigError(f"{path}: tokenizers can't load it ({type(error).__name__}: {error})") from None
    try:
        ranks = convert(spec)
        text = check.check_text(ranks.ranks)
        encoding = _on_tiktoken(name, ranks)
        difference = check.first_difference(original.encode, _with_normalizer(encoding), text)
        if difference is None:
            return encoding
        reason = f"tiktoken and tokenizers give different ids for {difference}"
    except (NotConvertibleError, UnknownSyntaxError) as error:
        reason = str(error)
    return _on_tokenizers(name, path, spec, original, reason)


def _with_normalizer(encoding: Encoding) -> check.Encode:
    return lambda text: encoding.encode(encoding.normalize(text))


def _on_tiktoken(name: str, ranks: Ranks) -> Encoding:
    engine = Tiktoken(ranks)
    return Encoding(
        name=name,
        fingerprint=f"{name} ({digest(ranks)[:12]})",
        n_ids=engine.n_ids,
        special_tokens=ranks.special_tokens,
        note=None,
        token_bytes=token_bytes(ranks, engine.n_ids),
        splits=check.splits_at_words(engine.encode, check.check_text()),
        _engine=engine,
        _nfc=ranks.nfc,
        _unencodable=_TOO_MUCH_WHITESPACE,
    )


def _on_tokenizers(name: str, path: Path, spec: dict[str, Any], original: "Original", reason: str) -> Encoding:
    from codetitan.tokenizer.original import puts_a_space_first, spec_digest

    note = f"the tokenizer {name} runs on tokenizers, which is several times slower than tiktoken: {reason}"
    if puts_a_space_first(spec):
        note += "; it is used without the space that it would put before each text"
    if not original.byte_level:
        note += "; files with the character ▁ (U+2581), which it takes for a space, are left out"
    encoding = Encoding(
        name=name,
        fingerprint=f"{name} ({spec_digest(spec)[:12]})",
        n_ids=original.n_ids,
        special_tokens=special_tokens(spec),
        note=note,
        token_bytes=None,
        splits=check.splits_at_words(original.encode, check.check_text()),
        _engine=original,
        _nfc=[step["type"] for step in steps(spec.get("normalizer"), "normalizers")] == ["NFC"],
        _unencodable=re.compile("(?!)" if original.byte_level else "▁"),
    )
    if not original.byte_level and byte_fallbacks(spec) < 256:
        raise ConfigError(
            f"{path}: a character that its vocabulary lacks is lost (its model has no byte fallback), so it can't be "
            "used for code; take a byte-level BPE, or train one with `codetitan tokenizer train`"
        )
    lost = next(
        (
            lost
            for text in (check.check_text(), *check.EDGES)
            if (lost := check.first_loss(encoding.encode, encoding.decode_bytes, encoding.normalize(text))) is not None
        ),
        None,
    )
    if lost is not None:
        raise ConfigError(
            f"{path}: text does not come back from its ids, for example {lost}, so it can't be used for code; take a "
            "byte-level BPE, or train one with `codetitan tokenizer train`"
        )
    return encoding
