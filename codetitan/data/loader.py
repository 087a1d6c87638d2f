"""Composes sources, order, tokens and packing into batches; owns the state and its resharding.

Contract 1: a global batch has G rows, each its own endless stream; data-parallel rank r of R serves rows
[r·G/R, (r+1)·G/R), microbatch by microbatch. Contract 3: the state is one int64 table, a line a row, sharded by row,
so that the distributed checkpoint reshards it like a parameter.

What is to come has its place in `_tokens`: metadata and fill-in-the-middle between reading and packing.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any

import numpy as np
import torch

from codetitan.config.choice import Choice
from codetitan.data.corpus import Corpus
from codetitan.data.document import Document, Dropped
from codetitan.data.packing import RowState, TokenArray, fill
from codetitan.data.sources import SOURCE_TYPES, SourceConfig, source_from_text
from codetitan.errors import ConfigError
from codetitan.titan import BaseDataLoader, DeviceMesh, DTensor, Shard, logger
from codetitan.tokenizer.code_tokenizer import CodeTokenizer

_NOTHING = np.empty(0, np.int64)


class CodeDataLoader(BaseDataLoader):
    """Yields `({"input": int64 (B, L), "positions": int64 (B, L)}, labels: int64 (B, L))` for ever.

    Args:
        config: what to serve.
        dp_world_size: R, the data-parallel degree.
        dp_rank: r.
        tokenizer: text to ids.
        seq_len: L, tokens a sample.
        local_batch_size: B, rows a microbatch.
        snapshot_every_n_steps: torchtitan passes it; the state here is always at hand.
    """

    @dataclass(kw_only=True, slots=True)
    class Config(BaseDataLoader.Config):
        sources: Annotated[list[SourceConfig], Choice("type", SOURCE_TYPES, word=source_from_text)] = field(
            default_factory=list
        )
        """The corpus: tables with a `type`, or words such as "python-stdlib" and "directory:PATH"."""

        seed: int = 0
        """Selects the order of the documents in each epoch."""

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
        self.rows = local_batch_size * dp_world_size if config.rows is None else config.rows
        assert self.rows % (local_batch_size * dp_world_size) == 0, "checked by codetitan.config.rules"
        self._first_row = dp_rank * (self.rows // dp_world_size)
        self._local_rows = self.rows // dp_world_size
        self._batch_size = local_batch_size
        self._seq_len = seq_len
        self._tokenizer = tokenizer
        self._mesh: DeviceMesh | None = None
        self.corpus = Corpus.open(config.sources, seed=config.seed, rows=self.rows)
        self._identity = _identity(self.corpus, tokenizer)
        self._states = [RowState()] * self._local_rows
        self._cached: dict[int, tuple[int, TokenArray]] = {}
        self.dropped: Counter[str] = Counter()

    def place(self, batch_mesh: DeviceMesh | None) -> None:
        """Sets the mesh over which `state_dict` shards the rows; None where there is one data-parallel rank."""
        self._mesh = batch_mesh

    def __iter__(self) -> Iterator[tuple[dict[str, torch.Tensor], torch.Tensor]]:
        while True:
            for first in range(0, self._local_rows, self._batch_size):
                samples = []
                for row in range(first, first + self._batch_size):
                    sample, self._states[row] = fill(
                        self._states[row], self._seq_len, partial(self._tokens, self._first_row + row)
                    )
                    samples.append(sample)
                input_BL = torch.from_numpy(np.stack([sample.input_L for sample in samples]))
                labels_BL = torch.from_numpy(np.stack([sample.labels_L for sample in samples]))
                positions_BL = torch.from_numpy(np.stack([sample.positions_L for sample in samples]))
                yield {"input": input_BL, "positions": positions_BL}, labels_BL

    def _tokens(self, row: int, ordinal: int) -> TokenArray:
        """Returns the token ids of a row's document, its end token included; empty where it is dropped.

        Sentinels are ids (contract 5): the text is encoded with special tokens disabled, so a file that contains
        `<|endoftext|>` cannot inject one.
        """
        cached = self._cached.get(row)
        if cached is not None and cached[0] == ordinal:
            return cached[1]
        document = self.corpus.read(row, ordinal)
        if isinstance(document, Document) and not self._tokenizer.encoding.can_encode(document.text):
            document = Dropped(document.source, document.path, "whitespace without end")
        if isinstance(document, Dropped):
            self._drop(document)
            tokens = _NOTHING
        else:
            tokens = self._tokenizer.encode_document(document.text)
        self._cached[row] = (ordinal, tokens)
        return tokens

    def _drop(self, document: Dropped) -> None:
        if self.dropped[document.reason] == 0:
            logger.warning('data: skipped "%s": %s (more of these are counted)', document.path, document.reason)
        self.dropped[document.reason] += 1

    def state_dict(self) -> dict[str, Any]:
        """Returns `rows`: int64 (G, 2) of (ordinal, offset), sharded over the batch mesh; and what it belongs to."""
        local = torch.tensor([(state.ordinal, state.offset) for state in self._states], dtype=torch.int64)
        table = local if self._mesh is None else DTensor.from_local(local, self._mesh, [Shard(0)], run_check=False)
        return {"rows": table, "identity": json.dumps(self._identity)}

    def check_identity(self, saved_identity: str) -> None:
        """Compares what a state was saved for with what there is now.

        Raises:
            ConfigError: the corpus, the seed, the tokenizer or the global batch has changed.
        """
        saved = json.loads(saved_identity)
        changed = [
            f"{name} was {saved.get(name)}, is {now}" for name, now in self._identity.items() if saved.get(name) != now
        ]
        if changed:
            raise ConfigError(
                f"the checkpoint's data can't be continued: {'; '.join(changed)}; restore it, set another dump_folder, "
                "or start the data from its beginning, this once, with --checkpoint.exclude_from_loading dataloader"
            )

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on from a saved state, saved at any data-parallel degree.

        Raises:
            ConfigError: the corpus, the seed, the tokenizer or the global batch is not the saved one.
        """
        self.check_identity(state_dict["identity"])
        table = state_dict["rows"]
        local = table.to_local() if isinstance(table, DTensor) else table
        self._states = [RowState(ordinal, offset) for ordinal, offset in local.tolist()]
        self._cached.clear()


def _identity(corpus: Corpus, tokenizer: CodeTokenizer) -> dict[str, str | int]:
    """What the row states belong to: changing any of it between save and resume would serve other tokens."""
    digest = hashlib.sha256("".join(source.fingerprint for source in corpus.sources).encode()).hexdigest()
    return {
        "the corpus": f"{corpus.n_documents} documents ({digest[:12]})",
        "dataloader.seed": corpus.seed,
        "training.global_batch_size": corpus.rows,
        "the tokenizer": tokenizer.fingerprint,
    }
