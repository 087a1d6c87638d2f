"""Conversion to tiktoken against the original, on small tokenizers of each kind and on random text."""

import dataclasses
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tokenizers
from hypothesis import example, given, settings
from hypothesis import strategies as st

from codetitan.errors import ConfigError
from codetitan.hf.tokenizer import write
from codetitan.tokenizer import rank_file
from codetitan.tokenizer.check import HARD_TEXT, check_text, word_starts
from codetitan.tokenizer.code_tokenizer import CodeTokenizer
from codetitan.tokenizer.convert import convert, to_spec
from codetitan.tokenizer.encoding import ASSETS, Encoding, open_encoding
from codetitan.tokenizer.engine import Tiktoken
from codetitan.tokenizer.pattern import UnknownSyntaxError, for_tokenizers, joined
from codetitan.tokenizer.vocabulary import read_spec
from tests.tokenizer.small import BYTE_LEVEL, TEXTS, trained, written


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("tokenizers")
    for kind in [*BYTE_LEVEL, "llama2"]:
        written(kind, base / kind)
    return base


@pytest.fixture(scope="module")
def encodings(folder: Path) -> dict[str, Encoding]:
    return {kind: open_encoding(str(folder / kind)) for kind in [*BYTE_LEVEL, "llama2"]}


@cache
def original(kind: str) -> tokenizers.Tokenizer:
    tokenizer = tokenizers.Tokenizer.from_str(trained(kind))
    tokenizer.encode_special_tokens = True
    return tokenizer


def same(kind: str, encoding: Encoding, text: str) -> None:
    normalized = encoding.normalize(text)
    ids = encoding.encode(normalized)
    assert ids.dtype == np.uint32
    assert ids.tolist() == original(kind).encode(text, add_special_tokens=False).ids
    assert encoding.decode_bytes(ids) == normalized.encode()
    assert encoding.token_bytes is not None
    assert encoding.token_bytes[ids].sum() == len(normalized.encode())


@pytest.mark.parametrize("kind", BYTE_LEVEL)
def test_byte_level_runs_on_tiktoken(encodings: dict[str, Encoding], kind: str) -> None:
    encoding = encodings[kind]
    assert encoding.note is None
    assert encoding.name == kind
    assert encoding.n_ids == 900
    assert encoding.special_tokens == {"<unk>": 0, "<|endoftext|>": 1}
    assert encoding.decode_bytes([1, 0]) == b"<|endoftext|><unk>"
    same(kind, encoding, HARD_TEXT)
    same(kind, encoding, "")


@pytest.mark.parametrize("kind", BYTE_LEVEL)
def test_equals_the_original_on_random_text(encodings: dict[str, Encoding], kind: str) -> None:
    @settings(max_examples=400, deadline=None)
    @given(TEXTS)
    @example("abc中文def 123中 \n\n 4 567")
    @example("x \t 12\x00\x00a 1")
    @example("-\u07fd\u07f3")  # NFC of Unicode 11 and later orders them the other way round
    def check(text: str) -> None:
        same(kind, encodings[kind], text)

    check()


@pytest.mark.parametrize("kind", [*BYTE_LEVEL, "llama2"])
def test_splits_at_words(encodings: dict[str, Encoding], kind: str) -> None:
    encoding = encodings[kind]
    assert encoding.splits

    @settings(max_examples=100, deadline=None)
    @given(st.lists(TEXTS, min_size=2, max_size=4), st.randoms(use_true_random=False))
    def check(parts: list[str], draw: Any) -> None:
        text = encoding.normalize("a b".join(parts)).replace("▁", "")
        at = draw.choice(word_starts(text))
        whole = encoding.encode(text).tolist()
        assert [*encoding.encode(text[:at]).tolist(), *encoding.encode(text[at:]).tolist()] == whole

    check()


def test_a_pre_tokenizer_that_joins_words_does_not_split(tmp_path: Path) -> None:
    spec = json.loads(trained("gpt2"))
    regex = {"type": "Split", "pattern": {"Regex": r"[a-z ]+|\s+|[^\sa-z]+"}, "behavior": "Isolated", "invert": False}
    spec["pre_tokenizer"] = {
        "type": "Sequence",
        "pretokenizers": [regex, {**spec["pre_tokenizer"], "use_regex": False}],
    }
    vocab = spec["model"]["vocab"]
    vocab["ĠofĠthe"] = 900
    spec["model"]["merges"].append(["Ġof", "Ġthe"])
    (tmp_path / "tokenizer.json").write_text(json.dumps(spec))
    encoding = open_encoding(str(tmp_path))
    assert encoding.note is None
    assert encoding.n_ids == 901
    assert not encoding.splits


