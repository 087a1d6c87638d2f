"""Composes sources, mixture, pieces, packing and rows into batches; owns the state and its resharding.

Contract 1: a global batch has G rows, each its own endless stream; data-parallel rank r of R serves rows
[r·G/R, (r+1)·G/R), microbatch by microbatch. Contract 3: the state is one int64 table, a line a row, sharded by row,
so that the distributed checkpoint reshards it like a parameter. It travels with the batch that it follows, so preparing
batches in the background changes nothing.
"""

import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any

import numpy as np
import torch

from codetitan.config.choice import Choice
from codetitan.data.language import LANGUAGES
from codetitan.data.pieces.fim import FimConfig, grammar_versions
from codetitan.data.pieces.maker import PieceMaker
from codetitan.data.pieces.metadata import MetadataConfig
from codetitan.data.rows.background import in_background
from codetitan.data.rows.mixture import Mixture, open_components
from codetitan.data.rows.packing import Arrays, Sample, render
from codetitan.data.rows.row import Packing, Row, RowState
from codetitan.data.sources.open import SOURCE_TYPES, Source, SourceConfig, licences_of, source_from_text
from codetitan.errors import ConfigError
from codetitan.titan import BaseDataLoader, DeviceMesh, DTensor, Shard
from codetitan.tokenizer.code_tokenizer import CodeTokenizer


@dataclass(frozen=True)
class Served:
    """Tokens served so far.

    Attributes:
        sources: source (with the language where it is one of several) → tokens.
        languages: language → tokens, without those that had none.
        padding: positions without a token.
    """

    sources: dict[str, int]
    languages: dict[str, int]
    padding: int


# Rises when the same configuration and corpus give other tokens than before (tests/data/rows/test_loader.py pins them).
VERSION = 1

Batch = tuple[dict[str, torch.Tensor], torch.Tensor]


