"""placeholder"""
import hashlib
def normalised_hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(" ".join(text.split()).encode(), digest_size=8).digest(), "little")
def near_copies(held_out, training):
    raise NotImplementedError