def test_llama2_runs_on_tokenizers(encodings: dict[str, Encoding]) -> None:
    encoding = encodings["llama2"]
    assert encoding.note == (
        "the tokenizer llama2 runs on tokenizers, which is several times slower than tiktoken: it is a BPE of "
        "characters, not of bytes; it is used without the space that it would put before each text; files with the "
        "character ▁ (U+2581), which it takes for a space, are left out"
    )
    assert encoding.token_bytes is None
    assert not encoding.can_encode("a ▁ b")
    assert encoding.can_encode(" " * 1_000_000)

    @settings(max_examples=200, deadline=None)
    @given(TEXTS)
    @example(" a  b")
    @example("<0x0A>\n")
    def check(text: str) -> None:
        if encoding.can_encode(text):
            ids = encoding.encode(encoding.normalize(text))
            assert encoding.decode_bytes(ids) == text.encode()
            # The original's, behind the space that it puts first.
            assert (
                original("llama2").encode(text, add_special_tokens=False).ids
                == encoding.encode(" " * bool(text) + text).tolist()
            )

    check()


def test_special_tokens_flagged_or_not_are_plain_text(tmp_path: Path) -> None:
    added = json.loads(trained("qwen"))["added_tokens"]
    fim = {**added[0], "id": 900, "content": "<|fim_pad|>", "special": False}
    encoding = open_encoding(str(written("qwen", tmp_path, added_tokens=[*added, fim])))
    assert encoding.special_tokens["<|fim_pad|>"] == 900
    assert encoding.n_ids == 901
    ids = encoding.encode("<|fim_pad|><|endoftext|><unk>")
    assert not np.isin(ids, list(encoding.special_tokens.values())).any()
    assert encoding.decode_bytes([*ids.tolist(), 900]) == b"<|fim_pad|><|endoftext|><unk><|fim_pad|>"


@pytest.mark.parametrize("slow", [False, True])
def test_an_added_token_that_merges_make_is_never_made(tmp_path: Path, slow: bool) -> None:
    spec = json.loads(trained("gpt2"))
    token = next(word for word in spec["model"]["vocab"] if len(word) > 3 and word.isascii() and word.isalpha())
    spec["added_tokens"].append(
        {**spec["added_tokens"][0], "id": spec["model"]["vocab"][token], "content": token, "special": False}
    )
    if slow:
        spec["model"]["ignore_merges"] = True
        swap(spec)
    (tmp_path / "tokenizer.json").write_text(json.dumps(spec))
    encoding = open_encoding(str(tmp_path))
    assert encoding.note is not None or not slow
    ids = encoding.encode(f"{token} {token}ed <unk>")
    assert not np.isin(ids, list(encoding.special_tokens.values())).any()
    assert encoding.decode_bytes(ids) == f"{token} {token}ed <unk>".encode()


def swap(spec: dict[str, Any]) -> None:
    merges = spec["model"]["merges"]
    merges[0], merges[99] = merges[99], merges[0]


def changed(tmp_path: Path, change: str) -> Path:
    spec = json.loads(trained("qwen"))
    split = spec["pre_tokenizer"]["pretokenizers"][0]
    if change == "merges":
        swap(spec)
    elif change == "unmade":
        spec["model"]["vocab"]["zzzzz"] = 900
    elif change == "behavior":
        split["behavior"] = "MergedWithNext"
    elif change == "lookbehind":
        split["pattern"] = {"Regex": r"(?<!\s)\s+|\S+|\s+"}
        spec["pre_tokenizer"]["pretokenizers"].insert(0, {"type": "Digits", "individual_digits": True})
    elif change == "line ends":
        split["pattern"] = {"Regex": r"[^\n]+$|\s+|\S+"}
    (tmp_path / "tokenizer.json").write_text(json.dumps(spec))
    return tmp_path


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("merges", "its ids do not follow the order of its merges"),
        ("unmade", "1 of its tokens come from no merge"),
        ("behavior", "its pre-tokenizer Split is not a regex that isolates its matches"),
        ("lookbehind", "'(?<' in a regex behind another split"),
        ("line ends", 'tiktoken and tokenizers give different ids for \'"""Compares'),
    ],
)
def test_what_tiktoken_can_not_run_stays_on_tokenizers(tmp_path: Path, change: str, reason: str) -> None:
    encoding = open_encoding(str(changed(tmp_path, change)))
    assert encoding.note is not None
    assert f" runs on tokenizers, which is several times slower than tiktoken: {reason}" in encoding.note
    text = "e\u0301 def f(x):\r\n\treturn '中文' * 12"
    ids = encoding.encode(encoding.normalize(text))
    plain = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert ids.tolist() == plain.encode(text).ids
    assert encoding.decode_bytes(ids) == encoding.normalize(text).encode()
    assert encoding.normalize("e\u0301") == "é"


