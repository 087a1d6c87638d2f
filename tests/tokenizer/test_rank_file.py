import base64
import os
from pathlib import Path

import pytest
import tiktoken

from codetitan.errors import ConfigError
from codetitan.tokenizer import rank_file
from codetitan.tokenizer.check import HARD_TEXT
from codetitan.tokenizer.encoding import ASSETS, open_encoding

KNOWN = "cl100k_base, gpt2, o200k_base, o200k_harmony, p50k_base, p50k_edit, r50k_base"


def bytes_only() -> list[bytes]:
    return [base64.b64encode(bytes([i])) + b" %d" % i for i in range(256)]


def test_both_forms_of_the_shipped_tokenizer_are_one() -> None:
    one, other = open_encoding("code-32k"), open_encoding(str(ASSETS / "code-32k" / "tokenizer.tiktoken"))
    assert one.fingerprint == other.fingerprint
    assert one.special_tokens == other.special_tokens
    assert (one.encode(HARD_TEXT) == other.encode(HARD_TEXT)).all()


def test_a_file_named_after_an_encoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "gpt2.tiktoken"  # the one whose file has no published digest
    path.write_bytes(b"\n".join(bytes_only()))
    encoding = open_encoding(str(path))
    assert encoding.name == "gpt2"
    assert encoding.special_tokens == {"<|endoftext|>": 50256}
    assert encoding.n_ids == 50257
    assert encoding.token_bytes is not None
    assert encoding.token_bytes.sum() == 256
    assert encoding.encode("é <|endoftext|>").tolist() == list("é <|endoftext|>".encode())
    assert encoding.decode_bytes([65, 50256]) == b"A<|endoftext|>"


def test_pattern_and_special_tokens_are_tiktokens_own() -> None:
    ranks = {bytes([i]): i for i in range(256)}
    definition, digests = rank_file._definition("o200k_harmony", ranks)
    assert definition["special_tokens"]["<|call|>"] == 200012
    assert definition["mergeable_ranks"] is ranks
    assert "\\p{Lu}" in definition["pat_str"]
    assert len(digests) == 1


@pytest.mark.parametrize(
    ("name", "lines", "message"),
    [
        ("cl100k.tiktoken", [], f'cl100k must be one of {KNOWN}; did you mean "cl100k_base"?'),
        ("gpt2.tiktoken", [b"IQ== 0", b"IQ=="], "line 2 is not a base64 token and its rank: b'IQ=='"),
        ("gpt2.tiktoken", [b"!Q== 0"], "line 1 is not a base64 token and its rank: b'!Q== 0'"),
        ("gpt2.tiktoken", [b"IQ== x"], "line 1 is not a base64 token and its rank: b'IQ== x'"),
        ("gpt2.tiktoken", [b"IQ== 0", b"IQ== 1"], "line 2 repeats a token or a rank: b'IQ== 1'"),
        ("gpt2.tiktoken", [b"IQ== 0"], "255 of the 256 bytes have no rank; is it complete?"),
        ("cl100k_base.tiktoken", bytes_only(), "not the published cl100k_base.tiktoken (its SHA-256 is "),
        ("r50k_base.tiktoken", None, "r50k_base.tiktoken: No such file or directory"),
    ],
)
def test_broken_rank_files(tmp_path: Path, name: str, lines: list[bytes] | None, message: str) -> None:
    if lines is not None:
        (tmp_path / name).write_bytes(b"\n".join(lines))
    with pytest.raises(ConfigError) as caught:
        open_encoding(str(tmp_path / name))
    assert message in str(caught.value)


def test_our_own_form_is_checked(tmp_path: Path) -> None:
    for name in ("tokenizer.tiktoken", "tiktoken.json"):
        (tmp_path / name).write_bytes((ASSETS / "code-32k" / name).read_bytes())
    ranks, metadata = tmp_path / "tokenizer.tiktoken", tmp_path / "tiktoken.json"
    cut = b"\n".join(ranks.read_bytes().splitlines()[:-1])
    ranks.write_bytes(cut)
    with pytest.raises(ConfigError, match=r"not the file that tiktoken.json describes \(SHA-256 \w{12}…\)"):
        open_encoding(str(ranks))
    metadata.write_text('{"sha256": 1}')
    with pytest.raises(ConfigError, match=r"tiktoken.json: broken \(KeyError: 'pattern'\)"):
        open_encoding(str(ranks))
    metadata.unlink()
    with pytest.raises(ConfigError, match=f"and tokenizer must be one of {KNOWN}"):
        open_encoding(str(ranks))


def test_a_named_encoding_without_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def offline(_: str) -> bytes:
        raise ConnectionError("no route")

    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr("tiktoken.load.read_file", offline)
    with pytest.raises(ConfigError) as caught:
        open_encoding("cl100k_base")
    assert str(caught.value) == (
        'hf_assets_path = "cl100k_base": tiktoken could not download it (ConnectionError); set TIKTOKEN_CACHE_DIR to a '
        "folder that has it, or give its rank file, PATH/cl100k_base.tiktoken"
    )
    assert not os.listdir(tmp_path)  # noqa: PTH208


def test_every_name_of_tiktoken_has_a_definition() -> None:
    for name in tiktoken.list_encoding_names():
        definition, _ = rank_file._definition(name, {bytes([i]): i for i in range(256)})
        assert definition["name"] == name
