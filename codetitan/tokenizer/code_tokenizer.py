"""A tokenizer of any kind with the sentinels of a dialect; torchtitan's form of it is in `codetitan.training`."""

from collections.abc import Sequence
from dataclasses import dataclass

from codetitan.data.pieces.chat import Chat
from codetitan.data.pieces.dialects import DIALECTS, dialect_of, resolve
from codetitan.errors import ConfigError, did_you_mean
from codetitan.tokenizer.encoding import open_encoding


class CodeTokenizer:
    """A tokenizer and its dialect.

    Args:
        config: the dialect.
        tokenizer_path: as `open_encoding` takes it.

    Attributes:
        encoding: text to ids.
        sentinels: the dialect in ids.
        chat: the format of conversations; None: there are none.
        eos_id: id of the token that ends a document.
        fingerprint: name and digest of the tokenizer, kept with the loader's state.

    Raises:
        ConfigError: there is no such tokenizer, dialect or chat format, or they do not fit each other.
    """

    @dataclass(kw_only=True)
    class Config:
        dialect: str | None = None
        """Token family: starcoder, starcoder2, qwen2.5-coder, deepseek-coder or codellama; None: the one whose
        sentinels the tokenizer has, else starcoder, appended."""

        structured_documents: bool = False
        """Append the sentinels of issues, commits, notebooks and pull requests that the tokenizer lacks; those that it
        has are used without this."""

        chat: str | None = None
        """How conversations are laid out: chatml, deepseek-coder, alpaca, starcoder2-instruct or codellama; None: there
        are none."""

    def __init__(self, config: Config, *, tokenizer_path: str) -> None:
        self.encoding = open_encoding(tokenizer_path)
        if config.dialect is not None and config.dialect not in DIALECTS:
            raise ConfigError(
                f'tokenizer.dialect = "{config.dialect}" must be one of {", ".join(DIALECTS)}'
                f"{did_you_mean(config.dialect, DIALECTS)}"
            )
        dialect = dialect_of(self.encoding) if config.dialect is None else DIALECTS[config.dialect]
        self.sentinels = resolve(dialect, self.encoding, structured=config.structured_documents)
        self.chat = None if config.chat is None else Chat(config.chat, self.encoding, self.sentinels)
        self.eos_id = self.sentinels.end
        self.fingerprint = self.encoding.fingerprint

    def encode(self, text: str) -> list[int]:
        """Returns the ids of `text`; special tokens in it are plain text."""
        ids: list[int] = self.encoding.encode(self.encoding.normalize(text)).tolist()
        return ids

    def decode_bytes(self, ids: Sequence[int]) -> bytes:
        """Returns the bytes of `ids`, sentinels by their names."""
        names = {number: name.encode() for name, number in self.sentinels.new.items()}
        pieces = [names[i] if i in names else self.encoding.decode_bytes([i]) for i in ids]
        return b"".join(pieces)

    def decode(self, ids: Sequence[int]) -> str:
        """Returns the text of `ids`, sentinels by their names; bytes that are no UTF-8 are shown as U+FFFD."""
        return self.decode_bytes(ids).decode(errors="replace")

    def get_vocab_size(self) -> int:
        """Returns the number of ids, appended sentinels included, rounded up to a multiple of 128."""
        return self.sentinels.vocab_size
