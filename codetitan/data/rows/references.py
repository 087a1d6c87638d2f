"""What a reference model says of the answers of pairs: log-probabilities by the pair's tokens, measured once."""

import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from codetitan.data.pieces.piece import Piece
from codetitan.errors import ConfigError


def digest(piece: Piece) -> int:
    """Returns 64 bits of a pair's tokens and of which are learnt."""
    learnt = b"" if piece.learnt is None else piece.learnt.tobytes()
    told = repr(piece.starts).encode() + piece.ids.astype("<u4", copy=False).tobytes() + learnt
    return int.from_bytes(hashlib.blake2b(told, digest_size=8).digest(), "little")


class References:
    """Pairs and their log-probabilities.

    Args:
        said_of: what they were measured with, for people.
        found: digest of a pair → log π_ref of its chosen and its rejected answer, in nats.
    """

    def __init__(self, said_of: str, found: Mapping[int, tuple[float, float]]) -> None:
        digests = np.fromiter(found, np.uint64, len(found))
        order = np.argsort(digests)
        self.said_of = said_of
        self._digests = digests[order]
        self._logp_P2 = np.array(list(found.values()), np.float64).reshape(-1, 2)[order]

    def __len__(self) -> int:
        return len(self._digests)

    def of(self, piece: Piece) -> npt.NDArray[np.float64]:
        """Returns float64 (2,): log π_ref of the chosen and the rejected answer.

        Raises:
            ConfigError: the pair was not there when they were measured.
        """
        return self.of_digest(digest(piece), piece.name)

    def of_digest(self, number: int, name: str = "validation") -> npt.NDArray[np.float64]:
        """As `of`, of a digest; `name` is what an error begins with."""
        at = int(self._digests.searchsorted(np.uint64(number)))
        if at == len(self) or self._digests[at] != number:
            raise ConfigError(
                f"{name}: a pair that the reference has not been measured on; start anew in another dump_folder"
            )
        found: npt.NDArray[np.float64] = self._logp_P2[at]
        return found

    def save(self, path: Path) -> None:
        """Writes them, whole or not at all."""
        unfinished = path.with_name(f".{path.name}")
        with unfinished.open("wb") as file:
            np.savez(file, said_of=np.array(self.said_of), digests=self._digests, logp=self._logp_P2)
        unfinished.rename(path)

    @classmethod
    def load(cls, path: Path) -> "References":
        """Reads what `save` wrote.

        Raises:
            ConfigError: there is no such file, or it is none.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                found = zip(file["digests"].tolist(), map(tuple, file["logp"].tolist()), strict=True)
                return cls(str(file["said_of"]), dict(found))
        except FileNotFoundError:
            raise ConfigError(
                f"{path} is missing: what the reference says of the pairs was measured when the run began; restore it, "
                "or start anew in another dump_folder"
            ) from None
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise ConfigError(
                f"{path} can't be read: {error}; restore it, or start anew in another dump_folder"
            ) from None
