"""What a changed key does to a run that goes on: every key has a row, and the document has the same rows."""

import json
from dataclasses import replace
from fnmatch import fnmatchcase

import pytest

from codetitan.config.schema import _all_keys
from codetitan.errors import ConfigError
from codetitan.models.code.flavors import FLAVORS
from codetitan.models.code.rope import RopeConfig
from codetitan.training.description import Description
from codetitan.training.resume import EFFECTS, MEANING, changes, check_model, effect_of, model_changes
from codetitan.training.trainer import CodeTrainer
from tests.conftest import REPOSITORY

KEYS = sorted(set(_all_keys(CodeTrainer.Config)))

SAVED = Description(
    flavor="debug", shape=FLAVORS["debug"], rope=RopeConfig(), seq_len=64, tokenizer="t", fingerprint="f",
    dialect="starcoder2",
    config='[optimizer]\nbetas = [0.9, 0.95]\nlr = 0.001\n[debug]\nseed = 1\n[metrics]\nlog_freq = 10\n',
)  # fmt: skip


def test_every_key_has_a_row_and_every_row_a_key() -> None:
    assert all(effect_of(key) for key in KEYS)
    for pattern in EFFECTS:
        assert any(fnmatchcase(key, pattern) for key in KEYS), pattern


def test_the_document_has_the_table() -> None:
    lines = (REPOSITORY / "docs" / "resume.md").read_text(encoding="utf-8").splitlines()
    for effect, meaning in MEANING.items():
        keys = ", ".join(f"`{pattern}`" for pattern, effect_ in EFFECTS.items() if effect_ == effect)
        assert f"| {keys} | {meaning} |" in lines


def test_changes_are_said() -> None:
    now = "[optimizer]\nbetas = [0.9, 0.99]\nlr = 0.001\n[debug]\nseed = 2\n[metrics]\nlog_freq = 1\n"
    assert changes(SAVED, now) == [
        "optimizer.betas was [0.9, 0.95], is [0.9, 0.99]",
        "debug.seed was 1, is 2; too late, the run has begun",
    ]


def test_another_model_is_refused_by_name() -> None:
    check_model(SAVED, SAVED.shape, SAVED.rope, None, "step-3")
    with pytest.raises(ConfigError) as error:
        check_model(SAVED, replace(SAVED.shape, rope_theta=5e5), RopeConfig(scaling="ntk"), None, "step-3")
    assert str(error.value).startswith(
        "step-3 is of another model: model.rope.theta was 100000.0, is 500000.0; model.rope.scaling was none, is ntk; "
        "restore it, or set another --dump_folder"
    )


def test_other_layers_to_train_are_refused_by_name() -> None:
    with pytest.raises(ConfigError) as error:
        check_model(SAVED, SAVED.shape, SAVED.rope, "last:1", "step-3")
    assert str(error.value) == (
        "step-3 trained other layers: training.train_layers was none, is last:1; restore it, or set another "
        "--dump_folder and --checkpoint.initial_load_path step-3"
    )


def test_other_blocks_are_refused_by_name() -> None:
    """Whatever their tensors are called: a window has none."""
    other = replace(SAVED.shape, norm="layernorm", qkv_bias=True, sliding_window=64, head_dim=64)
    with pytest.raises(ConfigError) as error:
        check_model(SAVED, other, SAVED.rope, None, "step-3")
    for change in ("norm was rmsnorm, is layernorm", "qkv_bias was False, is True", "sliding_window was None, is 64",
                   "head_dim was None, is 64"):  # fmt: skip
        assert f"model.{change}" in str(error.value)


def test_the_class_of_exports_may_change() -> None:
    other = replace(SAVED.shape, export_as="MistralForCausalLM")
    check_model(SAVED, other, SAVED.rope, None, "step-3")
    assert model_changes(SAVED, other, SAVED.rope) == []


def test_a_checkpoint_of_before_has_llamas_blocks() -> None:
    """Written when a shape was sizes only."""
    sizes = ("dim", "n_layers", "n_heads", "n_kv_heads", "ffn_dim", "vocab_size", "tie_embeddings", "rope_theta",
             "norm_eps")  # fmt: skip
    written = json.loads(SAVED.to_json())
    written |= {"format": 1, "shape": {name: written["shape"][name] for name in sizes}}
    before = Description.from_json(json.dumps(written))
    assert before == SAVED
    check_model(before, SAVED.shape, SAVED.rope, None, "step-3")
