"""What a configuration serves, as hashes: `codetitan data digest`. Two meshes that print the same lines train on the
same tokens in the same order."""

import hashlib
from collections.abc import Iterator

import torch

from codetitan.config.resolve import Resolved
from codetitan.data.rows.loader import Batch, CodeDataLoader, join
from codetitan.errors import ConfigError
from codetitan.tokenizer.code_tokenizer import CodeTokenizer


def open_loaders(
    resolved: Resolved, dp_degree: int, option: str = "--dp-degree", *, annotate: bool = False
) -> list[CodeDataLoader]:
    """Returns the loader of each data-parallel rank; `option` is where the degree comes from, `annotate`
    is the piece maker's.

    Raises:
        ConfigError: the global batch does not split over them, or there is no corpus.
    """
    config = resolved.config
    rows, local = config.training.global_batch_size, config.training.local_batch_size
    if rows % dp_degree:
        fitting = [r for r in range(1, rows + 1) if rows % r == 0]
        raise ConfigError(
            f"{option} {dp_degree} must divide training.global_batch_size = {rows}; fitting: "
            f"{', '.join(map(str, fitting))}"
        )
    each = rows // dp_degree
    batch = local if each % local == 0 else each
    tokenizer = CodeTokenizer(config.tokenizer, tokenizer_path=config.hf_assets_path)
    return [
        CodeDataLoader(
            config.dataloader,
            dp_world_size=dp_degree,
            dp_rank=rank,
            tokenizer=tokenizer,
            seq_len=config.training.seq_len,
            local_batch_size=batch,
            rows=rows,
            annotate=annotate,
        )
        for rank in range(dp_degree)
    ]


def global_batches(loaders: list[CodeDataLoader]) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Yields each step's input, labels and positions, int64 (G, L), rows in order, to the end of the data."""
    iterators: list[Iterator[Batch]] = [iter(loader) for loader in loaders]
    while not all(loader.exhausted for loader in loaders):
        parts: list[Batch] = []
        for loader, iterator in zip(loaders, iterators, strict=True):
            parts += [next(iterator) for _ in range(loader.microbatches)]
        yield (
            torch.cat([inputs["input"] for inputs, _ in parts]),
            torch.cat([labels for _, labels in parts]),
            torch.cat([inputs["positions"] for inputs, _ in parts]),
        )


def reshard(loaders: list[CodeDataLoader], others: list[CodeDataLoader]) -> None:
    """Lets `others`, of any data-parallel degree, go on where `loaders` stand."""
    state = join([loader.state_dict() for loader in loaders])
    for other in others:
        other.load_state_dict(state)


def digests(
    resolved: Resolved, *, steps: int, dp_degree: int, resume_at: int | None = None, resume_dp_degree: int | None = None
) -> Iterator[str]:
    """Yields the SHA-256 of each step's global batch: inputs, labels and positions as little-endian int64, rows in
    order; stops after step `resume_at` and goes on with `resume_dp_degree` ranks from the saved state."""
    loaders = open_loaders(resolved, dp_degree)
    others = [] if resume_at is None else open_loaders(resolved, resume_dp_degree or dp_degree, "--resume-dp-degree")
    batches = global_batches(loaders)
    for step in range(1, steps + 1):
        digest = hashlib.sha256()
        batch = next(batches, None)
        if batch is None:
            raise ConfigError(
                f"dataloader.sources: every source has served its epochs after {step - 1} steps; lower --steps {steps}"
            )
        for tensor in batch:
            digest.update(tensor.numpy().astype("<i8", copy=False).tobytes())
        yield digest.hexdigest()
        if step == resume_at:
            reshard(loaders, others)
            loaders, batches = others, global_batches(others)
