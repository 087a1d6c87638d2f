"""What a run is measured on: the keys of `validation` that are the data's."""

from dataclasses import dataclass, field
from typing import Annotated

from codetitan.config.choice import Choice
from codetitan.data.held_out import HeldOutConfig
from codetitan.data.sources.open import SOURCE_TYPES, SourceConfig, source_from_text


@dataclass(kw_only=True)
class ValidationData(HeldOutConfig):
    """On which tokens; `share` and `by` say which of the training's documents are held out for it."""

    sources: Annotated[list[SourceConfig], Choice("type", SOURCE_TYPES, word=source_from_text)] = field(
        default_factory=list
    )
    """A corpus of its own, in place of a share of the training's; written as `dataloader.sources`."""

    tokens: str | int | float = "256K"
    """Tokens that a round reads, such as "1M", beside those of `gold`; half of them in documents with holes where
    `dataloader.fim.rate` is above 0."""

    find_copies: bool = True
    """Whether held-out documents of which the training has a copy are left out: the corpus is read once, before the
    run's first start, but for a stream."""

    near_duplicates: bool = False
    """Whether near copies are left out too (MinHash, Jaccard 0.7)."""

    gold: str | None = None
    """Solutions whose bits per byte are measured too: "humaneval" (pip install 'codetitan[evaluate]'), or a JSONL file
    with `prompt` and `canonical_solution`."""

    @property
    def measures(self) -> bool:
        """Whether there is anything to measure a run on."""
        return self.share > 0 or bool(self.sources) or self.gold is not None
