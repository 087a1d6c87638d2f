"""A model made by transformers, into a checkpoint and out again: the same bits, and training goes on from it."""

import itertools
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from codetitan.data.library import read_config
from codetitan.data.structure import KINDS as STRUCTURE
from codetitan.data.structure import sentinel_of
from codetitan.hf.export import export
from codetitan.hf.importing import import_model
from codetitan.models.code.shape import Flavor
from codetitan.tokenizer.code_tokenizer import CodeTokenizer
from codetitan.tokenizer.encoding import ASSETS, open_encoding
from tests.conftest import losses, run_train
from tests.hf.theirs import model_of, save, tensors
from tests.tokenizer.small import written

ROTATIONS: dict[str, dict[str, Any]] = {
    "plain": {"rope_type": "default", "rope_theta": 5e5},
    "YaRN without a length": {"rope_type": "yarn", "rope_theta": 1e4, "factor": 4.0},
    "linear": {"rope_type": "linear", "rope_theta": 1e4, "factor": 4.0},
    "YaRN": {"rope_type": "yarn", "rope_theta": 1e4, "factor": 4.0, "original_max_position_embeddings": 32},
    "Llama 3": {
        "rope_type": "llama3", "rope_theta": 5e5, "factor": 4.0, "original_max_position_embeddings": 32,
        "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    },
}  # fmt: skip


def saved(folder: Path, tokenizer: Path, *, vocab_size: int, dtype: torch.dtype, **changes: Any) -> Path:
    return save(model_of("Llama", vocab_size, **changes).to(dtype), folder, tokenizer)


@pytest.mark.parametrize(
    ("rotation", "tied"),
    [
        ("plain", True),
        ("YaRN", False),
        pytest.param("YaRN without a length", False, marks=pytest.mark.slow),
        pytest.param("linear", True, marks=pytest.mark.slow),
        pytest.param("Llama 3", False, marks=pytest.mark.slow),
    ],
)
def test_round_trip(tmp_path: Path, rotation: str, tied: bool) -> None:
    dtype = torch.bfloat16 if tied else torch.float32
    original = saved(
        tmp_path / "original", ASSETS / "code-32k", vocab_size=32777, dtype=dtype, tie_word_embeddings=tied,
        rope_parameters=ROTATIONS[rotation],
    )  # fmt: skip
    assert len(list(original.glob("*.safetensors"))) > 1
    import_model(original, tmp_path / "imported")
    export(tmp_path / "imported", tmp_path / "back")
    before, after = tensors(original), tensors(tmp_path / "back")
    assert before.keys() - {"lm_head.weight"} == after.keys() - {"lm_head.weight"}
    assert ("lm_head.weight" in after) != tied
    for name, tensor in after.items():
        assert tensor.dtype == dtype and torch.equal(tensor, before[name]), name
    # The rotation is the same, too: transformers computes the same of both.
    ids = torch.randint(32768, (1, 100))
    one, other = (AutoModelForCausalLM.from_pretrained(tmp_path / name)(ids).logits for name in ("original", "back"))
    assert one.std() > 0.1 and torch.equal(one, other)
    again = tmp_path / "again"
    import_model(tmp_path / "back", again)
    export(again, tmp_path / "back again")
    config = json.loads((tmp_path / "back" / "config.json").read_text())
    assert json.loads((tmp_path / "back again" / "config.json").read_text()) == config


def test_the_vocabulary_is_extended(tmp_path: Path) -> None:
    original = saved(tmp_path / "original", written("gpt2", tmp_path / "gpt2"), vocab_size=900, dtype=torch.bfloat16)
    shape = import_model(original, tmp_path / "imported", dialect="qwen2.5-coder")
    assert isinstance(shape, Flavor) and shape.vocab_size == 1024
    export(tmp_path / "imported", tmp_path / "back")
    before, after = tensors(original), tensors(tmp_path / "back")
    for name in ("model.embed_tokens.weight", "lm_head.weight"):
        assert torch.equal(after[name][:900], before[name])
        mean = before[name].float().mean(0).to(torch.bfloat16)
        assert torch.equal(after[name][900:], mean.expand(124, -1))
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "back")
    first, *others = tokenizer("<|fim_prefix|>x<|fim_suffix|>").input_ids
    assert first >= 900 and others[-1] >= 900 and len(others) == 2
    assert tokenizer.decode([first, *others]) == "<|fim_prefix|>x<|fim_suffix|>"