class CodeDataLoader(BaseDataLoader):
    """Yields `({"input": int64 (B, L), "positions": int64 (B, L)}, labels: int64 (B, L))` for ever; a row whose sources
    have all served their epochs is padding, and when all rows are (`exhausted`, on every rank) the data has ended.

    Args:
        config: what to serve.
        dp_world_size: R, the data-parallel degree.
        dp_rank: r.
        tokenizer: text to ids, and the dialect.
        seq_len: L, tokens a sample.
        local_batch_size: B, rows a microbatch.
        snapshot_every_n_steps: torchtitan passes it; the state here is always at hand.

    Raises:
        ConfigError: there is no corpus, or none of it can be used.
    """

    @dataclass(kw_only=True, slots=True)
    class Config(BaseDataLoader.Config):
        sources: Annotated[list[SourceConfig], Choice("type", SOURCE_TYPES, word=source_from_text)] = field(
            default_factory=list
        )
        """The corpus: tables with a `type`, or words such as "python-stdlib" and "directory:PATH"."""

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
        """Microbatches prepared ahead, where there are workers."""

        rows: int | None = None
        """G, the rows of the global batch; filled in from `training.global_batch_size`."""

    def __init__(
        self,
        config: Config,
        *,
        dp_world_size: int,
        dp_rank: int,
        tokenizer: CodeTokenizer,
        seq_len: int,
        local_batch_size: int,
        snapshot_every_n_steps: int | None = None,
    ) -> None:
        self.config = config
        self.tokenizer = tokenizer
        self.rows = local_batch_size * dp_world_size if config.rows is None else config.rows
        assert self.rows % (local_batch_size * dp_world_size) == 0, "checked by codetitan.config.rules"
        self.microbatches = self.rows // (local_batch_size * dp_world_size)  # of a step, on this rank
        self._first_row = dp_rank * (self.rows // dp_world_size)
        self._batch_size = local_batch_size
        self._seq_len = seq_len
        self._pad = tokenizer.sentinels.pad
        self._mesh: DeviceMesh | None = None
        together = config.metadata.files_per_repository if config.metadata.repository_level else 1
        components = open_components(config.sources, together=together)
        self.mixture = Mixture(
            components,
            PieceMaker(
                tokenizer.encoding, tokenizer.sentinels, config.metadata, config.fim, seq_len=seq_len, seed=config.seed
            ),
            seed=config.seed,
            rows=self.rows,
            repository_level=config.metadata.repository_level,
        )
        self._identity = self._describe(tokenizer)
        self._licences: dict[str, dict[str, int]] | None = None
        self._states = [RowState.start(len(components))] * (self.rows // dp_world_size)

    @property
    def sources(self) -> list[Source]:
        """The opened sources, in the order of the configuration."""
        return list({id(component.source): component.source for component in self.mixture.components}.values())

    def licences(self) -> dict[str, dict[str, int]]:
        """Returns source → licence → documents, of up to 256 documents of each source, evenly spread; read once."""
        if self._licences is None:
            self._licences = {source.name: dict(licences_of(source, at_most=256)) for source in self.sources}
        return self._licences

    def place(self, batch_mesh: DeviceMesh | None) -> None:
        """Sets the mesh over which `state_dict` shards the rows; None where there is one data-parallel rank."""
        self._mesh = batch_mesh

    def __iter__(self) -> Iterator[Batch]:
        batches = self._batches()
        if self.config.workers:
            batches = in_background(batches, self.config.prefetch)
        for first, samples, states in batches:
            self._states[first : first + len(states)] = states
            yield self._collate([render_ for _, render_ in samples])

    @property
    def exhausted(self) -> bool:
        """Whether all rows of this rank have served all there is."""
        mixture, n = self.mixture, len(self.mixture.components)
        return all(
            state.within == 0 and not any(mixture.has(c, self._first_row + i, state.ordinals[c]) for c in range(n))
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
            return (sample, render(sample, self._seq_len, pad=self._pad, loss=config.fim.loss)), row.state

        # Rows do not depend on each other, so threads change nothing but the time it takes.
        with ThreadPoolExecutor(config.workers, "data") if config.workers > 1 else nullcontext() as pool:
            many = map if pool is None else pool.map
            while True:
                for first in range(0, len(rows), self._batch_size):
                    served = list(many(advance, rows[first : first + self._batch_size]))
                    yield first, [sample for sample, _ in served], [state for _, state in served]

    @staticmethod
    def _collate(rows: list[Arrays]) -> Batch:
        input_BL = torch.from_numpy(np.stack([row.input_L for row in rows]))
        labels_BL = torch.from_numpy(np.stack([row.labels_L for row in rows]))
        positions_BL = torch.from_numpy(np.stack([row.positions_L for row in rows]))
        return {"input": input_BL, "positions": positions_BL}, labels_BL

    def served_counts(self) -> torch.Tensor:
        """Returns int64 (n,): what this rank's rows have served, to be added up over the ranks for `served`."""
        return torch.tensor([state.served for state in self._states], dtype=torch.int64).sum(0)

    def served(self, counts: torch.Tensor) -> Served:
        """Names the counts of `served_counts`."""
        numbers = counts.tolist()
        names = [component.name for component in self.mixture.components]
        languages = zip(LANGUAGES, numbers[len(names) : -1], strict=True)
        sources: dict[str, int] = {}
        for name, tokens in zip(names, numbers, strict=False):
            sources[name] = sources.get(name, 0) + tokens
        return Served(sources, {language: tokens for language, tokens in languages if tokens}, numbers[-1])

    def state_dict(self) -> dict[str, Any]:
        """Returns `rows`: int64 (G, n), a RowState a line, sharded over the batch mesh; and what it belongs to."""
        local = torch.tensor([state.to_list() for state in self._states], dtype=torch.int64)
        table = local if self._mesh is None else DTensor.from_local(local, self._mesh, [Shard(0)], run_check=False)
        return {"rows": table, "identity": json.dumps(self._identity)}

    def check_identity(self, saved_identity: str) -> None:
        """Compares what a state was saved for with what there is now.

        Raises:
            ConfigError: something has changed that would change the tokens; names it.
        """
        saved = json.loads(saved_identity)
        changed = [
            f"{name} was {saved.get(name)}, is {self._identity.get(name)}"
            for name in {**saved, **self._identity}
            if saved.get(name) != self._identity.get(name)
        ]
        if changed:
            raise ConfigError(
                f"the checkpoint's data can't be continued: {'; '.join(changed)}; restore it, set another dump_folder, "
                "or start the data from its beginning, this once, with --checkpoint.exclude_from_loading dataloader"
            )

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on from a saved state, saved at any data-parallel degree.

        Raises:
            ConfigError: the corpus, the seed, the tokenizer or another part of what makes the tokens is not the saved.
        """
        self.check_identity(state_dict["identity"])
        table = state_dict["rows"]
        local = table.to_local() if isinstance(table, DTensor) else table
        n = len(self.mixture.components)
        self._states = [RowState.from_list(line, n) for line in local.tolist()]

    def summary(self) -> str:
        """Returns e.g. `python-stdlib: 704 documents, 11.2 MB (left out: 3 empty)`, sources joined with `; `."""
        return "; ".join(
            f"{source.name}: {'a stream' if source.streamed else f'{len(source):,} documents'}, "
            f"{source.n_bytes / 1e6:.1f} MB{_left_out(source.dropped)}"
            for source in self.sources
        )

    def _describe(self, tokenizer: CodeTokenizer) -> dict[str, Any]:
        """What the row states belong to: changing any of it between save and resume would serve other tokens."""
        digest = hashlib.sha256("".join(source.fingerprint for source in self.sources).encode()).hexdigest()
        count = sum(component.n_documents or 0 for component in self.mixture.components)
        config = self.config
        syntax = config.fim.rate and config.fim.spans.syntax
        return {
            "codetitan's data path": VERSION,
            **({"the grammars": grammar_versions()} if syntax else {}),
            "the corpus": f"{count} documents ({digest[:12]})",
            **{
                f"dataloader.sources.{i}.{name}": getattr(source, name)
                for i, source in enumerate(config.sources)
                for name in ("weight", "epochs", "max_documents", "languages")
            },
            "dataloader.seed": config.seed,
            "training.global_batch_size": self.rows,
            "training.seq_len": self._seq_len,
            "the tokenizer": tokenizer.fingerprint,
            "tokenizer.dialect": tokenizer.sentinels.dialect.name,
            "dataloader.packing": config.packing,
            "dataloader.block": config.block,
            **_flat("dataloader.metadata", asdict(config.metadata)),
            **_flat("dataloader.fim", asdict(config.fim)),
        }


def _flat(prefix: str, table: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in table.items():
        flat |= _flat(f"{prefix}.{name}", value) if isinstance(value, dict) else {f"{prefix}.{name}": value}
    return flat


def _left_out(dropped: dict[str, int]) -> str:
    # Files of other types are no documents: counting them here would only alarm.
    counted = [f"{count} {reason}" for reason, count in sorted(dropped.items()) if reason != "other file type"]
    return f" (left out: {', '.join(counted)})" if counted else ""
