"""Counted randomness, and which document comes next: a seeded permutation of range(n), point by point, O(1) memory.

A Feistel network permutes [0, 4^k) for the smallest power of four that holds n; values that fall outside
range(n) are walked on until they fall inside ("cycle walking"), which keeps it a permutation of range(n).
Source: Black and Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002.
"""

import hashlib

_ROUNDS = 6
_MASK = (1 << 64) - 1


def key(*parts: int | str) -> int:
    """Returns a 64-bit key for a purpose, e.g. `key(seed, "order", epoch)`: randomness is counted, never consumed."""
    return int.from_bytes(hashlib.blake2b(repr(parts).encode(), digest_size=8).digest(), "little")


def _mix(x: int) -> int:
    """splitmix64's finalizer (Steele et al., OOPSLA 2014): a 64-bit hash of a 64-bit value."""
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & _MASK
    return x ^ (x >> 31)


def uniform(draw_key: int, number: int) -> float:
    """Returns draw `number` of the key: a float in [0, 1), the same whatever else was drawn."""
    return (_mix((draw_key + (number + 1) * 0x9E3779B97F4A7C15) & _MASK) >> 11) * 2.0**-53


def permute(index: int, n: int, permutation_key: int) -> int:
    """Returns where `index` goes in the permutation of range(n) that `permutation_key` selects.

    Raises:
        ValueError: `index` is outside range(n).
    """
    if not 0 <= index < n:
        raise ValueError(f"index {index} is outside range({n})")
    half_bits = max(1, ((n - 1).bit_length() + 1) // 2)
    mask = (1 << half_bits) - 1
    value = index
    while True:
        left, right = value >> half_bits, value & mask
        for i in range(_ROUNDS):
            left, right = right, left ^ (_mix((permutation_key + i * 0x9E3779B97F4A7C15 + right) & _MASK) & mask)
        value = (left << half_bits) | right
        if value < n:
            return value
