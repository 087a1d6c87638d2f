"""An export loads in transformers 4 and 5 with no code of ours, and is the same model and the same tokenizer there."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from codetitan.data.pieces.dialects import DIALECTS, resolve
from codetitan.hf import tokenizer
from codetitan.hf.export import export
from codetitan.models.code.rope import RopeConfig
from codetitan.tokenizer.encoding import Encoding, open_encoding
from codetitan.training.description import Description
from tests.hf.conftest import TRANSFORMERS_4, Exported, Install, read
from tests.hf.kinds import CLASSES, GQA, KINDS, NEW_TOKENS, SEQ_LEN, built, checkpoint, described, logits_of
from tests.tokenizer.small import BYTE_LEVEL, written

MAJORS = (pytest.param("4.57", marks=pytest.mark.slow), "5")  # half a minute, of which the import is the most
TOKENIZERS = {"code-32k": "starcoder", "rank file": "starcoder2", "llama2": "codellama"} | dict.fromkeys(
    BYTE_LEVEL, "qwen2.5-coder"
)


def real_code() -> list[str]:
    """Python, C++, JavaScript, HTML, CSS, CMake and Markdown from what is installed; whole files."""
    packages, web = Path(torch.__file__).parent, Path(matplotlib.__file__).parent / "backends" / "web_backend"
    files = [
        Path(json.__file__),
        packages / "include" / "ATen" / "core" / "ivalue.h",
        packages / "include" / "c10" / "util" / "irange.h",
        packages / "share" / "cmake" / "Torch" / "TorchConfig.cmake",
        web / "js" / "mpl.js",
        web / "all_figures.html",
        web / "css" / "fbm.css",
        Path(__file__).parents[2] / "README.md",
    ]
    return [file.read_text(encoding="utf-8") for file in files]


def opened(name: str, folder: Path) -> str:
    """Returns the tokenizer `name` as `open_encoding` takes it."""
    if name == "rank file":
        return str(Path(tokenizer.__file__).parents[1] / "assets" / "code-32k" / "tokenizer.tiktoken")
    return "code-32k" if name == "code-32k" else str(written(name, folder))


def ids_of(encoding: Encoding, text: str) -> list[int]:
    return encoding.encode(encoding.normalize(text)).tolist()


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Encoding]]:
    """Every kind of tokenizer: the folder that was written, and ours."""
    made = {}
    for number, (name, dialect) in enumerate(TOKENIZERS.items()):
        folder = tmp_path_factory.mktemp(f"tokenizer-{number}")
        path = opened(name, folder / "original")
        tokenizer.write(path, DIALECTS[dialect], folder, seq_len=64)
        # A tokenizer's folder has no model: AutoTokenizer asks for one.
        (folder / "config.json").write_text('{"model_type": "llama"}')
        made[name] = folder, open_encoding(path)
    return made


@pytest.fixture(scope="module", params=MAJORS)
def answer(
    request: pytest.FixtureRequest,
    exports: dict[str, Exported],
    tokenizers: dict[str, tuple[Path, Encoding]],
    tmp_path_factory: pytest.TempPathFactory,
    install: Install,
) -> dict[str, Any]:
    """What one transformers makes of every export and every tokenizer."""
    path = [install(*TRANSFORMERS_4)] if request.param == "4.57" else []
    asked = {
        "models": {str(exported.folder): exported.expected.ids.tolist() for exported in exports.values()},
        "new_tokens": NEW_TOKENS,
        "tokenizers": {str(folder): real_code() for folder, _ in tokenizers.values()},
    }
    answer = read(asked, tmp_path_factory.mktemp("transformers") / "answer", path)
    assert answer["version"].startswith(f"{request.param}.")
    return answer


def test_logits_and_greedy_text_are_ours(answer: dict[str, Any], exports: dict[str, Exported]) -> None:
    for kind, exported in exports.items():
        name, logits, greedy = answer["models"][str(exported.folder)]
        assert name == CLASSES[kind], kind
        ours = exported.expected.logits
        assert ours.std() > 0.5, "all alike: the comparison would say nothing"
        assert (logits - ours).abs().max() <= 1e-4, kind
        assert greedy == exported.expected.greedy, kind


def test_the_scalings_differ(exports: dict[str, Exported]) -> None:
    """Else a scaling that is lost would not show above."""
    plain = exports["grouped-query"].expected.logits
    scaled = [kind for kind, (shape, rope) in KINDS.items() if rope.scaling != "none" and shape == GQA]
    for kind in scaled:
        assert (exports[kind].expected.logits - plain).abs().max() > 0.1, kind


@pytest.mark.parametrize("kind", ["Llama, biases", "Qwen3, biases and window", "StarCoder2"])
def test_every_part_of_a_block_counts(kind: str) -> None:
    """Without biases, qk-norm, window, … the same weights have other logits: one that is lost shows above."""
    shape, rope = KINDS[kind]
    ids = torch.randint(20, 32768, (1, SEQ_LEN), generator=torch.Generator().manual_seed(2))
    model = built(shape, rope)
    whole = logits_of(model, ids)
    parts = ("qkv_bias", "out_bias", "mlp_bias", "qk_norm", "sliding_window")
    for part in [name for name in parts if getattr(shape, name)]:
        without = built(dataclasses.replace(shape, **{part: None if part == "sliding_window" else False}), rope)
        without.load_state_dict(model.state_dict(), strict=False)
        assert (logits_of(without, ids) - whole).abs().max() > 0.1, part


@pytest.mark.parametrize("name", TOKENIZERS)
def test_ids_are_ours_and_sentinels_special(
    answer: dict[str, Any], tokenizers: dict[str, tuple[Path, Encoding]], name: str
) -> None:
    folder, encoding = tokenizers[name]
    of_texts, special = answer["tokenizers"][str(folder)]
    for text, theirs in zip(real_code(), of_texts, strict=True):
        assert theirs == ids_of(encoding, text)
    sentinels = resolve(DIALECTS[TOKENIZERS[name]], encoding)
    assert {sentinel: special.get(sentinel) for sentinel in sentinels.ids} == sentinels.ids


@pytest.mark.parametrize("name", TOKENIZERS)
def test_a_written_tokenizer_is_ours_again(tokenizers: dict[str, tuple[Path, Encoding]], name: str) -> None:
    folder, encoding = tokenizers[name]
    again = open_encoding(str(folder))
    sentinels = resolve(DIALECTS[TOKENIZERS[name]], again)
    assert sentinels.appended == ()
    assert sentinels.ids == resolve(DIALECTS[TOKENIZERS[name]], encoding).ids
    assert (again.note is None) == (encoding.note is None)
    for text in real_code():
        assert ids_of(again, text) == ids_of(encoding, text)


def test_files(exports: dict[str, Exported]) -> None:
    folder = exports["YaRN"].folder
    assert sorted(file.name for file in folder.iterdir()) == [
        "README.md", "config.json", "generation_config.json", "model.safetensors", "special_tokens_map.json",
        "tokenizer.json", "tokenizer_config.json",
    ]  # fmt: skip
    config = json.loads((folder / "config.json").read_text())
    assert config["rope_scaling"] == {
        "rope_type": "yarn",
        "factor": 4.0,
        "original_max_position_embeddings": 24,
        "beta_fast": 32.0,
        "beta_slow": 1.0,
    }
    assert config["max_position_embeddings"] == 96
    card = (folder / "README.md").read_text()
    assert "| python-stdlib | 1,000 | PSF-2.0 100.0 % (of 5 documents) |" in card
    assert "<fim_prefix>def add(a, b):\\n    <fim_suffix>" in card


def test_several_files(tmp_path: Path) -> None:
    """Files of a bounded size hold what one file holds, and bfloat16 is what it is rounded to."""
    shape, rope = KINDS["grouped-query"]
    saved = checkpoint(tmp_path / "c", built(shape, rope), described(shape, rope))
    export(saved, tmp_path / "one", dtype="bfloat16")
    export(saved, tmp_path / "many", dtype="bfloat16", max_shard_bytes=4_200_000)
    index = json.loads((tmp_path / "many" / "model.safetensors.index.json").read_text())
    files = sorted((tmp_path / "many").glob("*.safetensors"))
    assert [file.name for file in files] == [f"model-0000{i}-of-00003.safetensors" for i in (1, 2, 3)]
    assert all(file.stat().st_size < 4_300_000 for file in files)
    whole, parts = load_file(tmp_path / "one" / "model.safetensors"), {}
    for file in files:
        tensors = load_file(file)
        assert tensors.keys() == {name for name, where in index["weight_map"].items() if where == file.name}
        parts |= tensors
    weights = built(shape, rope).state_dict()
    assert parts.keys() == whole.keys()
    assert all(torch.equal(parts[name], whole[name]) for name in whole)
    assert torch.equal(whole["model.norm.weight"], weights["norm.weight"].to(torch.bfloat16))
    ids = torch.randint(32768, (1, 8))
    one, many = (AutoModelForCausalLM.from_pretrained(tmp_path / name)(ids).logits for name in ("one", "many"))
    assert torch.equal(one, many)


def test_the_sentinels_of_structured_documents(tmp_path: Path) -> None:
    """A run that had them appended exports a tokenizer that has them, under the ids of its model's rows."""
    shape = dataclasses.replace(KINDS["grouped-query"][0], vocab_size=32896)
    description = dataclasses.replace(described(shape, RopeConfig()), structured_documents=True)
    assert Description.from_json(description.to_json()) == description
    folder = checkpoint(tmp_path / "step-7", built(shape, RopeConfig()), description)
    export(folder, tmp_path / "out")
    appended = resolve(DIALECTS["starcoder"], open_encoding("code-32k"), structured=True).new
    assert (
        len(appended) == 19
        and max(appended.values()) < json.loads((tmp_path / "out/config.json").read_text())["vocab_size"]
    )
    loaded = AutoTokenizer.from_pretrained(tmp_path / "out")
    for sentinel, number in appended.items():
        assert loaded(f"x{sentinel}").input_ids[1:] == [number]
        assert loaded.decode([number], skip_special_tokens=True) == ""


