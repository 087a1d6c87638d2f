"""Measures the model that a run of preferences begins with, its reference, on every pair: a pass forward over the data.

The pairs come from a loader like the training's, one epoch of it, and go through the training's own forward pass, so
that at step 0 model and reference agree to rounding. What comes of it is kept with the run, which could not go on
without it, and in the cache for other runs that begin with the same weights and data, such as with another β.
"""

import contextlib
import dataclasses
import hashlib
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.distributed as dist

from codetitan.data.rows.loader import CodeDataLoader
from codetitan.data.rows.packing import Arrays, Sample
from codetitan.data.rows.pairs import sides
from codetitan.data.rows.references import References, digest
from codetitan.data.validation.cells import CELL_SHIFT
from codetitan.errors import ConfigError
from codetitan.places import cache_folder
from codetitan.titan import logger
from codetitan.training import checksums
from codetitan.training.measuring import Microbatch, forward, measuring

if TYPE_CHECKING:
    from codetitan.training.trainer import CodeTrainer

FILE = "references.npz"
"""In dump_folder: without it, a run can't go on."""


def references(trainer: "CodeTrainer") -> References:
    """Returns what the reference says: measured where the run begins, else as it was; a collective.

    Raises:
        ConfigError: the run goes on, and its file is missing, or was measured with something else.
    """
    config = trainer.config
    path = Path(config.dump_folder) / FILE
    said_of = (
        f"tokenizer {trainer.tokenizer.fingerprint}, tokenizer.chat {config.tokenizer.chat}, parameters "
        f"{config.training.dtype}, computed in {config.training.mixed_precision_param}"
    )
    if trainer.step > 1:
        found = References.load(path)
        if found.said_of != said_of:
            raise ConfigError(
                f"{path} was measured with {found.said_of}; this run has {said_of}: restore it, or start anew in "
                "another dump_folder"
            )
        return found
    start = time.perf_counter()
    kept = _place_in_cache(trainer, said_of)
    if (of_another_run := _read_on_one_rank(kept)) is not None:
        found, how = of_another_run, "as another run measured it"
    else:
        held_out = {} if trainer.validation is None else trainer.validation.measure_pairs()
        found = References(said_of, held_out | _measure(trainer))
        if not len(found):
            raise ConfigError("dataloader.sources: there is no pair in it")
        how = f"measured in {time.perf_counter() - start:.1f} s"
    if dist.get_rank() == 0:
        path.parent.mkdir(parents=True, exist_ok=True)
        for place in (path, kept):
            if place is not None:
                found.save(place)
    logger.info("reference: %s pairs, %s (%s)", f"{len(found):,}", how, path)
    return found


def _place_in_cache(trainer: "CodeTrainer", said_of: str) -> Path | None:
    """Returns where what is said of the same pairs by the same weights lies; None: the weights can't be told."""
    config = trainer.config
    base = config.checkpoint.initial_load_path
    if base and "://" in base:
        return None
    weights = checksums.fingerprint(Path(base)) if base else f"seed {config.debug.seed}"
    if not weights:
        return None
    shape, rope = config.model.shape(), config.model.rope
    measured = "" if trainer.validation is None else trainer.validation.digest
    parts = (
        torch.__version__,
        said_of,
        weights,
        repr(shape),
        repr(rope),
        trainer.dataloader.state_dict()["identity"],
        measured,
    )
    return cache_folder("references") / f"{hashlib.sha256(repr(parts).encode()).hexdigest()[:32]}.npz"


def _read_on_one_rank(kept: Path | None) -> References | None:
    """Returns what rank 0 finds in its cache: those of other nodes may lack it."""
    found: list[References | None] = [None]
    if dist.get_rank() == 0 and kept is not None:
        with contextlib.suppress(ConfigError):  # missing or damaged: it is measured
            found = [References.load(kept)]
    if dist.get_world_size() > 1:
        dist.broadcast_object_list(found)
    return found[0]


def _measure(trainer: "CodeTrainer") -> dict[int, tuple[float, float]]:
    config, dims = trainer.config, trainer.parallel_dims
    batch = dims.get_optional_mesh("batch")
    rows = config.training.local_batch_size
    loader = CodeDataLoader(
        dataclasses.replace(
            config.dataloader,
            sources=[dataclasses.replace(source, epochs=1) for source in config.dataloader.sources],
            workers=0,
        ),
        dp_world_size=1 if batch is None else batch.size(),
        dp_rank=0 if batch is None else batch.get_local_rank(),
        tokenizer=trainer.tokenizer,
        seq_len=config.training.seq_len,
        local_batch_size=rows,
        rows=config.dataloader.rows,
    )
    each = config.parallelism.pipeline_parallel_microbatch_size if dims.pp_enabled else rows
    found: dict[int, tuple[float, float]] = {}
    for samples in loader.samples():
        cells = torch.zeros(rows * config.training.seq_len, dtype=torch.float64, device=trainer.device)
        batch_of_rows = [loader.render(sample) for sample in samples]
        with measuring(trainer, cells):
            forward(trainer, _group(samples, batch_of_rows, each, trainer.device))
        for name in ("cp", "pp"):  # a sequence is cut over ranks; and only a pipeline's last stage has losses
            if (mesh := dims.get_optional_mesh(name)) is not None:
                dist.all_reduce(cells, group=mesh.get_group())
        logp = -cells.view(rows, -1).cpu().numpy()
        for row, sample in enumerate(samples):
            for number, part in enumerate(sample):
                found[digest(part.piece)] = float(logp[row, 2 * number]), float(logp[row, 2 * number + 1])
        if _all_ended(trainer, loader):
            break
    every: list[dict[int, tuple[float, float]]] = [{} for _ in range(dist.get_world_size())]
    dist.all_gather_object(every, found)
    # Ranks that share a pair may differ in the last bit on a GPU: the first one's numbers are everybody's.
    return {number: logp for of_rank in reversed(every) for number, logp in of_rank.items()}


def _group(samples: list[Sample], rendered: list[Arrays], each: int, device: torch.device) -> list[Microbatch]:
    """Returns rows as microbatches of `each`, every answer a cell."""
    length = len(rendered[0].input_L)
    labels_BL = [
        np.where(side_L >= 0, arrays.labels_L + ((row * length + side_L) << CELL_SHIFT), arrays.labels_L)
        for row, (sample, arrays) in enumerate(zip(samples, rendered, strict=True))
        for side_L in (sides(sample, arrays),)
    ]

    def tensor(arrays: list[np.ndarray]) -> torch.Tensor:
        return torch.from_numpy(np.stack(arrays)).to(device)

    return [
        (
            {
                "input": tensor([arrays.input_L for arrays in rendered[first : first + each]]),
                "positions": tensor([arrays.positions_L for arrays in rendered[first : first + each]]),
            },
            tensor(labels_BL[first : first + each]),
        )
        for first in range(0, len(rendered), each)
    ]


def _all_ended(trainer: "CodeTrainer", loader: CodeDataLoader) -> bool:
    """Whether no rank has a pair left; a collective over the data-parallel ranks."""
    left = torch.tensor(0 if loader.exhausted else 1, device=trainer.device)
    mesh = trainer.parallel_dims.get_optional_mesh("batch")
    if mesh is not None:
        dist.all_reduce(left, group=mesh.get_group())
    return int(left) == 0
