"""Composes sources, mixture, pieces, packing and rows into batches; owns the state and its resharding.

Contract 1: a global batch has G rows, each its own endless stream; data-parallel rank r of R serves rows
[r·G/R, (r+1)·G/R), microbatch by microbatch. Contract 3: the state is one int64 table, a line a row, so that whoever
saves it may shard it by row like a parameter. It travels with the batch that it follows, so preparing batches in the
background changes nothing.
"""

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
import torch

from codetitan.config.choice import Choice
from codetitan.data.held_out import HeldOutConfig
from codetitan.data.language import LANGUAGES
from codetitan.data.pieces.fim import FimConfig
from codetitan.data.pieces.maker import PieceMaker
from codetitan.data.pieces.metadata import MetadataConfig
from codetitan.data.rows import identity
from codetitan.data.rows.background import in_background
from codetitan.data.rows.corpus import Corpus, OnGrowth
from codetitan.data.rows.mixture import Mixture
from codetitan.data.rows.packing import Arrays, Int64s, Sample, render
from codetitan.data.rows.pairs import with_targets
from codetitan.data.rows.references import References
from codetitan.data.rows.row import Packing, Row, RowState
from codetitan.data.rows.selection import Selection, check_structure, licences_of
from codetitan.data.rows.served import Served as Served
from codetitan.data.rows.state import State as State
from codetitan.data.rows.state import join as join
from codetitan.data.sources.open import SOURCE_TYPES, Source, SourceConfig, source_from_text
from codetitan.data.turns import Conversations
from codetitan.errors import ConfigError
from codetitan.tokenizer.code_tokenizer import CodeTokenizer

logger = logging.getLogger("codetitan")  # what a person sees of a run: codetitan/train.py

Batch = tuple[dict[str, torch.Tensor], torch.Tensor]


