"""Candidates for near copies: texts whose MinHash signatures share a band. By rensa, which is an extra.

A pair of Jaccard similarity s shares one of b bands of r rows with probability 1 - (1 - s^r)^b (Broder 1997; Leskovec,
Rajaraman and Ullman, Mining of Massive Datasets, §3.4).
"""

from collections.abc import Sequence
from importlib.util import find_spec

import numpy as np

from codetitan.data.shingles import RANDOM, Grams, mixed
from codetitan.errors import ConfigError


def check_rensa(setting: str, extra: str) -> None:
    """MinHash is installed.

    Args:
        setting: what needs it, as in `validation.near_duplicates = true`.
        extra: of codetitan, that installs it.

    Raises:
        ConfigError: rensa is missing.
    """
    if find_spec("rensa") is None:
        raise ConfigError(f"{setting} needs rensa, which is not installed: pip install -e '.[{extra}]'")


def band_hashes(grams: Sequence[Grams], bands: int, rows: int) -> Grams:
    """Returns uint64 (n, bands): of each set of grams, a hash of each band together with the band's number.

    Args:
        grams: of each text; none is empty. Repeated grams make no difference.
        bands: of the signature.
        rows: permutations a band.
    """
    import rensa

    permutations = 1 << (bands * rows - 1).bit_length()  # rensa is faster with a power of two; the rest is not used
    offsets = np.cumsum([0, *map(len, grams)], dtype=np.uint64)
    digests = rensa.RMinHash.digest_matrix_from_flat_token_hashes(np.concatenate(grams), offsets, permutations, 0)
    signatures = np.array(digests.to_rows(), np.uint64)[:, : bands * rows].reshape(-1, bands, rows)
    hashes = (signatures * RANDOM[:rows]).sum(axis=2, dtype=np.uint64)
    return mixed(hashes + np.arange(bands, dtype=np.uint64) * RANDOM[rows])
