"""The data for other trainers: from a configuration file, or the same in Python, to batches of rank r of R.

Imports neither torchtitan nor anything of CUDA; the batches are those that the trainer would get.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from codetitan.config import data, schema
from codetitan.config.data import BatchConfig, DataConfig
from codetitan.config.load import load
from codetitan.data.held_out import HeldOutConfig
from codetitan.data.rows.loader import CodeDataLoader
from codetitan.objectives.config import conversations


def read_config(file: str | Path, overrides: Sequence[str] | Mapping[str, Any] = ()) -> DataConfig:
    """Reads the data's part of a file that ./run_train.sh takes; what is the trainer's is not looked at.

    Args:
        file: the TOML file.
        overrides: key → value, such as {"dataloader.fim.rate": 0.5}; or words of a command line.

    Raises:
        ConfigError: an unknown key of the data, or a wrong type, said as ./run_train.sh would say it.
    """
    tree = schema.only(load(Path(file), overrides), list(schema.hints(DataConfig)), "", DataConfig)
    training = tree.get("training")
    if isinstance(training, dict):
        tree["training"] = schema.only(training, list(schema.hints(BatchConfig)), "training", DataConfig)
    validation = tree.get("validation")
    if isinstance(validation, dict):
        tree["validation"] = schema.only(validation, list(schema.hints(HeldOutConfig)), "validation", DataConfig)
    config: DataConfig = schema.build(DataConfig, tree, "", DataConfig)
    return config


def open_loader(config: DataConfig, *, dp_rank: int = 0, dp_world_size: int = 1) -> CodeDataLoader:
    """Opens the corpus for data-parallel rank `dp_rank` of `dp_world_size`.

    Args:
        config: from `read_config`, or made in Python.
        dp_rank: r.
        dp_world_size: R.

    Raises:
        ValueError: there is no such rank.
        ConfigError: a value breaks a rule, the global batch does not split over the ranks, or there is no such corpus.
    """
    if not 0 <= dp_rank < dp_world_size:
        raise ValueError(f"dp_rank = {dp_rank} must be one of the {dp_world_size} ranks, from 0")
    tokenizer = data.check(config)
    data.require_sources(config)
    return CodeDataLoader(
        dataclasses.replace(
            config.dataloader, held_out=config.validation, conversations=conversations(config.objective)
        ),
        dp_world_size=dp_world_size,
        dp_rank=dp_rank,
        tokenizer=tokenizer,
        seq_len=config.training.seq_len,
        local_batch_size=config.training.local_batch_size,
        rows=data.global_rows(config.training, dp_world_size),
    )