def test_the_card_of_a_run_that_went_on_from_another(tmp_path: Path) -> None:
    shape, rope = KINDS["grouped-query"]
    first = dataclasses.replace(described(shape, rope), flavor="first")
    second = dataclasses.replace(described(shape, rope), sources={"more": 50}, licences={}, base=first)
    export(checkpoint(tmp_path / "c", built(shape, rope), second), tmp_path / "m")
    card = (tmp_path / "m" / "README.md").read_text()
    began, went_on = card.split("and went on:")
    assert "It began with `first`:" in began and "| python-stdlib | 1,000 | PSF-2.0 100.0 % (of 5 documents) |" in began
    assert "| more | 50 | not read |" in went_on


def test_the_example_of_the_card_runs(exports: dict[str, Exported], tmp_path: Path) -> None:
    folder = exports["multi-query"].folder
    example = (folder / "README.md").read_text().split("```python\n")[1].split("```")[0]
    done = subprocess.run([sys.executable, "-c", example], cwd=folder.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


@pytest.mark.slow
def test_an_independent_reader_agrees(exports: dict[str, Exported], install: Install, tmp_path: Path) -> None:
    """CTranslate2 has a decoder of its own, in C++."""
    script = """
import sys, ctranslate2, numpy, transformers
from ctranslate2.converters import TransformersConverter
folder, ids, out = sys.argv[1:]
TransformersConverter(folder).convert("converted", force=True)
tokens = [transformers.AutoTokenizer.from_pretrained(folder).convert_ids_to_tokens(row) for row in numpy.load(ids)]
generator = ctranslate2.Generator("converted", compute_type="float32")
numpy.save(out, numpy.array(generator.forward_batch(tokens)))
"""
    path = install("ctranslate2==4.8.5")
    for kind in ("multi-head, tied", "grouped-query", "multi-query", "NTK", "linear"):  # it knows no YaRN of Llamas
        exported = exports[kind]
        np.save(tmp_path / "ids.npy", exported.expected.ids.numpy())
        done = subprocess.run(
            [sys.executable, "-c", script, str(exported.folder), "ids.npy", "logits.npy"],
            cwd=tmp_path,
            env={"PYTHONPATH": str(path), "PATH": ""},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        difference = np.abs(np.load(tmp_path / "logits.npy") - exported.expected.logits.numpy()).max()
        assert difference <= 1e-4, kind
