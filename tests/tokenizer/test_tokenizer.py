"""The shipped tokenizer on real code, what no tokenizer can encode, and training."""

from pathlib import Path

import numpy as np
import pytest
import tiktoken
import tokenizers

from codetitan.data.document import Document
from codetitan.data.pieces.dialects import DIALECTS
from codetitan.data.sources.open import PythonStdlib, open_source
from codetitan.errors import ConfigError
from codetitan.tokenizer.code_tokenizer import CodeTokenizer
from codetitan.tokenizer.encoding import ASSETS, Encoding, open_encoding
from codetitan.tokenizer.train import train_tokenizer
from tests.tokenizer.small import written

FOLDER = ASSETS / "code-32k"


@pytest.fixture(scope="module")
def encoding() -> Encoding:
    return open_encoding("code-32k")


def test_shipped_tokenizer(encoding: Encoding) -> None:
    assert encoding.n_ids == 32768
    assert encoding.fingerprint == "code-32k (e325449af5a4)"
    assert encoding.note is None
    assert encoding.splits
    assert [encoding.special_tokens[sentinel] for sentinel in DIALECTS["starcoder"].of_new_tokenizers] == list(
        range(19)
    )
    assert encoding.token_bytes is not None
    assert encoding.token_bytes.dtype == np.int64
    assert np.flatnonzero(encoding.token_bytes == 0).tolist() == list(range(19))


def test_equals_the_original_on_real_code(encoding: Encoding) -> None:
    original = tokenizers.Tokenizer.from_file(str(FOLDER / "tokenizer.json"))
    original.encode_special_tokens = True
    source = open_source(PythonStdlib())
    for index in range(0, len(source), 8):
        document = source.read(index)
        assert isinstance(document, Document)
        ids = encoding.encode(document.text)
        assert ids.tolist() == original.encode(document.text, add_special_tokens=False).ids, document.path
        assert encoding.decode_bytes(ids) == document.text.encode()


@pytest.mark.parametrize(
    "text",
    [
        *(
            " " * 899_999,
            " " * 899_999 + "x" * 1_000_000,
            "a" * 1_000_000,
            "\n" * 899_999,
            "ab " * 400_000,
            "0" * 1_000_000,
        ),
        *("=" * 1_000_000, "中" * 400_000, "🙂" * 300_000, "e" + "\u0301" * 500_000, "\0" * 1_000_000),
    ],
    ids=lambda text: repr(text[:3]),
)
def test_long_runs_end(encoding: Encoding, text: str) -> None:
    assert encoding.can_encode(text)
    assert encoding.decode_bytes(encoding.encode(text)) == text.encode()


@pytest.mark.parametrize("run", [" ", "\t", "\n", " \t", "\u00a0"])
def test_whitespace_that_tiktoken_fails_on_is_known_before(encoding: Encoding, run: str) -> None:
    text = "x" + run * (2_000_000 // len(run)) + "x"
    assert not encoding.can_encode(text)
    if run != "\n":  # `\s*[\r\n]+` takes a run of line ends whole
        with pytest.raises(ValueError, match="Regex error while tokenizing"):
            encoding.encode(text)


def test_half_a_surrogate_pair_is_no_text(encoding: Encoding) -> None:
    assert not encoding.can_encode("a\ud800b")
    assert encoding.can_encode("")


def test_torchtitans_interface(tmp_path: Path) -> None:
    tokenizer = CodeTokenizer(CodeTokenizer.Config(), tokenizer_path="code-32k")
    assert tokenizer.fingerprint == "code-32k (e325449af5a4)"
    assert tokenizer.get_vocab_size() == 32768
    ids = tokenizer.encode("def é(): <|endoftext|>")
    assert tokenizer.decode(ids) == "def é(): <|endoftext|>"
    assert tokenizer.decode([tokenizer.encoding.encode("é").tolist()[0]]) in ("é", "\ufffd")
    bare = CodeTokenizer(CodeTokenizer.Config(), tokenizer_path=str(written("qwen", tmp_path, added_tokens=[])))
    assert bare.eos_id == bare.encoding.n_ids  # no "<|endoftext|>": appended, with the other sentinels
    assert bare.decode([bare.eos_id, bare.sentinels.ids["<fim_prefix>"]]) == "<|endoftext|><fim_prefix>"


def test_training_gives_the_same_files_again(tmp_path: Path) -> None:
    for name in ("one", "two"):
        train_tokenizer([open_source(PythonStdlib(max_file_bytes=20_000))], vocab_size=2048, output=tmp_path / name)
    for file in ("tokenizer.json", "tokenizer.tiktoken", "tiktoken.json", "tokenizer_config.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    one, other = (open_encoding(str(tmp_path / "one" / file)) for file in ("tokenizer.json", "tokenizer.tiktoken"))
    assert one.n_ids == other.n_ids == 2048
    assert one.fingerprint == other.fingerprint
    assert one.note is None
    # As anyone else reads it.
    ranks = tiktoken.load.load_tiktoken_bpe(str(tmp_path / "one" / "tokenizer.tiktoken"))
    assert len(ranks) == 2048 - 19


@pytest.mark.parametrize("size", [10, 275])
def test_vocabulary_too_small(tmp_path: Path, size: int) -> None:
    with pytest.raises(ConfigError, match=rf"--vocab-size {size} must be above 275 \(256 bytes and 19 sentinels\)"):
        train_tokenizer([], vocab_size=size, output=tmp_path)


def test_corpus_too_small(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the corpus yields 275 tokens, fewer than --vocab-size 300"):
        train_tokenizer([], vocab_size=300, output=tmp_path)
    assert not (tmp_path / "tokenizer.json").exists()


def test_unknown_tokenizer() -> None:
    with pytest.raises(ConfigError) as caught:
        open_encoding("code-32")
    assert str(caught.value) == (
        'hf_assets_path = "code-32" is no folder with a tokenizer.json, no .json or .tiktoken file, no shipped '
        "tokenizer (code-32k) and none of tiktoken's (gpt2, r50k_base, p50k_base, p50k_edit, cl100k_base, o200k_base, "
        'o200k_harmony); did you mean "code-32k"?'
    )
