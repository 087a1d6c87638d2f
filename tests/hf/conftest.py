"""Exports of every kind, and environments with what reads them."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from codetitan.hf.export import export
from codetitan.models.code.rope import RopeConfig
from codetitan.models.code.shape import Flavor
from tests.hf.kinds import KINDS, Expected, built, checkpoint, described, expected


@dataclass(frozen=True)
class Exported:
    """An export, and what our own code makes of the model."""

    folder: Path
    expected: Expected


@pytest.fixture(scope="session")
def exports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Exported]:
    """Every kind of model, exported."""
    root, made = tmp_path_factory.mktemp("exports"), {}
    for number, (kind, (shape, rope)) in enumerate(KINDS.items()):
        model = built(shape, rope)
        export(checkpoint(root / f"checkpoint-{number}", model, described(shape, rope)), root / f"model-{number}")
        made[kind] = Exported(root / f"model-{number}", expected(model))
    return made


TINY = Flavor(32, 1, 2, 1, 48, 32768, True)


@pytest.fixture(scope="session")
def tiny_export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tiny")
    model = built(TINY, RopeConfig())
    export(checkpoint(root / "step-7", model, described(TINY, RopeConfig())), root / "exported")
    return root / "exported"


@pytest.fixture
def exported(tmp_path: Path, tiny_export: Path) -> Path:
    """An export to spoil."""
    return Path(shutil.copytree(tiny_export, tmp_path / "exported"))


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


Install = Callable[..., Path]
# What transformers 4 needs of its own; the rest it shares with 5.
TRANSFORMERS_4 = ("transformers==4.57.6", "huggingface_hub<1", "tokenizers<=0.23.0")


@pytest.fixture(scope="session")
def install(request: pytest.FixtureRequest) -> Install:
    """Installs packages into a folder of their own, once; skips without a package index, but not where CI is true."""

    def install(*packages: str) -> Path:
        folder = Path(request.config.cache.mkdir("packages")) / "-".join(packages).replace("/", "-")
        if not folder.is_dir():
            partial = folder.with_suffix(f".{os.getpid()}.partial")  # of this process: two workers may want it at once
            command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(partial), *packages]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode and os.environ.get("CI") != "true":
                pytest.skip(f"{' '.join(packages)} can't be installed: {done.stderr.strip().splitlines()[-1]}")
            assert not done.returncode, done.stderr
            try:
                partial.rename(folder)
            except OSError:
                assert folder.is_dir(), "only where the other worker was faster"
                shutil.rmtree(partial)
        return folder

    return install


def read(request: dict[str, Any], folder: Path, path: list[Path]) -> dict[str, Any]:
    """Runs reader.py, with packages of `path` before those that are installed."""
    folder.mkdir()
    (folder / "request.json").write_text(json.dumps(request), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(Path(__file__).parent / "reader.py"), "request.json", "answer.pt"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, path)), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert not done.returncode, done.stderr
    answer: dict[str, Any] = torch.load(folder / "answer.pt")
    return answer
