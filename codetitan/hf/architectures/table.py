"""Which class of transformers a model is exported to. No torch here."""

import dataclasses
import json
from typing import Any

from codetitan.errors import ConfigError, did_you_mean
from codetitan.hf.architectures.architecture import Architecture
from codetitan.hf.architectures.llama import LLAMA
from codetitan.hf.architectures.mistral import MISTRAL
from codetitan.hf.architectures.qwen2 import QWEN2
from codetitan.hf.architectures.qwen3 import QWEN3
from codetitan.hf.architectures.seed_oss import SEED_OSS
from codetitan.hf.architectures.starcoder2 import STARCODER2
from codetitan.models.code.shape import Block, Flavor

ARCHITECTURES = {a.name: a for a in (LLAMA, QWEN2, QWEN3, STARCODER2, MISTRAL, SEED_OSS)}
"""By name; an export takes the first one that can express the model's blocks."""


def _pairs(values: dict[str, Any]) -> str:
    said = {name: "unset" if value is None else f"= {json.dumps(value)}" for name, value in values.items()}
    return ", ".join(f"model.{name} {value}" for name, value in said.items())


def architecture_of(shape: Flavor) -> Architecture:
    """Returns the class that a model is exported to: `shape.export_as`, or the first one that has such blocks.

    Raises:
        ConfigError: there is no such class, or none has such blocks.
    """
    if shape.export_as is not None:
        if shape.export_as not in ARCHITECTURES:
            raise ConfigError(
                f'model.export_as = "{shape.export_as}" must be one of {", ".join(ARCHITECTURES)}'
                f"{did_you_mean(shape.export_as, ARCHITECTURES)}"
            )
        chosen = ARCHITECTURES[shape.export_as]
        if needed := chosen.needs(shape):
            has = {name: getattr(shape, name) for name in needed}
            raise ConfigError(f'model.export_as = "{chosen.name}" has no {_pairs(has)}; it needs {_pairs(needed)}')
        return chosen
    fitting = [architecture for architecture in ARCHITECTURES.values() if not architecture.needs(shape)]
    if fitting:
        return fitting[0]
    names = [field.name for field in dataclasses.fields(Block)]
    special = {name: getattr(shape, name) for name in names if getattr(shape, name) != getattr(Block(), name)}
    if shape.head_dim is not None:
        special["head_dim"] = shape.head_dim
    nearest = min(ARCHITECTURES.values(), key=lambda architecture: len(architecture.needs(shape)))
    raise ConfigError(
        f"{_pairs(special)}: no class of transformers that codetitan exports to has such blocks; {nearest.name} would, "
        f"with {_pairs(nearest.needs(shape))}"
    )


def check_exportable(shape: Flavor) -> None:
    """A model of this shape can be exported.

    Raises:
        ConfigError: no class of transformers can express it.
    """
    architecture_of(shape)
