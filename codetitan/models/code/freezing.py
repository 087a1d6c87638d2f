"""Which parameters are trained where not all are: of the first or the last blocks, and of that end. No torch here."""

import re
from typing import Literal

from codetitan.models.code.shape import EMBEDDING, HEAD, Flavor

_FORM = re.compile(r"(first|last):([1-9]\d*)")


def parse(text: str) -> tuple[Literal["first", "last"], int]:
    """Returns the end and the number of blocks of "last:4" or "first:2".

    Raises:
        ValueError: it is no such text.
    """
    if (found := _FORM.fullmatch(text)) is None:
        raise ValueError(text)
    return ("first" if found[1] == "first" else "last"), int(found[2])


def trains(name: str, shape: Flavor, layers: str | None) -> bool:
    """Whether a parameter is trained.

    With the first blocks that is the embedding; with the last ones the norm behind them and the head, but a tied one,
    which is the embedding.

    Args:
        name: in the checkpoint.
        shape: of the whole model.
        layers: as `parse` takes it; None: all are.
    """
    if layers is None:
        return True
    end, n = parse(layers)
    if name.startswith("layers."):
        number = int(name.split(".")[1])
        return number < n if end == "first" else number >= shape.n_layers - n
    if name == EMBEDDING or (name == HEAD and shape.tie_embeddings):
        return end == "first"
    return end == "last"
