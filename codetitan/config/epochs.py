"""The length of a run in epochs of its data: how many steps serve them is counted, for only packing tells.

The data is served once through without a model, at the speed of its tokenizer; the count is kept in the cache under
all that decides the tokens.
"""

import dataclasses
import hashlib
import itertools
import logging
import os
import time

from codetitan.config import data
from codetitan.data.held_out import HeldOutConfig
from codetitan.data.rows.loader import CodeDataLoader
from codetitan.data.sources.open import SourceConfig
from codetitan.errors import ConfigError
from codetitan.objectives.config import conversations
from codetitan.places import cache_folder
from codetitan.training.trainer import CodeTrainer

logger = logging.getLogger("codetitan")


def sources_for(config: CodeTrainer.Config) -> list[SourceConfig]:
    """Returns the sources, each with the run's epochs.

    Raises:
        ConfigError: one has epochs or a share of its own, or is a stream, which is read once.
    """
    epochs, sources = config.training.epochs, config.dataloader.sources
    for i, source in enumerate(sources):
        key = f"training.epochs = {epochs} and dataloader.sources.{i}"
        if source.epochs not in (None, epochs):
            raise ConfigError(f"{key}.epochs = {source.epochs}: give one of them")
        if source.weight is not None:
            raise ConfigError(
                f"{key}.weight = {source.weight}: with shares, sources end at different times; give the length in "
                "training.steps or training.tokens"
            )
        if getattr(source, "streaming", False):
            raise ConfigError(f"{key}.streaming = true: a stream can't be counted beforehand; set training.steps")
    return [dataclasses.replace(source, epochs=epochs) for source in sources]


def steps_for(config: CodeTrainer.Config, rows: int) -> int:
    """Returns how many steps of `rows` rows serve the epochs of the data.

    Args:
        config: whose sources have their epochs.
        rows: G.

    Raises:
        ConfigError: the data can't be read, or none of it be used.
    """
    tokenizer = data.check(config)
    data.require_sources(config)
    loader = CodeDataLoader(
        dataclasses.replace(
            config.dataloader,
            held_out=HeldOutConfig(share=config.validation.share, by=config.validation.by),
            conversations=conversations(config.objective),
            workers=min(rows, os.cpu_count() or 1),
        ),
        dp_world_size=1, dp_rank=0, tokenizer=tokenizer, seq_len=config.training.seq_len, local_batch_size=rows,
        rows=rows,
    )  # fmt: skip
    said = str(loader.state_dict()["identity"])
    kept = cache_folder("epochs") / hashlib.sha256(said.encode()).hexdigest()[:32]
    if kept.is_file() and (text := kept.read_text()).isdecimal():
        return int(text)
    start = time.perf_counter()
    batches = loader.samples()
    steps = next(step for step in itertools.count(1) if next(batches) is not None and loader.exhausted)
    logger.info(
        "training.epochs = %s: %s steps, counted in %.1f s", config.training.epochs, f"{steps:,}",
        time.perf_counter() - start,
    )  # fmt: skip
    unfinished = kept.with_name(f"{kept.name}.{os.getpid()}")
    unfinished.write_text(str(steps))
    unfinished.rename(kept)
    return steps