def test_sentinels_of_structured_documents_are_added_where_asked_for(tmp_path: Path) -> None:
    """They get rows; what trains the model finds them in its tokenizer, without a key; and the next export has them."""
    original = saved(tmp_path / "original", written("gpt2", tmp_path / "gpt2"), vocab_size=900, dtype=torch.bfloat16)
    assert import_model(original, tmp_path / "without").vocab_size == 1024
    assert "<pr>" not in open_encoding(str(tmp_path / "without" / "tokenizer")).special_tokens
    assert import_model(original, tmp_path / "imported", dialect="starcoder2", structured=True).vocab_size == 1024
    config = read_config(tmp_path / "imported" / "train.toml")
    sentinels = CodeTokenizer(config.tokenizer, tokenizer_path=config.hf_assets_path).sentinels
    assert sentinels.structure.keys() == set(STRUCTURE) and not sentinels.new
    export(tmp_path / "imported", tmp_path / "back")
    back = open_encoding(str(tmp_path / "back")).special_tokens
    assert all(back[sentinel_of(kind)] == number for kind, number in sentinels.structure.items())


def test_training_goes_on(tmp_path: Path) -> None:
    """The first loss is that of transformers on the same tokens, in blocks with biases, LayerNorms and a window."""
    original = save(model_of("StarCoder2", 32768).to(torch.bfloat16), tmp_path / "mine", ASSETS / "code-32k")
    import_model(original, tmp_path / "imported")
    config = tmp_path / "imported" / "train.toml"
    assert tomllib.loads(config.read_text())["model"]["flavor"] == "mine"
    overrides = [
        *("--dataloader.sources", "python-stdlib", "--training.steps", "2", "--training.global_batch_size", "2"),
        *("--training.mixed_precision_param", "float32", "--metrics.log_freq", "1", "--dataloader.fim.rate", "0"),
    ]
    done = run_train(config, *overrides)
    assert done.returncode == 0 and "of another model" not in done.stdout, done.stderr
    found = losses(tmp_path / "imported" / "outputs" / "mine")
    assert found[0] == pytest.approx(loss_by_transformers(original, config, overrides), rel=1e-5)
    # The run's own checkpoint can be exported.
    export(tmp_path / "imported" / "outputs" / "mine", tmp_path / "trained", dtype="bfloat16")
    card = (tmp_path / "trained" / "README.md").read_text()
    assert "It began with `mine`:\n\n`mine` was imported: codetitan does not know its data." in card
    trained = AutoModelForCausalLM.from_pretrained(tmp_path / "trained")
    assert (type(trained).__name__, trained.dtype) == ("Starcoder2ForCausalLM", torch.bfloat16)


def loss_by_transformers(model: Path, config: Path, overrides: list[str]) -> float:
    """Returns the loss of the first global batch, each document of a sample by itself."""
    from codetitan.config.resolve import resolve
    from codetitan.data.views.digest import open_loaders

    (loader,) = open_loaders(resolve(config, overrides, world_size=1), 1)
    batches, total, n = iter(loader), 0.0, 0
    reads = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    for _ in range(loader.microbatches):
        inputs, labels = next(batches)
        for row, answers, positions in zip(inputs["input"], labels, inputs["positions"], strict=True):
            starts = [*torch.nonzero(positions == 0).flatten().tolist(), len(row)]
            for start, stop in itertools.pairwise(starts):
                with torch.no_grad():
                    logits = reads(row[None, start:stop]).logits[0]
                total += torch.nn.functional.cross_entropy(
                    logits, answers[start:stop], ignore_index=-100, reduction="sum"
                ).item()
            n += int((answers != -100).sum())
    return total / n


@pytest.mark.slow
def test_what_has_no_tensor_is_said_where_it_differs(tmp_path: Path) -> None:
    """The weights load all the same; a longer context is begun so."""
    original = save(model_of("Mistral, window", 32768).to(torch.bfloat16), tmp_path / "mine", ASSETS / "code-32k")
    shape = import_model(original, tmp_path / "imported")
    overrides = [
        *("--dataloader.sources", "python-stdlib", "--training.steps", "1", "--training.global_batch_size", "1"),
        *("--model.sliding_window", "0", "--model.norm_eps", "1e-5"),
    ]
    done = run_train(tmp_path / "imported" / "train.toml", *overrides)
    assert done.returncode == 0, done.stderr
    said = [line.partition("begins with the weights of another model: ")[2] for line in done.stdout.splitlines()]
    assert f"model.sliding_window was {shape.sliding_window}, is None" in said
    assert f"model.norm_eps was {shape.norm_eps}, is 1e-05" in said