class CodeDataLoader:
    """Yields `({"input": int64 (B, L), "positions": int64 (B, L)}, labels: int64 (B, L))` for ever, and where pairs of
    answers are learnt `"targets": int64 (B, L, 3)` beside the inputs (`pairs.with_targets`); a row whose sources
    have all served their epochs is padding, and when all rows are (`exhausted`, on every rank) the data has ended.

    Args:
        config: what to serve.
        dp_world_size: R, the data-parallel degree.
        dp_rank: r.
        tokenizer: text to ids, and the dialect.
        seq_len: L, tokens a sample.
        local_batch_size: B, rows a microbatch.
        rows: G, rows of the global batch, a multiple of R·B; None: R·B.

    Attributes:
        pin_for: the GPU that batches are for, where they are to be pinned (`config.pin_memory`); None: none.
        agree: returns the maximum over the ranks of each number, where each loads its own state and documents may have
            been added; None: nobody does.
        references: what a reference model says of pairs of answers, where these are what is learnt.
        positions_before: what the run had served when its data was started from its beginning; kept with the state.

    Raises:
        ConfigError: there is no corpus, or none of it can be used.
    """

    # No slots: torchtitan's form (training/loader.py) has slots of its own, and Python lays out only one base's.
    @dataclass(kw_only=True)
    class Config:
        sources: Annotated[list[SourceConfig], Choice("type", SOURCE_TYPES, word=source_from_text)] = field(
            default_factory=list
        )
        """The corpus: tables with a `type`, or words such as "python-stdlib" and "directory:PATH"."""

        on_growth: OnGrowth = "refuse"
        """Where documents were added since the checkpoint: refuse to go on, or extend: serve them from the next epoch
        on. What was changed or removed is refused in both."""

        seed: int = 0
        """Selects the order of the documents in each epoch, and every other draw of the data."""

        packing: Packing = "best-fit"
        """best-fit keeps documents whole and pads what is left; concatenate cuts where a sample is full."""

        block: int = 32
        """Samples that best-fit packs together, about: more leave less padding and take more memory."""

        metadata: MetadataConfig = field(default_factory=MetadataConfig)
        fim: FimConfig = field(default_factory=FimConfig)

        workers: int = 1
        """Threads that prepare batches in the background; 0 prepares each when it is asked for."""

        prefetch: int = 4
        """Microbatches prepared ahead, where there are workers; those of a step at least."""

        pin_memory: bool = True
        """Whether batches for a GPU lie in page-locked memory, from where they are copied while it computes."""

        held_out: HeldOutConfig = field(default_factory=HeldOutConfig)
        """What is not served; filled in from `validation`."""

        conversations: Conversations | None = None
        """What of conversations is learnt; filled in from `objective`."""

    def __init__(
        self,
        config: Config,
        *,
        dp_world_size: int,
        dp_rank: int,
        tokenizer: CodeTokenizer,
        seq_len: int,
        local_batch_size: int,
        rows: int | None = None,
        annotate: bool = False,
    ) -> None:
        if dp_rank == 0:  # one of all says it
            for said in (tokenizer.encoding.without, tokenizer.encoding.note):
                if said is not None:
                    logger.warning("data: %s", said)
        self.config = config
        self.tokenizer = tokenizer
        self.rows = local_batch_size * dp_world_size if rows is None else rows
        assert self.rows % (local_batch_size * dp_world_size) == 0, "checked by codetitan.config.data.global_rows"
        self.microbatches = self.rows // (local_batch_size * dp_world_size)  # of a step, on this rank
        self._first_row = dp_rank * (self.rows // dp_world_size)
        self._batch_size = local_batch_size
        self._seq_len = seq_len
        self._pad = tokenizer.sentinels.pad
        self._annotate = annotate
        together = config.metadata.files_per_repository if config.metadata.repository_level else 1
        self._corpus = Corpus(config.sources, together=together)
        check_structure(self.sources, tokenizer)
        self.mixture = self._mixture()
        self.pin_for: torch.device | None = None
        self.agree: Callable[[list[int]], list[int]] | None = None
        self.references: References | None = None
        self.positions_before = 0
        self._identity = identity.describe(config, self.mixture.components, tokenizer, rows=self.rows, seq_len=seq_len)
        self._licences: dict[str, dict[str, int]] | None = None
        self._states = [RowState.start(len(self.mixture.components))] * (self.rows // dp_world_size)

    def _mixture(self) -> Mixture:
        config = self.config
        encoding, sentinels = self.tokenizer.encoding, self.tokenizer.sentinels
        return Mixture(
            self._corpus.components,
            PieceMaker(
                *(encoding, sentinels, config.metadata, config.fim),
                seq_len=self._seq_len,
                seed=config.seed,
                annotate=self._annotate,
                chat=self.tokenizer.chat,
                learn=config.conversations,
            ),
            seed=config.seed,
            rows=self.rows,
            repository_level=config.metadata.repository_level,
            held_out=config.held_out,
        )

    @property
    def selections(self) -> list[Selection]:
        """What is served of each source, in the order of the configuration."""
        return self._corpus.selections

    @property
    def sources(self) -> list[Source]:
        """The opened sources, in the order of the configuration."""
        return [selection.source for selection in self.selections]

    def licences(self) -> dict[str, dict[str, int]]:
        """Returns source, as `Served` names it, → licence → documents, of up to 256 of each that are evenly spread
        over those that are served; read once."""
        if self._licences is None:
            components = [component for selection in self.selections for component in selection.components]
            self._licences = {component.name: dict(licences_of(component, at_most=256)) for component in components}
        return self._licences

    def __iter__(self) -> Iterator[Batch]:
        batches = self._collated()
        if self.config.workers:
            # A step asks for all of its microbatches before it computes the first.
            batches = in_background(batches, max(self.config.prefetch, self.microbatches))
        for first, batch, states in batches:
            self._states[first : first + len(states)] = states
            yield batch

    @property
    def exhausted(self) -> bool:
        """Whether all rows of this rank have served all there is."""
        return all(
            state.within == 0 and not self.mixture.has_any(self._first_row + i, state.ordinals)
            for i, state in enumerate(self._states)
        )

    @property
    def finite(self) -> bool:
        """Whether the data has an end."""
        return self.mixture.finite

    def samples(self) -> Iterator[list[Sample]]:
        """Yields what each microbatch is made of, in the foreground; moves the state like `__iter__`."""
        for first, samples, states in self._batches():
            self._states[first : first + len(states)] = states
            yield [sample for sample, _ in samples]

    def _batches(self) -> Iterator[tuple[int, list[tuple[Sample, Arrays]], list[RowState]]]:
        """Yields microbatches for ever: the first of its rows, their samples, and their states after it."""
        config = self.config
        rows = [
            Row(
                self.mixture,
                self._first_row + i,
                config.packing,
                seq_len=self._seq_len,
                block=config.block,
                rows=self.rows,
                seed=config.seed,
                state=state,
            )
            for i, state in enumerate(self._states)
        ]

        def advance(row: Row) -> tuple[tuple[Sample, Arrays], RowState]:
            sample = row.next()
            arrays = self.render(sample)
            if self.references is not None:
                arrays = with_targets(sample, arrays, self.references)
            return (sample, arrays), row.state

        # Rows do not depend on each other, so threads change nothing but the time it takes.
        with ThreadPoolExecutor(config.workers, "data") if config.workers > 1 else nullcontext() as pool:
            many = map if pool is None else pool.map
            while True:
                for first in range(0, len(rows), self._batch_size):
                    served = list(many(advance, rows[first : first + self._batch_size]))
                    yield first, [sample for sample, _ in served], [state for _, state in served]

    def render(self, sample: Sample) -> Arrays:
        """Lays a sample out."""
        return render(sample, self._seq_len, pad=self._pad, loss=self.config.fim.loss)

    @property
    def pins(self) -> bool:
        """Whether batches lie in page-locked memory."""
        return self.config.pin_memory and self.pin_for is not None and self.pin_for.type == "cuda"

    def _collated(self) -> Iterator[tuple[int, Batch, list[RowState]]]:
        """Yields microbatches as tensors; runs in the background where there are workers."""
        if self.pins:
            # A new thread's GPU is the first one: pinning would open a context there, of 0.5 GB, for each rank.
            torch.cuda.set_device(self.pin_for)
        for first, samples, states in self._batches():
            yield first, self._collate([arrays for _, arrays in samples]), states

    def _collate(self, rows: list[Arrays]) -> Batch:
        def stack(arrays: list[Int64s]) -> torch.Tensor:
            tensor = torch.empty((len(rows), *arrays[0].shape), dtype=torch.int64, pin_memory=self.pins)
            np.stack(arrays, out=tensor.numpy())
            return tensor

        inputs = {"input": stack([row.input_L for row in rows]), "positions": stack([row.positions_L for row in rows])}
        targets = [row.targets_LC for row in rows if row.targets_LC is not None]
        if targets:
            inputs["targets"] = stack(targets)
        return inputs, stack([row.labels_L for row in rows])

    def served_counts(self) -> torch.Tensor:
        """Returns int64 (n,): what this rank's rows have served, to be added up over the ranks for `served`."""
        return torch.tensor([state.served for state in self._states], dtype=torch.int64).sum(0)

    def served(self, counts: torch.Tensor) -> Served:
        """Names the counts of `served_counts`."""
        numbers = counts.tolist()
        names = [component.name for component in self.mixture.components]
        languages = zip(LANGUAGES, numbers[len(names) : -1], strict=True)
        sources: dict[str, int] = {}
        for name, tokens in zip(names, numbers, strict=False):  # what is late has the name of its component
            sources[name] = sources.get(name, 0) + tokens
        return Served(
            sources,
            {language: tokens for language, tokens in languages if tokens},
            numbers[-1],
            before=self.positions_before,
        )

    def state_dict(self) -> State:
        """Returns where this rank's rows stand; `join` makes the state of all ranks of those of each."""
        table = torch.tensor([state.to_list() for state in self._states], dtype=torch.int64)
        kept = {"positions_before": self.positions_before, **self._corpus.kept()}
        return {"rows": table, "identity": identity.with_kept(self._identity, kept)}

    def check_identity(self, saved: str) -> None:
        """Compares what a state was saved for with what there is now, before it is loaded: until then, `state_dict` has
        the shape of the saved one, in which the distributed checkpoint reads.

        Raises:
            ConfigError: something has changed that would change the tokens; names it.
        """
        kept = identity.kept(saved)
        identity.check(saved, self._identity, lambda: self._corpus.differs(kept, self.config.on_growth))
        more = self._corpus.n_components(kept) - len(self._states[0].ordinals)
        if more > 0:
            self._states = [state.with_more(more) for state in self._states]

    def load_state_dict(self, state_dict: State) -> None:
        """Goes on from a saved state: this rank's own, or that of all ranks, of any data-parallel degree.

        Args:
            state_dict: from `state_dict` or `join`; of all ranks where documents were added, but for the trainer's.

        Raises:
            ConfigError: the corpus, the seed, the tokenizer or another part of what makes the tokens is not the saved;
                or it is the state of a single rank of another degree.
        """
        self.check_identity(state_dict["identity"])
        kept, table, n = identity.kept(state_dict["identity"]), state_dict["rows"], len(self._states)
        if len(table) not in (n, self.rows):
            raise ConfigError(
                f"the state has {len(table)} rows, this rank serves {n} of {self.rows}; join the states of all ranks"
            )
        n_components = self._corpus.n_components(kept)
        states = [RowState.from_list(line, n_components) for line in table.tolist()]
        first, whole = self._first_row, len(table) == self.rows
        if any(kept[part] != now for part, now in self._corpus.kept().items()):
            self._corpus.go_on(
                kept, states, first_row=0 if whole else first, rows=self.rows, agree=None if whole else self.agree
            )
            self.mixture, self._licences = self._mixture(), None
            states = [state.with_more(len(self.mixture.components) - n_components) for state in states]
        self.positions_before = kept["positions_before"]
        self._states = states[first : first + n] if whole else states

    def summary(self) -> str:
        """Returns e.g. `python-stdlib: 704 documents, 11.2 MB (left out: 3 empty)`, sources joined with `; `."""
        return "; ".join(selection.summary() for selection in self.selections)
