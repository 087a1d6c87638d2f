"""`[prepare.executor]`: a table that is chosen by name."""

from dataclasses import dataclass, field
from typing import Annotated, Any

import pytest

from codetitan.config.choice import Choice
from codetitan.config.load import Setting
from codetitan.config.schema import build
from codetitan.errors import ConfigError
from codetitan.prepare.engine.tables import EXECUTORS, How, Local, Ray, Slurm


@dataclass
class Root:
    executor: Annotated[How, Choice("name", EXECUTORS)] = field(default_factory=Local)


def read(**keys: Any) -> Any:
    tree = {key: Setting(value, "prepare.toml", 1) for key, value in keys.items()}
    return build(Root, {"executor": tree}, "", Root).executor


def test_tables() -> None:
    assert read(workers=3) == read(name="local", workers=3) == Local(workers=3)
    assert read(name="slurm", partition="cpu", memory_gb=8) == Slurm(partition="cpu", memory_gb=8)
    assert read(name="slurm", partition="cpu", options={"account": "code"}).options == {"account": "code"}
    assert read(name="ray", address="auto") == Ray(address="auto")
    assert read(name="ray", workers="none").workers is None


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ({"name": "spark"}, 'executor.name = "spark" (prepare.toml) must be one of local, ray, slurm'),
        (
            {"name": "local", "partition": "cpu"},
            'executor.partition: not used where executor.name = "local"; remove it',
        ),
        (
            {"name": "slurm"},
            'executor.partition = "" must be named, such as executor = {name = "slurm", partition = "cpu"}',
        ),
        ({"name": "local", "workers": 0}, "executor.workers = 0 must be above 0, and finite"),
        ({"name": "ray", "memory_gb": 0.0}, "executor.memory_gb = 0.0 must be above 0, and finite"),
    ],
)
def test_errors(keys: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError) as error:
        read(**keys)
    assert str(error.value) == text
