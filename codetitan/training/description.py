"""What a checkpoint says of itself, so that it can leave the trainer: model, tokenizer, data, configuration.

It is one JSON text among the checkpoint's states, so it is there on any file system whenever the checkpoint is.
"""

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any

import codetitan
from codetitan.errors import ConfigError
from codetitan.models.code.rope import RopeConfig
from codetitan.models.code.shape import Flavor

KEY = "codetitan"
FORMAT = 2
"""Rises when a reader of the old form would misread the new one."""


@dataclass(frozen=True, kw_only=True)
class Description:
    """A model on its way out of the trainer, or in.

    Attributes:
        flavor: its name.
        shape: its sizes.
        rope: its rotation; `factor` is a number where there is a scaling.
        seq_len: the longest sample that it was trained on.
        tokenizer: where it was, as `open_encoding` takes it.
        fingerprint: the tokenizer's.
        dialect: name of the token family.
        chat: the format of its conversations; None: it was trained on none.
        structured_documents: whether the tokenizer got the sentinels of structured documents that it lacked.
        step: optimizer steps done.
        skipped_steps: those among them whose update was not made, for its gradients were not finite.
        positions: rows times seq_len of all steps, padding counted, whatever the batch was.
        sources, languages: name → tokens served of it, padding not counted.
        licences: source → licence → documents, of a sample of each source's documents.
        validation: on what the run is measured, and its best round so far.
        config: the run's configuration as TOML; "" of a model that was not trained here.
        base: of the model that the run began with, in place of initial values.
        version: of the codetitan that wrote it.
    """

    flavor: str
    shape: Flavor
    rope: RopeConfig
    seq_len: int
    tokenizer: str
    fingerprint: str
    dialect: str
    chat: str | None = None
    structured_documents: bool = False
    step: int = 0
    skipped_steps: int = 0
    positions: int = 0
    sources: dict[str, int] = field(default_factory=dict)
    languages: dict[str, int] = field(default_factory=dict)
    licences: dict[str, dict[str, int]] = field(default_factory=dict)
    config: str = ""
    validation: dict[str, Any] = field(default_factory=dict)
    base: "Description | None" = None
    version: str = codetitan.__version__

    def to_json(self) -> str:
        """Returns the text that `from_json` reads."""
        return json.dumps({"format": FORMAT, **dataclasses.asdict(self)})

    @staticmethod
    def from_json(text: str) -> "Description":
        """Reads a description.

        Raises:
            ConfigError: it is of a later format.
        """
        return Description._from_dict(json.loads(text))

    @staticmethod
    def _from_dict(values: dict[str, Any]) -> "Description":
        base = values.pop("base", None)
        format_ = values.pop("format", 0)
        if format_ > FORMAT:
            raise ConfigError(
                f"written by codetitan {values.get('version')} in format {format_}, and codetitan "
                f"{codetitan.__version__} reads up to format {FORMAT}; update codetitan"
            )
        built = {"shape": Flavor(**values["shape"]), "rope": RopeConfig(**values["rope"])}
        return Description(**values | built, base=None if base is None else Description._from_dict(base))
