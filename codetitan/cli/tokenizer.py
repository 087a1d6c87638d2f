"""`codetitan tokenizer train`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codetitan.errors import ConfigError, did_you_mean

_SOURCES = "python-stdlib, directory:PATH, jsonl:PATH, parquet:PATH or huggingface:NAME"


@dataclass
class TokenizerTrainCommand:
    """Train a byte-level BPE tokenizer and write it as a folder: tokenizer.json and tokenizer.tiktoken."""

    output: Path
    """The folder to write."""

    source: tuple[str, ...] = ("python-stdlib",)
    """What to train on: python-stdlib, directory:PATH, jsonl:PATH, parquet:PATH or huggingface:NAME; several are
    joined."""

    vocab_size: int = 32768
    """Number of ids, sentinels included."""

    dialect: str = "starcoder"
    """Token family whose sentinels get the first ids, e.g. starcoder2 or qwen2.5-coder."""

    def run(self, overrides: Sequence[str]) -> None:
        from codetitan.data.pieces.dialects import DIALECTS
        from codetitan.data.sources.open import SOURCE_TYPES, open_source, source_from_text
        from codetitan.tokenizer.train import train_tokenizer

        if self.dialect not in DIALECTS:
            hint = did_you_mean(self.dialect, DIALECTS)
            raise ConfigError(f'--dialect "{self.dialect}" must be one of {", ".join(DIALECTS)}{hint}')
        opened = []
        for text in self.source:
            options: dict[str, Any] = dict(source_from_text(text))
            kind = options.pop("type")
            if kind not in SOURCE_TYPES or (kind == "python-stdlib") == bool(options):
                raise ConfigError(f'--source "{text}" must be {_SOURCES}{did_you_mean(kind, SOURCE_TYPES)}')
            opened.append(open_source(SOURCE_TYPES[kind](**options)))
        dialect = DIALECTS[self.dialect]
        tokenizer = train_tokenizer(opened, vocab_size=self.vocab_size, output=self.output, dialect=dialect)
        print(f"{self.output}/tokenizer.json: {tokenizer.get_vocab_size():,} ids")
