"""Trains a byte-level BPE and writes it as `tokenizer.json`: `codetitan tokenizer train`."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from codetitan.data.document import Document
from codetitan.data.pieces.dialects import DIALECTS, Dialect
from codetitan.data.sources.open import Source
from codetitan.errors import ConfigError
from codetitan.hf.tokenizer import tokenizer_config
from codetitan.tokenizer import rank_file
from codetitan.tokenizer.convert import convert
from codetitan.tokenizer.vocabulary import read_spec

# Qwen2's pre-tokenizer (tokenizer.json of Qwen2, Apache-2.0): digits one by one, line ends apart from words. Other
# readers (llama.cpp) know this regex; a new one would lock our exports out of them.
PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def train_tokenizer(
    sources: Sequence[Source], *, vocab_size: int, output: Path, dialect: Dialect = DIALECTS["starcoder"]
) -> Tokenizer:
    """Trains on every document of `sources` and writes `output`/tokenizer.json and tokenizer_config.json.

    The dialect's sentinels get the first ids. Beside the two files goes the same tokenizer in tiktoken's form:
    tokenizer.tiktoken, and tiktoken.json with its pattern.

    Raises:
        ConfigError: `vocab_size` leaves no room for merges, or the corpus is too small to fill it.
    """
    sentinels = dialect.of_new_tokenizers or tuple(dialect.sentinels())
    smallest = 256 + len(sentinels)
    if vocab_size <= smallest:
        raise ConfigError(
            f"--vocab-size {vocab_size} must be above {smallest} (256 bytes and {len(sentinels)} sentinels)"
        )

    def texts() -> Iterator[str]:
        for source in sources:
            for index in range(len(source)):
                document = source.read(index)
                if isinstance(document, Document):
                    yield document.text

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PATTERN), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[AddedToken(token, special=True, normalized=False) for token in sentinels],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(texts(), trainer)
    if tokenizer.get_vocab_size() < vocab_size:
        raise ConfigError(
            f"the corpus yields {tokenizer.get_vocab_size()} tokens, fewer than --vocab-size {vocab_size}; "
            "give it more text or a smaller vocabulary"
        )
    output.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(output / "tokenizer.json"), pretty=False)
    rank_file.write(convert(read_spec(output / "tokenizer.json")), output)
    (output / "tokenizer_config.json").write_text(json.dumps(tokenizer_config(dialect, sentinels), indent=2) + "\n")
    return tokenizer
