r"""What near copies are told by: a text's word 5-grams, as hashes, and the share of them that two texts have.

A word is a run of letters, digits, `_` and what is not ASCII: what BigCode's `\W` leaves, in bytes. Hashes are the same
in every process and on every machine, and have 64 bits: among the 10⁶ grams of a large file two differ in one hash with
a probability of 3e-8.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Grams = npt.NDArray[np.uint64]

_GRAM = 5
_BLOCK_BYTES = 1_000_000

_WHITE_SPACE = b" \t\n\r\v\f"


def without_white_space(text: str) -> bytes:
    """Returns the text in UTF-8 without its white space.

    Line ends, indentation, blank lines and trailing blanks make no difference; letter case and everything else does.
    """
    return text.encode().translate(None, _WHITE_SPACE)


def mixed(words: Grams) -> Grams:
    """splitmix64's finalizer (Steele et al., OOPSLA 2014) of each."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))


# Random words for multiplication, from a counter (splitmix64): the same in every process and on every machine.
RANDOM: Grams = mixed(np.arange(1, 1025, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)) | np.uint64(1)
_IN_WORD = np.array([c >= 0x80 or chr(c).isalnum() or chr(c) == "_" for c in range(256)])


def word_grams(text: str) -> Grams:
    """Returns uint64 (n,): a hash of each 5 words that follow each other, letter case aside.

    Fewer than 5 words are one gram, and a text without a word has none.
    """
    words = np.concatenate([_words(block) for block in _blocks(text.lower().encode())] or [np.zeros(0, np.uint64)])
    if not len(words):
        return words
    n = max(1, len(words) - _GRAM + 1)
    grams = np.zeros(n, np.uint64)
    for i in range(min(_GRAM, len(words))):
        grams += words[i : i + n] * RANDOM[i]
    return mixed(grams)


def _words(data: bytes) -> Grams:
    """Returns a hash of each word: the sum of its letters, each times a random number of its place."""
    letters = np.frombuffer(data, np.uint8)
    inside = _IN_WORD[letters]
    edges = np.flatnonzero(np.diff(inside, prepend=False, append=False))
    n_bytes = edges[1::2] - edges[::2]
    if not len(n_bytes):
        return np.zeros(0, np.uint64)
    starts = np.cumsum(n_bytes) - n_bytes
    place = np.arange(int(n_bytes.sum())) - np.repeat(starts, n_bytes)
    weighted = (letters[inside].astype(np.uint64) + np.uint64(1)) * RANDOM[place % len(RANDOM)]
    return mixed(np.add.reduceat(weighted, starts))


def _blocks(data: bytes) -> Iterator[bytes]:
    """Cuts a text between words, at line ends: hashing a word takes 30 times its bytes."""
    start = 0
    while start < len(data):
        stop = start + _BLOCK_BYTES
        if stop < len(data):
            stop = data.find(b"\n", stop) + 1 or len(data)
        yield data[start:stop]
        start = stop


def similarity(a: Grams, b: Grams) -> float:
    """Returns the Jaccard similarity of two sorted sets of grams; 0 where one has none."""
    both = len(np.intersect1d(a, b, assume_unique=True))
    return both / (len(a) + len(b) - both) if both else 0.0