@pytest.mark.parametrize("ignore_merges", [False, True])
def test_every_pair_named_as_llama3_does(tmp_path: Path, ignore_merges: bool) -> None:
    spec = json.loads(trained("gpt2"))
    vocab, merges = spec["model"]["vocab"], []
    for token, number in vocab.items():
        if number > 257:
            merges += [
                (a, b) for at in range(1, len(token)) if (a := token[:at]) in vocab and (b := token[at:]) in vocab
            ]
    spec["model"] |= {"merges": merges, "ignore_merges": ignore_merges}
    (tmp_path / "tokenizer.json").write_text(json.dumps(spec))
    encoding = open_encoding(str(tmp_path))
    if ignore_merges:
        assert encoding.note is None
    text = Path(__file__).read_text() + HARD_TEXT
    plain = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    plain.encode_special_tokens = True
    assert encoding.encode(text).tolist() == plain.encode(text).ids


def test_a_tokenizer_that_changes_the_text_is_refused(tmp_path: Path) -> None:
    spec = written("gpt2", tmp_path, normalizer={"type": "Lowercase"}) / "tokenizer.json"
    with pytest.raises(
        ConfigError, match=r"text does not come back from its ids, for example '.*', so it can't be used"
    ):
        open_encoding(str(spec))


@pytest.mark.parametrize(
    ("token", "number", "message"),
    [
        ("<new>", 300, '".+" and "<new>" both have id 300; give one of them another'),
        ("<new>", 1, '"<|endoftext|>" and "<new>" both have id 1; give one of them another'),
        ("<unk>", 950, '"<unk>" has id 0 in the vocabulary and 950 as an added token'),
    ],
)
def test_ids_that_collide(tmp_path: Path, token: str, number: int, message: str) -> None:
    added = json.loads(trained("gpt2"))["added_tokens"]
    written("gpt2", tmp_path, added_tokens=[*added, {**added[0], "content": token, "id": number}])
    with pytest.raises(ConfigError, match=message.replace("|", r"\|")):
        open_encoding(str(tmp_path))


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        ("{", r"tokenizer.json: can't be read as JSON \(JSONDecodeError: .*\)"),
        ('{"model": {}}', r"not a tokenizer.json as tokenizers writes it \(no model with a vocab\)"),
        ('{"model": {"type": "BPE", "vocab": {}, "merges": 7}}', r"tokenizers can't load it \(.*\)"),
    ],
)
def test_broken_files(tmp_path: Path, contents: str, message: str) -> None:
    (tmp_path / "tokenizer.json").write_text(contents)
    with pytest.raises(ConfigError, match=message):
        open_encoding(str(tmp_path))


