"""What is served: tokens that attend to each other, and what each of them is there for."""

from dataclasses import dataclass, replace
from enum import IntEnum
from itertools import groupby

import numpy as np
import numpy.typing as npt

from codetitan.data.pieces.encoded import Ids


class Role(IntEnum):
    """What a token is there for."""

    CODE = 0
    METADATA = 1
    PREFIX = 2
    SUFFIX = 3
    MIDDLE = 4
    SENTINEL = 5


@dataclass(frozen=True, slots=True)
class Piece:
    """Tokens that attend to each other and to nothing else.

    Attributes:
        ids: uint32 (n,), 2 ≤ n ≤ seq_len + 1.
        roles: (role, tokens) in order; they add up to n.
        name: the documents that it is made of, for errors and for people.
        languages: (index into LANGUAGES, tokens); they add up to n.
        holes: order and kind of each hole, such as "psm random".
        kinds: uint8 (n,), the `Kind` of each token; None where the maker was not asked for it.
        n_bytes: uint32 (n,), the bytes of the text that each token stands for; 0 for what is no text: metadata and
            sentinels, whose kind says nothing. None as `kinds`. Over the pieces of a document they add up to its text
            in UTF-8, as the tokenizer normalizes it.
        learnt: bool (size,), of each pair of a token and its next whether the latter is learnt; None: all are.
        starts: where in `ids` another text begins, which sees nothing of those before it, nor follows from them.
    """

    ids: Ids
    roles: tuple[tuple[Role, int], ...]
    name: str
    languages: tuple[tuple[int, int], ...]
    holes: tuple[str, ...] = ()
    kinds: npt.NDArray[np.uint8] | None = None
    n_bytes: npt.NDArray[np.uint32] | None = None
    learnt: npt.NDArray[np.bool_] | None = None
    starts: tuple[int, ...] = ()

    @property
    def size(self) -> int:
        """Pairs of a token and its next: what the piece takes of a sample."""
        return len(self.ids) - 1

    def role_of_each(self) -> npt.NDArray[np.uint8]:
        """Returns uint8 (n,): the role of each token."""
        return np.repeat(np.array([role for role, _ in self.roles], np.uint8), [count for _, count in self.roles])


def split(piece: Piece, most: int) -> list[Piece]:
    """Cuts a piece between tokens into as few of at most `most` as it takes, which are about equal."""
    n = -(-len(piece.ids) // most)
    made = []
    for of_part in np.array_split(np.arange(len(piece.ids)), n):
        at = slice(of_part[0], of_part[-1] + 1)
        roles = tuple((Role(role), sum(1 for _ in run)) for role, run in groupby(piece.role_of_each()[at].tolist()))
        languages = ((piece.languages[0][0], len(of_part)),)
        made.append(
            replace(
                piece,
                ids=piece.ids[at],
                roles=roles,
                languages=languages,
                kinds=None if piece.kinds is None else piece.kinds[at],
                n_bytes=None if piece.n_bytes is None else piece.n_bytes[at],
            )
        )
    return made
