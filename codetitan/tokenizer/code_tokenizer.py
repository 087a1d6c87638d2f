"""torchtitan's tokenizer interface over `codetitan.tokenizer.encoding`."""

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from codetitan.titan import BaseTokenizer
from codetitan.tokenizer.encoding import END_OF_TEXT, open_encoding


class CodeTokenizer(BaseTokenizer):
    """torchtitan's tokenizer interface over tiktoken.

    Args:
        config: no options yet.
        tokenizer_path: a folder with a tokenizer.json, or the name of a shipped one.

    Attributes:
        eos_id: id of the token that ends a document.
        fingerprint: name and digest of the tokenizer, kept with the loader's state.
    """

    @dataclass(kw_only=True, slots=True)
    class Config(BaseTokenizer.Config):
        pass

    def __init__(self, config: Config, *, tokenizer_path: str) -> None:
        super().__init__()
        folder, self.encoding = open_encoding(tokenizer_path)
        self.eos_id: int = self.encoding.encode_single_token(END_OF_TEXT)
        digest = hashlib.sha256((folder / "tokenizer.json").read_bytes()).hexdigest()
        self.fingerprint = f"{folder.name} ({digest[:12]})"

    def encode(self, text: str) -> list[int]:
        """Returns the ids of `text`; special tokens in it are plain text."""
        return self.encoding.encode_ordinary(text)

    def encode_document(self, text: str) -> npt.NDArray[np.int64]:
        """Returns int64 (n + 1,): the ids of `text`, special tokens in it as plain text, then `eos_id`."""
        return np.array([*self.encoding.encode_ordinary(text), self.eos_id], np.int64)

    def decode(self, ids: list[int]) -> str:
        """Returns the text of `ids`; bytes that are no UTF-8 are shown as U+FFFD."""
        return self.encoding.decode(ids)

    def get_vocab_size(self) -> int:
        """Returns the number of ids."""
        return self.encoding.n_vocab
