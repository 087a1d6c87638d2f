"""Sliding windows in config.json. No torch here.

With `sliding_window` = w a token attends to itself and to the w - 1 before it, in transformers as in our model.
"""

import json
from itertools import groupby
from typing import Any

from codetitan.hf.architectures.architecture import Architecture
from codetitan.hf.architectures.keys import Keys
from codetitan.models.code.shape import Flavor

_WINDOW, _FULL = "sliding_attention", "full_attention"


def written(architecture: Architecture, shape: Flavor) -> dict[str, Any]:
    """Returns the keys of config.json."""
    window = {"sliding_window": shape.sliding_window}
    if architecture.window == "none":
        return {}
    if architecture.window == "key":
        return window
    has_one = shape.sliding_window is not None
    # Layers from max_window_layers on have the window.
    return {"use_sliding_window": has_one, **window, "max_window_layers": 0 if has_one else shape.n_layers}


def _ranges(layers: list[int]) -> str:
    """Returns [0, 1, 2, 5] as 0-2, 5."""
    runs = [[layer for _, layer in run] for _, run in groupby(enumerate(layers), lambda pair: pair[1] - pair[0])]
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def read(keys: Keys, architecture: Architecture, n_layers: int) -> int | None:
    """Returns the window of all layers; None: there is none.

    Raises:
        ConfigError: some layers have one and some none, or the keys contradict each other.
    """
    if architecture.window == "none" or (architecture.window == "key" and keys.get("sliding_window") is None):
        return None
    if architecture.window == "key":
        return keys.whole("sliding_window")
    window = keys.whole("sliding_window") if _switched_on(keys) else None
    types, key = keys.get("layer_types"), "layer_types"
    if types is None:
        first, key = keys.get("max_window_layers"), f"max_window_layers = {json.dumps(keys.get('max_window_layers'))}"
        if type(first) is not int or first < 0:
            raise keys.contradicts(f"{key} must be a whole number of at least 0")
        types = [_FULL if window is None or layer < first else _WINDOW for layer in range(n_layers)]
    if not isinstance(types, list) or len(types) != n_layers:
        raise keys.contradicts(f"layer_types must have an entry for each of num_hidden_layers = {n_layers} layers")
    unknown = [kind for kind in types if kind not in (_WINDOW, _FULL)]
    if unknown:
        raise keys.refuse(f"layer_types has {json.dumps(unknown[0])}", f"knows {_FULL} and {_WINDOW}")
    with_one = [layer for layer, kind in enumerate(types) if kind == _WINDOW]
    without = [layer for layer, kind in enumerate(types) if kind == _FULL]
    if with_one and window is None:
        raise keys.contradicts(
            f"layer_types gives layers {_ranges(with_one)} a sliding window, which use_sliding_window and "
            "sliding_window turn off"
        )
    if with_one and without:
        raise keys.refuse(
            f"{key}: layers {_ranges(with_one)} have a sliding window, {_ranges(without)} have none",
            "has one in all layers or in none",
        )
    return window if with_one else None


def _switched_on(keys: Keys) -> bool:
    return keys.flag("use_sliding_window") and keys.get("sliding_window") is not None
