r"""What near copies are told by: a text's word 5-grams, as hashes, and the share of them that two texts have.

A word is a run of letters, digits, `_` and what is not ASCII: what BigCode's `\W` leaves, in bytes. Hashes are the same
in every process and on every machine, and have 64 bits: among the 10⁶ grams of a large file two differ in one hash with
a probability of 3e-8.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

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
    return word_grams_of([text])[0]


def word_grams_of(texts: Sequence[str]) -> list[Grams]:
    """Returns the `word_grams` of each: small files together take half the time that they take one by one."""
    data = [text.lower().encode() for text in texts]
    sizes = np.array([len(each) + 1 for each in data])
    joined = b"\n".join(data)
    hashes, starts = [np.zeros(0, np.uint64)], [np.zeros(0, np.int64)]
    for begin, stop in _blocks(joined):
        found = _words(joined[begin:stop])
        hashes.append(found[0])
        starts.append(found[1] + begin)
    words = np.concatenate(hashes)
    cuts = np.searchsorted(np.concatenate(starts), np.cumsum([0, *sizes])).tolist()
    n = max(0, len(words) - _GRAM + 1)
    sums = np.zeros(n, np.uint64)
    for i in range(_GRAM):
        sums += words[i : i + n] * RANDOM[i]
    grams = mixed(sums)
    return [
        grams[first : stop - _GRAM + 1] if stop - first >= _GRAM else _few(words[first:stop])
        for first, stop in pairwise(cuts)
    ]


def _few(words: Grams) -> Grams:
    return mixed((words * RANDOM[: len(words)]).sum(keepdims=True)) if len(words) else words


def _words(data: bytes) -> tuple[Grams, npt.NDArray[np.int64]]:
    """Returns a hash of each word, the sum of its letters, each times a random number of its place; and its place."""
    letters = np.frombuffer(data, np.uint8)
    inside = _IN_WORD[letters]
    edges = np.flatnonzero(np.diff(inside, prepend=False, append=False))
    begins, n_bytes = edges[::2], edges[1::2] - edges[::2]
    if not len(n_bytes):
        return np.zeros(0, np.uint64), begins
    starts = np.cumsum(n_bytes) - n_bytes
    place = np.arange(int(n_bytes.sum())) - np.repeat(starts, n_bytes)
    weighted = (letters[inside].astype(np.uint64) + np.uint64(1)) * RANDOM[place % len(RANDOM)]
    return mixed(np.add.reduceat(weighted, starts)), begins


def _blocks(data: bytes) -> Iterator[tuple[int, int]]:
    """Cuts a text between words, at line ends: hashing a word takes 30 times its bytes."""
    start = 0
    while start < len(data):
        stop = start + _BLOCK_BYTES
        if stop < len(data):
            stop = data.find(b"\n", stop) + 1 or len(data)
        yield start, min(stop, len(data))
        start = stop


def sorted_set(grams: Grams) -> Grams:
    """Returns each once, sorted; np.unique takes longer."""
    grams = np.sort(grams)
    new = np.ones(len(grams), bool)
    np.not_equal(grams[1:], grams[:-1], out=new[1:])
    return grams[new]


def similarity(a: Grams, b: Grams) -> float:
    """Returns the Jaccard similarity of two sorted sets of grams; 0 where one has none."""
    both = len(np.intersect1d(a, b, assume_unique=True))
    return both / (len(a) + len(b) - both) if both else 0.0
