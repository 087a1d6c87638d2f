"""A byte-level BPE `tokenizer.json` as tiktoken takes it: ranks, one regex, special tokens; ids unchanged."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from codetitan.tokenizer.pattern import GPT2_PATTERN, for_tokenizers
from codetitan.tokenizer.settled import steps
from codetitan.tokenizer.vocabulary import byte_of_character, special_tokens

_LITERAL = str.maketrans({character: "\\" + character for character in r"\[](){}|*+?^$.&-~#"})


class NotConvertibleError(Exception):
    """tiktoken can't run it; the text says why."""


@dataclass(frozen=True, kw_only=True)
class Ranks:
    """What decides the ids of a byte-level BPE.

    Attributes:
        ranks: the bytes of each ordinary token, and its id, which is also its place in the order of the merges.
        splits: the regexes that cut the text into words, one after the other.
        special_tokens: the other ids.
        nfc: whether the text is put into Unicode's composed form first.
    """

    ranks: dict[bytes, int]
    splits: list[str]
    special_tokens: dict[str, int]
    nfc: bool = False


def is_byte_level(spec: dict[str, Any]) -> bool:
    """Whether its vocabulary is written in GPT-2's characters for bytes."""
    return any(step["type"] == "ByteLevel" for step in steps(spec.get("pre_tokenizer"), "pretokenizers"))


def _splits(spec: dict[str, Any]) -> list[str]:
    pre_tokenizers = steps(spec.get("pre_tokenizer"), "pretokenizers")
    if not pre_tokenizers or pre_tokenizers[-1]["type"] != "ByteLevel":
        raise NotConvertibleError("its last pre-tokenizer is not ByteLevel")
    regexes = []
    for step in pre_tokenizers[:-1]:
        kept = (step.get("behavior"), step.get("invert")) in (("Isolated", False), ("Removed", True))
        if step["type"] == "Split" and kept:
            pattern = step["pattern"]
            regexes.append(pattern["Regex"] if "Regex" in pattern else pattern["String"].translate(_LITERAL))
        elif step["type"] == "Digits":
            regexes.append(r"\p{N}" if step["individual_digits"] else r"\p{N}+")
        else:
            raise NotConvertibleError(f"its pre-tokenizer {step['type']} is not a regex that isolates its matches")
    if pre_tokenizers[-1].get("use_regex", True):
        regexes.append(GPT2_PATTERN)
    if not regexes:
        raise NotConvertibleError("it cuts no text into words, so one word could be a whole file")
    return regexes


def convert(spec: dict[str, Any]) -> Ranks:
    """Converts the contents of a tokenizer.json.

    Raises:
        NotConvertibleError: it is no byte-level BPE that tiktoken can run.
    """
    model = spec["model"]
    if model.get("type", "BPE") != "BPE":
        raise NotConvertibleError(f"its model is {model['type']}, not BPE")
    if not is_byte_level(spec):
        raise NotConvertibleError("it is a BPE of characters, not of bytes")
    for option in ("continuing_subword_prefix", "end_of_word_suffix", "byte_fallback"):
        if model.get(option):
            raise NotConvertibleError(f"it has {option}")
    normalizers = [step["type"] for step in steps(spec.get("normalizer"), "normalizers")]
    if normalizers not in ([], ["NFC"]):
        raise NotConvertibleError(f"it normalizes the text ({', '.join(normalizers)})")
    splits, specials, vocab = _splits(spec), special_tokens(spec), model["vocab"]
    _check_merges(model, specials)
    of_character = byte_of_character().__getitem__
    try:
        ranks = {
            bytes(map(of_character, token)): int(number) for token, number in vocab.items() if token not in specials
        }
    except KeyError as error:
        raise NotConvertibleError(f"{error.args[0]!r} in its vocabulary stands for no byte") from None
    missing = sum(bytes([byte]) not in ranks for byte in range(256))
    if missing:
        raise NotConvertibleError(f"{missing} of the 256 bytes have no token")
    return Ranks(ranks=ranks, splits=splits, special_tokens=specials, nfc=bool(normalizers))


def to_spec(ranks: Ranks) -> dict[str, Any]:
    """Writes ranks as the contents of a tokenizer.json; `convert` of it gives them back.

    tiktoken joins the neighbours whose joint token has the lowest id, whichever they are, so a merge is named for each
    way to cut a token in two.
    """
    character_of = {byte: character for character, byte in byte_of_character().items()}

    def written(token: bytes) -> str:
        return "".join(map(character_of.__getitem__, token))

    merges = [
        [written(token[:at]), written(token[at:])]
        for token in sorted(ranks.ranks, key=ranks.ranks.__getitem__)
        for at in range(len(token) - 1, 0, -1)
        if token[:at] in ranks.ranks and token[at:] in ranks.ranks
    ]
    splits = [
        {"type": "Split", "pattern": {"Regex": for_tokenizers(regex)}, "behavior": "Isolated", "invert": False}
        for regex in ranks.splits
    ]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [added_token(token, number) for token, number in ranks.special_tokens.items()],
        "normalizer": {"type": "NFC"} if ranks.nfc else None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [*splits, byte_level]},
        "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {
            "type": "BPE",
            "vocab": {written(token): number for token, number in ranks.ranks.items()},
            "merges": merges,
            "ignore_merges": True,  # a word that is a token is one, whatever its merges give
        },
    }


def added_token(token: str, number: int) -> dict[str, Any]:
    """Returns a special token as it stands in a tokenizer.json."""
    plain = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {"id": number, "content": token, **plain, "special": True}


def _check_merges(model: dict[str, Any], specials: dict[str, int]) -> None:
    """tiktoken knows no merges: it joins the neighbours whose joint token has the lowest id."""
    vocab = model["vocab"]
    merged = ["".join(merge) if isinstance(merge, list) else merge.replace(" ", "", 1) for merge in model["merges"]]
    ids = [vocab[token] for token in merged]
    # Equal neighbours are fine: a vocabulary from tiktoken names each pair that gives a token (Llama 3).
    if any(a > b for a, b in pairwise(ids)):
        raise NotConvertibleError("its ids do not follow the order of its merges")
    made = set(merged)
    unmade = sum(len(token) > 1 and token not in made and token not in specials for token in vocab)
    if unmade:
        raise NotConvertibleError(f"{unmade} of its tokens come from no merge")
