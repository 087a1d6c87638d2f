"""Small tokenizers of every kind that `open_encoding` takes, trained here on real code: no download."""

import inspect
import json
from functools import cache
from pathlib import Path
from typing import Any

import tokenizers
from hypothesis import strategies as st
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, trainers
from tokenizers.pre_tokenizers import ByteLevel, Digits, PreTokenizer, Sequence, Split

from codetitan.tokenizer.check import HARD_TEXT
from codetitan.tokenizer.train import PATTERN

CJK = "[一-龥\u3040-ゟ゠-ヿ]+"
# deepseek-ai/DeepSeek-V3, tokenizer.json
DEEPSEEK = (
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^" + "\r\n" + r"\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+|"
    r" ?[\p{P}\p{S}]+[" + "\r\n" + r"]*|\s*[" + "\r\n" + r"]+|\s+(?!\S)|\s+"
)


def isolated(*regexes: str) -> list[PreTokenizer]:
    return [Split(Regex(regex), behavior="isolated") for regex in regexes]


PLAIN, GPT2 = ByteLevel(add_prefix_space=False, use_regex=False), ByteLevel(add_prefix_space=False)
BYTE_LEVEL: dict[str, tuple[Any, PreTokenizer]] = {
    "gpt2": (None, GPT2),
    "qwen": (normalizers.NFC(), Sequence([*isolated(PATTERN), PLAIN])),
    "deepseek-v3": (normalizers.Sequence([]), Sequence([*isolated(r"\p{N}{1,3}", CJK, DEEPSEEK), PLAIN])),
    "starcoder": (None, Sequence([Digits(individual_digits=True), GPT2])),
    # deepseek-ai/deepseek-coder-1.3b-base: what no split matches is a word of its own.
    "deepseek-coder": (
        None,
        Sequence(
            [
                *isolated("[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[一-龥ࠀ-一가-퟿]+"),
                Digits(individual_digits=True),
                PLAIN,
            ]
        ),
    ),
    "digit-runs": (None, Sequence([Digits(individual_digits=False), GPT2])),
}


def corpus() -> list[str]:
    return [Path(inspect.getsourcefile(module)).read_text() for module in (inspect, json, tokenizers)] + [HARD_TEXT] * 3


@cache
def trained(kind: str) -> str:
    """Returns the tokenizer.json of a kind, 900 ids."""
    tokens = [AddedToken(token, special=True, normalized=False) for token in ("<unk>", "<|endoftext|>")]
    if kind == "llama2":
        tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
        tokenizer.decoder = decoders.Sequence(
            [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
        )
        fallback = [AddedToken(f"<0x{byte:02X}>", special=False, normalized=False) for byte in range(256)]
        trainer = trainers.BpeTrainer(vocab_size=900, special_tokens=[*tokens, *fallback], max_token_length=8)
        words = [word for text in corpus() for word in text.replace("\n", " \n ").split(" ")]
        tokenizer.train_from_iterator(words, trainer)
        spec = json.loads(tokenizer.to_str())
        spec["added_tokens"] = spec["added_tokens"][:2]  # the bytes are ordinary tokens
        return json.dumps(spec)
    normalizer, pre_tokenizer = BYTE_LEVEL[kind]
    tokenizer = Tokenizer(models.BPE())
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizer, decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=900, special_tokens=tokens, initial_alphabet=ByteLevel.alphabet())
    tokenizer.train_from_iterator(corpus(), trainer)
    return tokenizer.to_str()


def written(kind: str, folder: Path, **changes: Any) -> Path:
    """Writes a kind's tokenizer.json, its top-level parts replaced by `changes`, and returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.json").write_text(json.dumps(json.loads(trained(kind)) | changes))
    return folder


# Runs of few kinds of characters meet each other more often than characters drawn from all of Unicode.
PIECES = st.sampled_from(
    [
        *"aZ\n\r\t 019_'\"(!.,+$#^éßİſ½Ⅷ١²∑かー・、가🙂\x00\x1b\x85\u00a0\u0301\u200b\u2028\u212a\u3000\U0010ffff",
        *("  ", "\r\n", "'s", "'Ll", " the", " of", "中文", "e\u0301", "½1", "12345", "<|endoftext|>", "<unk>"),
    ]
)
TEXTS = st.lists(PIECES, max_size=40).map("".join) | st.text(max_size=20)
