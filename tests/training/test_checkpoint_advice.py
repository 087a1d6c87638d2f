"""What is said of a checkpoint that can't be loaded: the advice fits what asked for it."""

from typing import Any

import pytest

from codetitan.errors import ConfigError
from codetitan.training.checkpoint import CodeCheckpoints


@pytest.mark.parametrize(
    ("folder", "advice"),
    [
        (
            "/b",
            "it is what checkpoint.initial_load_path names: name another, or set [model] and the tokenizer as there",
        ),
        ("/a", "if it is damaged, remove it, and the run goes on from the one before"),
    ],
)
def test_the_advice(monkeypatch: pytest.MonkeyPatch, folder: str, advice: str) -> None:
    def fails(*_: Any) -> None:
        raise RuntimeError("size mismatch\nand more")

    checkpoints = object.__new__(CodeCheckpoints)
    monkeypatch.setattr(checkpoints, "folder", folder, raising=False)
    monkeypatch.setattr(checkpoints, "_description_of", fails)
    with pytest.raises(ConfigError) as error:
        checkpoints.dcp_load({}, "/a/step-7", from_hf=False, from_quantized=False)
    assert str(error.value) == f"/a/step-7 can't be loaded: size mismatch; {advice}"
