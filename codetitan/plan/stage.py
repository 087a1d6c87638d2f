"""A pipeline stage: which modules it holds, and so which segments of the trace it runs."""

from collections.abc import Sequence
from dataclasses import dataclass

from codetitan.config import degrees
from codetitan.models.code.stages import EMBEDDING, HEAD, modules_per_stage
from codetitan.plan.tracing.ledger import Segment
from codetitan.plan.tracing.trace import Shards, Trace
from codetitan.training.trainer import CodeTrainer


@dataclass(frozen=True)
class Stage:
    """A pipeline stage: the modules' names, and how many of them are blocks."""

    modules: tuple[str, ...]

    @property
    def blocks(self) -> int:
        """Number of blocks."""
        return sum(name.startswith("layers.") for name in self.modules)

    @property
    def first(self) -> bool:
        """Whether it has the embedding."""
        return EMBEDDING in self.modules

    @property
    def last(self) -> bool:
        """Whether it has the head."""
        return HEAD in self.modules

    def forward(self, segments: Sequence[Segment]) -> list[Segment]:
        """Returns the segments of its forward pass, the head's with the loss."""
        by_name = {segment.name: segment for segment in segments}
        names = ["block 1"] * self.blocks
        if self.blocks and self.last:
            names[-1] = "block 2"
        if self.blocks and self.first:
            names[0] = "block 0"
        names = ["embedding"] * self.first + names + ["head"] * self.last
        return [by_name[name] for name in names]

    def backward(self, segments: Sequence[Segment]) -> list[Segment]:
        """Returns the segments of its backward pass, in order of time."""
        by_name = {segment.name: segment for segment in segments}
        names = [segment.name for segment in self.forward(segments) if segment.name != "head"]
        return [by_name[f"{name} backward"] for name in reversed(names)]


def stages_of(config: CodeTrainer.Config) -> list[Stage]:
    """Returns the pipeline stages; one with everything where there is no pipeline."""
    modules = degrees.pipeline_stages(config) or modules_per_stage([config.model.shape().n_layers])
    return [Stage(tuple(names)) for names in modules]


def parameters_held(own: Sequence[Stage], traced: Trace, tied: bool) -> tuple[Shards, Shards]:
    """Returns the parameters of a rank's stages, and those of them that the optimizer knows.

    Tied embeddings are one parameter; the last of several stages has a copy, which is not optimized.
    """
    shards = traced.parameters
    held = optimized = Shards(0, 0)
    tied_here = tied and any(stage.first and stage.last for stage in own)
    for stage in own:
        body = shards["block"] * stage.blocks
        body += shards["embedding"] * stage.first + shards["norm"] * stage.last
        head = shards["head"] * stage.last
        held = held + body + head * (not tied_here)
        optimized = optimized + body + head * (not tied)
    return held, optimized
