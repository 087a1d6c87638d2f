"""A byte-level BPE on tiktoken; `original` is its counterpart on `tokenizers`."""

import hashlib
import json
import threading
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import tiktoken

from codetitan.tokenizer.check import HARD_TEXT
from codetitan.tokenizer.convert import Ranks
from codetitan.tokenizer.pattern import UnknownSyntaxError, joined

Ids = Sequence[int] | npt.NDArray[np.integer[Any]]


def _regex(splits: list[str]) -> str:
    """Returns the one regex for tiktoken, which loses what it does not match (`tokenizers` makes words of it)."""
    regex = joined(splits, rest=False)
    byte_ranks = {bytes([i]): i for i in range(256)}
    of_bytes = tiktoken.Encoding("bytes", pat_str=regex, mergeable_ranks=byte_ranks, special_tokens={})
    lost = len(of_bytes.encode_ordinary(HARD_TEXT)) < len(HARD_TEXT.encode())
    return joined(splits, rest=True) if lost else regex  # DeepSeek's loses control characters


class Tiktoken:
    """Encodes with tiktoken, its lock released.

    Args:
        ranks: what decides the ids.

    Attributes:
        n_ids: 1 + the highest id.

    Raises:
        UnknownSyntaxError: tiktoken can't run the regex.
    """

    def __init__(self, ranks: Ranks) -> None:
        try:
            self._new = partial(
                tiktoken.Encoding,
                "codetitan",
                pat_str=_regex(ranks.splits),
                mergeable_ranks=ranks.ranks,
                special_tokens=ranks.special_tokens,
            )
            self._encoding = self._new()
        except ValueError as error:
            raise UnknownSyntaxError(f"tiktoken can't run its regex ({str(error).splitlines()[-1]})") from None
        self.n_ids = self._encoding.n_vocab
        self._of_thread = threading.local()
        self._of_thread.encoding = self._encoding

    def encode(self, text: str) -> npt.NDArray[np.uint32]:
        """Returns uint32 (n,), read-only."""
        # The caches of its regex belong to the thread that used it first; in any other it is a quarter slower
        # (benchmarks/dataloader.py). So each thread has one of its own.
        encoding: tiktoken.Encoding | None = getattr(self._of_thread, "encoding", None)
        if encoding is None:
            encoding = self._of_thread.encoding = self._new()
        return encoding.encode_to_numpy(text, disallowed_special=())

    def decode_bytes(self, ids: Ids) -> bytes:
        """Returns the bytes of the ids."""
        return self._encoding.decode_bytes(ids.tolist() if isinstance(ids, np.ndarray) else ids)


def token_bytes(ranks: Ranks, n_ids: int) -> npt.NDArray[np.int64]:
    """Returns int64 (n_ids,): how many bytes each ordinary id stands for, 0 for the others."""
    lengths = np.zeros(n_ids, np.int64)
    lengths[np.fromiter(ranks.ranks.values(), np.int64)] = np.fromiter(map(len, ranks.ranks), np.int64)
    return lengths


def digest(ranks: Ranks) -> str:
    """Returns a SHA-256 of what decides the ids, in any order and from any form of file."""
    tokens, numbers = list(ranks.ranks), np.fromiter(ranks.ranks.values(), np.int64)
    order = np.argsort(numbers)
    lengths = np.fromiter(map(len, tokens), np.int64)
    whole = hashlib.sha256(numbers[order].tobytes() + lengths[order].tobytes())
    whole.update(b"".join([tokens[i] for i in order.tolist()]))
    # The splits as they are given, not as they are joined: the fingerprint outlives a change of `pattern`.
    whole.update(json.dumps([ranks.splits, sorted(ranks.special_tokens.items()), ranks.nfc]).encode())
    return whole.hexdigest()
