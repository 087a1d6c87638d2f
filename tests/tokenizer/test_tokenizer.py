import json
import random
from pathlib import Path

import pytest
import tokenizers

from codetitan.data.document import Document
from codetitan.data.sources import PythonStdlib, open_source
from codetitan.errors import ConfigError
from codetitan.tokenizer.encoding import (
    ASSETS,
    can_encode,
    check_conversion,
    load_encoding,
    tokenizer_folder,
)
from codetitan.tokenizer.train import SENTINELS, train_tokenizer

FOLDER = ASSETS / "code-32k"


@pytest.fixture(scope="module")
def original() -> tokenizers.Tokenizer:
    tokenizer = tokenizers.Tokenizer.from_file(str(FOLDER / "tokenizer.json"))
    tokenizer.encode_special_tokens = True
    return tokenizer


def test_shipped_tokenizer() -> None:
    encoding = load_encoding(FOLDER)
    assert encoding.n_vocab == 32768
    assert [encoding.encode_single_token(sentinel) for sentinel in SENTINELS] == list(range(19))


def test_equals_the_original_on_real_code(original: tokenizers.Tokenizer) -> None:
    encoding, source = load_encoding(FOLDER), open_source(PythonStdlib())
    for index in range(0, len(source), 3):
        document = source.read(index)
        assert isinstance(document, Document)
        ids = encoding.encode_ordinary(document.text)
        assert ids == original.encode(document.text, add_special_tokens=False).ids, document.path
        assert encoding.decode(ids) == document.text


def test_equals_the_original_on_random_text(original: tokenizers.Tokenizer) -> None:
    encoding, draw = load_encoding(FOLDER), random.Random(0)
    alphabet = "  \t\n\r\nabcXYZ019_'\"(){}é中🙂\u0301\u200b<|endoftext|>fim_prefix\x00\x1b"
    for _ in range(300):
        text = "".join(draw.choice(alphabet) for _ in range(draw.randint(0, 200)))
        ids = encoding.encode_ordinary(text)
        assert ids == original.encode(text, add_special_tokens=False).ids
        assert encoding.decode(ids) == text


@pytest.mark.parametrize("text", [" " * 899_999, " " * 899_999 + "x", "a" * 1_000_000, "\n" * 899_999, "ab " * 400_000])
def test_long_runs_end(text: str) -> None:
    encoding = load_encoding(FOLDER)
    assert can_encode(text)
    assert encoding.decode(encoding.encode_ordinary(text)) == text


def test_whitespace_that_makes_tiktoken_panic_is_known_before() -> None:
    assert not can_encode("x" + " " * 1_000_000 + "x")


def test_training_gives_the_same_file_again(tmp_path: Path) -> None:
    for name in ("one", "two"):
        train_tokenizer([open_source(PythonStdlib(max_file_bytes=20_000))], vocab_size=2048, output=tmp_path / name)
    one, two = ((tmp_path / name / "tokenizer.json").read_bytes() for name in ("one", "two"))
    assert one == two
    assert load_encoding(tmp_path / "one").n_vocab == 2048
    check_conversion(load_encoding(tmp_path / "one"), tmp_path / "one")


@pytest.mark.parametrize("size", [10, 275])
def test_vocabulary_too_small(tmp_path: Path, size: int) -> None:
    with pytest.raises(ConfigError, match=rf"--vocab-size {size} must be above 275 \(256 bytes and 19 sentinels\)"):
        train_tokenizer([], vocab_size=size, output=tmp_path)


def test_corpus_too_small(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the corpus yields 275 tokens, fewer than --vocab-size 300"):
        train_tokenizer([], vocab_size=300, output=tmp_path)
    assert not (tmp_path / "tokenizer.json").exists()


def test_unknown_tokenizer() -> None:
    with pytest.raises(ConfigError, match=r'hf_assets_path = "code-32" is neither .*; did you mean "code-32k"\?'):
        tokenizer_folder("code-32")


def changed(tmp_path: Path, change: str) -> Path:
    spec = json.loads((FOLDER / "tokenizer.json").read_text())
    if change == "kind":
        spec["model"]["type"] = "WordPiece"
    elif change == "pre-tokenizer":
        spec["pre_tokenizer"] = {"type": "Whitespace"}
    elif change == "merges":
        spec["model"]["merges"][0], spec["model"]["merges"][99] = (
            spec["model"]["merges"][99],
            spec["model"]["merges"][0],
        )
    elif change == "regex":
        spec["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = r"\S+|\s+"
    (tmp_path / "tokenizer.json").write_text(json.dumps(spec))
    return tmp_path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("kind", "not a byte-level BPE without a normalizer"),
        ("pre-tokenizer", "its pre-tokenizer is not a regex split followed by ByteLevel"),
        ("merges", "its ids do not follow the order of its merges"),
    ],
)
def test_what_tiktoken_can_not_run(tmp_path: Path, change: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_encoding(changed(tmp_path, change))


def test_a_wrong_conversion_is_found(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="tiktoken and tokenizers give different ids"):
        check_conversion(load_encoding(FOLDER), changed(tmp_path, "regex"))
