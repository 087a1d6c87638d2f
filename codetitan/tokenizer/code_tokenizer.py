"""torchtitan's tokenizer interface over `codetitan.tokenizer.encoding`."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from codetitan.errors import ConfigError
from codetitan.titan import BaseTokenizer, logger
from codetitan.tokenizer.encoding import END_OF_TEXT, open_encoding


class CodeTokenizer(BaseTokenizer):
    """torchtitan's tokenizer interface over an `Encoding`.

    Args:
        config: no options yet.
        tokenizer_path: what `open_encoding` takes: a folder, a file or a name.

    Attributes:
        encoding: text to ids.
        eos_id: id of the token that ends a document.
        fingerprint: name and digest of the tokenizer, kept with the loader's state.

    Raises:
        ConfigError: there is no such tokenizer, or it has no token to end a document with.
    """

    @dataclass(kw_only=True, slots=True)
    class Config(BaseTokenizer.Config):
        pass

    def __init__(self, config: Config, *, tokenizer_path: str) -> None:
        super().__init__()
        self.encoding = open_encoding(tokenizer_path)
        if END_OF_TEXT not in self.encoding.special_tokens:
            raise ConfigError(
                f'hf_assets_path = "{tokenizer_path}" has no special token "{END_OF_TEXT}" to end a document with'
            )
        if self.encoding.note is not None:
            logger.warning(self.encoding.note)
        self.eos_id: int = self.encoding.special_tokens[END_OF_TEXT]
        self.fingerprint = self.encoding.fingerprint

    def encode(self, text: str) -> list[int]:
        """Returns the ids of `text`; special tokens in it are plain text."""
        ids: list[int] = self.encoding.encode(self.encoding.normalize(text)).tolist()
        return ids

    def encode_document(self, text: str) -> npt.NDArray[np.int64]:
        """Returns int64 (n + 1,): the ids of `text`, special tokens in it as plain text, then `eos_id`."""
        ids = self.encoding.encode(self.encoding.normalize(text))
        document = np.empty(len(ids) + 1, np.int64)
        document[:-1], document[-1] = ids, self.eos_id
        return document

    def decode(self, ids: list[int]) -> str:
        """Returns the text of `ids`; bytes that are no UTF-8 are shown as U+FFFD."""
        return self.encoding.decode_bytes(ids).decode("utf-8", errors="replace")

    def get_vocab_size(self) -> int:
        """Returns the number of ids."""
        return self.encoding.n_ids