def test_a_file_by_its_own_name(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    file.write_bytes((folder / "gpt2" / "tokenizer.json").read_bytes())
    assert open_encoding(str(file)).fingerprint.startswith("mine (")
    assert open_encoding(str(folder / "gpt2" / "tokenizer.json")).name == "gpt2"


def test_the_fingerprint_follows_what_decides_the_ids(folder: Path, tmp_path: Path) -> None:
    def digest(path: Path) -> str:
        return open_encoding(str(path)).fingerprint.split("(")[1]

    spec = json.loads(trained("gpt2"))
    same_ids = written(
        "gpt2", tmp_path / "a", decoder=None, truncation=None, model=dict(reversed(spec["model"].items()))
    )
    assert digest(same_ids) == digest(folder / "gpt2")
    other = written("gpt2", tmp_path / "b", normalizer={"type": "NFC"})
    assert digest(other) != digest(folder / "gpt2")


@pytest.mark.parametrize("regex", ["^a", "a$", r"a\b", "(?<=a)b", r"(a)\1", "[ab"])
def test_syntax_that_can_not_stand_behind_a_split(regex: str) -> None:
    with pytest.raises(UnknownSyntaxError):
        joined([r"\p{N}", regex], rest=False)


def test_joined_regexes() -> None:
    assert joined(["x$"], rest=False) == "x$"
    assert joined([r"\p{N}{1,3}", r" a|\s+(?!\S)"], rest=False) == (
        r"\p{N}{1,3}|[ &&[^\p{N}]][a&&[^\p{N}]]|[\s&&[^\p{N}]]+(?![\S&&[^\p{N}]])"
    )
    assert joined(["ab", "-+"], rest=True) == r"ab|(?:(?!ab)[\-])+|(?:(?!ab|(?:(?!ab)[\-])+)[\s\S])+"


@pytest.mark.parametrize("name", ["gpt2", "r50k_base", "p50k_base", "cl100k_base", "o200k_base"])
def test_rank_files_as_a_tokenizer_json(name: str) -> None:
    """tiktoken's own regexes, which `tokenizers` reads otherwise: on real ranks, the same ids."""
    shipped = convert(read_spec(ASSETS / "code-32k" / "tokenizer.json"))
    pattern = rank_file._definition(name, shipped.ranks)[0]["pat_str"]
    ranks = dataclasses.replace(shipped, splits=[pattern])
    spec = to_spec(ranks)
    written, engine = tokenizers.Tokenizer.from_str(json.dumps(spec)), Tiktoken(ranks)
    text = check_text(shipped.ranks)
    for token in shipped.special_tokens:
        text = text.replace(token, "")
    assert written.encode(text, add_special_tokens=False).ids == engine.encode(text).tolist()
    again = convert(spec)
    assert (again.ranks, again.special_tokens) == (ranks.ranks, ranks.special_tokens)


@pytest.mark.parametrize(
    ("regex", "theirs"),
    [(r"\p{N}{1,3}+|a", r"\p{N}{1,3}|a"), (r"\s++$|[$]\$", r"\s++\z|[$]\$"), (r"(?:a{2}+)b{1}", r"(?:a{2})b{1}")],
)
def test_for_tokenizers(regex: str, theirs: str) -> None:
    assert for_tokenizers(regex) == theirs


def test_for_tokenizers_refuses_what_could_matter() -> None:
    with pytest.raises(UnknownSyntaxError, match=r"^'\{1,3\}\+b', which tokenizers does not have$"):
        for_tokenizers(r"a{1,3}+b")


@pytest.mark.parametrize("kind", ["qwen", "llama2"])
def test_chance_is_switched_off(tmp_path: Path, kind: str) -> None:
    """On tiktoken and on tokenizers: the ids are those without dropout, and it is said; truncation cuts nothing."""
    spec = json.loads(trained(kind))
    around = {"id": "<|endoftext|>", "ids": [1], "tokens": ["<|endoftext|>"]}
    single = [{"SpecialToken": {"id": "<|endoftext|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
    folder = written(
        kind,
        tmp_path / kind,
        model=spec["model"] | {"dropout": 0.5},
        truncation={"direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0},
        padding={
            "strategy": {"Fixed": 64}, "direction": "Right", "pad_to_multiple_of": None, "pad_id": 0, "pad_type_id": 0,
            "pad_token": "<unk>",
        },
        post_processor={
            "type": "TemplateProcessing", "single": single, "pair": single, "special_tokens": {"<|endoftext|>": around},
        },
    )  # fmt: skip
    plain = open_encoding(str(written(kind, tmp_path / "plain" / kind)))
    tokenizer = CodeTokenizer(CodeTokenizer.Config(), tokenizer_path=str(folder))
    text = HARD_TEXT.replace("▁", "")
    assert tokenizer.encoding.encode(text).tolist() == plain.encode(text).tolist()
    assert tokenizer.fingerprint == plain.fingerprint and plain.without is None
    said = (
        f"the tokenizer {kind} is used without its dropout 0.5 (other tokens at each start), its truncation, its "
        "padding, <|endoftext|> around a text"
    )
    assert tokenizer.encoding.without == said
    # An export has no chance in it either, and its check would have met other ids.
    write(str(folder), tokenizer.sentinels.dialect, tmp_path, seq_len=64)
    exported = json.loads((tmp_path / "tokenizer.json").read_text())
    assert not exported["model"].get("dropout")
    assert (exported["truncation"], exported["padding"], exported["post_processor"]) == (None, None, None)


@pytest.mark.parametrize("side", ["strip_left", "strip_right"])
def test_a_tokenizer_that_strips_a_text_is_refused(tmp_path: Path, side: str) -> None:
    normalizer = {"type": "Strip", "strip_left": False, "strip_right": False} | {side: True}
    with pytest.raises(ConfigError, match="text does not come back from its ids, for example "):
        open_encoding(str(written("gpt2", tmp_path, normalizer=normalizer)))


def test_a_tokenizer_that_does_not_know_all_characters_is_refused(tmp_path: Path) -> None:
    """Its vocabulary may have every character of the check's text."""
    folder = written("llama2", tmp_path, model=json.loads(trained("llama2"))["model"] | {"byte_fallback": False})
    with pytest.raises(ConfigError, match="a character that its vocabulary lacks is lost"):
        open_encoding(str(folder))
