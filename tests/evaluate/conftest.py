"""A model of random weights, exported."""

import dataclasses
from pathlib import Path

import pytest

from codetitan.hf.export import export
from codetitan.models.code.rope import RopeConfig
from tests.hf.conftest import install
from tests.hf.kinds import GQA, built, checkpoint, described

__all__ = ["install"]


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a checkpoint, step-7, and its export, model."""
    root = tmp_path_factory.mktemp("model")
    description = dataclasses.replace(described(GQA, RopeConfig()), seq_len=1024)
    export(checkpoint(root / "step-7", built(GQA, RopeConfig()), description), root / "model")
    return root
