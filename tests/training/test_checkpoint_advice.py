"""What is said of a checkpoint that can't be loaded: the advice fits what asked for it."""

from types import SimpleNamespace
from typing import Any

import pytest

from codetitan.errors import ConfigError
from codetitan.training.checkpoint import CodeCheckpoints


@pytest.mark.parametrize(
    ("asked", "advice"),
    [
        ("/a/step-7", "it is what checkpoint.initial_load_path names: name another, or set [model] and the tokenizer"),
        (None, "if it is of another model, set another --dump_folder; if it is damaged, remove it"),
    ],
)
def test_the_advice(asked: str | None, advice: str) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise RuntimeError("size mismatch\nand more")

    checkpoints: Any = SimpleNamespace(initial_load_path=asked, _base_of=fails)
    with pytest.raises(ConfigError, match="/a/step-7 can't be loaded: size mismatch; ") as error:
        CodeCheckpoints.dcp_load(checkpoints, {}, "/a/step-7", from_hf=False, from_quantized=False)
    assert advice in str(error.value)
