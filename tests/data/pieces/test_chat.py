"""Conversations in ids, beside transformers' rendering of the templates that models of these formats come with."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from codetitan.data.document import Document
from codetitan.data.pieces.chat import CHATS, Chat
from codetitan.data.pieces.fim import FimConfig
from codetitan.data.pieces.maker import PieceMaker
from codetitan.data.pieces.metadata import MetadataConfig
from codetitan.data.turns import Conversations, Speaker, Turn, Turns
from codetitan.errors import ConfigError
from codetitan.tokenizer.code_tokenizer import CodeTokenizer
from tests.tokenizer.small import BYTE_LEVEL, TEXTS, trained, written

# Those of Qwen2.5 (without its default system turn), deepseek-coder-instruct (a line's end behind a system turn of
# one's own), Alpaca's prompt, StarCoder2-instruct and Llama 2's chat.
_SYSTEMS = {name: str(chat.default_system) for name, chat in CHATS.items()}
_PLAIN = (
    "{%% if messages[0]['role'] != 'system' %%}%s{{ '\\n\\n' }}{%% endif %%}{%% for m in messages %%}"
    "{%% if m['role'] == 'system' %%}{{ m['content'] + '\\n\\n' }}"
    "{%% elif m['role'] == 'user' %%}{{ '### Instruction%s\\n' + m['content'] + '\\n\\n' }}"
    "{%% else %%}{{ '### Response%s\\n' + m['content'] + '<|endoftext|>' }}{%% if not loop.last %%}{{ '\\n\\n' }}"
    "{%% endif %%}{%% endif %%}{%% endfor %%}"
)
TEMPLATES = {
    "chatml": (
        "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>' }}"
        "{% if not loop.last %}{{ '\\n' }}{% endif %}{% endfor %}"
    ),
    "deepseek-coder": (
        "{{ '<｜begin▁of▁sentence｜>' }}{% if messages[0]['role'] != 'system' %}"
        + _SYSTEMS["deepseek-coder"] + "{{ '\\n' }}{% endif %}"
        "{% for m in messages %}{% if m['role'] == 'system' %}{{ m['content'] + '\\n' }}"
        "{% elif m['role'] == 'user' %}{{ '### Instruction:\\n' + m['content'] + '\\n' }}"
        "{% else %}{{ '### Response:\\n' + m['content'] + '\\n<|EOT|>' }}{% if not loop.last %}{{ '\\n' }}{% endif %}"
        "{% endif %}{% endfor %}"
    ),
    "alpaca": _PLAIN % (_SYSTEMS["alpaca"], ":", ":"),
    "starcoder2-instruct": "{{ '<|endoftext|>' }}" + _PLAIN % (_SYSTEMS["starcoder2-instruct"], "", ""),
    "codellama": (
        "{% for m in messages %}{% if m['role'] == 'system' %}"
        "{{ '<s>[INST] <<SYS>>\\n' + m['content'] + '\\n<</SYS>>\\n\\n' }}"
        "{% elif m['role'] == 'user' %}{% if loop.index0 != 1 or messages[0]['role'] != 'system' %}{{ '<s>[INST] ' }}"
        "{% endif %}{{ m['content'] + ' [/INST]' }}{% else %}{{ ' ' + m['content'] + ' </s>' }}{% endif %}{% endfor %}"
    ),
}  # fmt: skip
TOKENS = ["<|im_start|>", "<|im_end|>", "<|EOT|>", "<s>", "</s>", "<｜begin▁of▁sentence｜>"]


def with_tokens(kind: str, folder: Path, tokens: list[str] = TOKENS) -> Path:
    """A small tokenizer that has them."""
    spec = json.loads(trained(kind))
    first = 1 + max(*spec["model"]["vocab"].values(), *(entry["id"] for entry in spec["added_tokens"]))
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    added = [{"id": first + i, "content": token, **plain} for i, token in enumerate(tokens)]
    return written(kind, folder, added_tokens=spec["added_tokens"] + added)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[CodeTokenizer, Any]]:
    """kind → a tokenizer of ours, and transformers'."""
    found = {}
    for kind in BYTE_LEVEL:
        folder = with_tokens(kind, tmp_path_factory.mktemp(kind))
        ours = CodeTokenizer(CodeTokenizer.Config(), tokenizer_path=str(folder))
        found[kind] = ours, PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"))
    return found


def conversation(*texts: str, system: str | None = None) -> Turns:
    speakers: tuple[Speaker, Speaker] = ("user", "assistant")
    first = () if system is None else (Turn("system", system),)
    return (*first, *(Turn(speakers[i % 2], text) for i, text in enumerate(texts)))


def rendered(tokenizer: Any, name: str, turns: Turns) -> list[int]:
    messages = [{"role": turn.speaker, "content": turn.text} for turn in turns]
    found = tokenizer.apply_chat_template(messages, chat_template=TEMPLATES[name], tokenize=True, return_dict=False)
    return list(found)


SAMPLES = [
    conversation("Add two numbers.", "def add(a, b):\n    return a + b"),
    conversation("f(x);", "f(x);", "g();\n\n// and?", "`h`", system="Answer in C.\nBriefly;"),
    conversation("1", "2", "3", "4", "5", "6"),
    conversation("### Response:\nno", "### Instruction:\nno", system="[INST]"),
    conversation("中文 é 🙂", "'s  'Ll  \n\n\t x"),
]


@pytest.mark.parametrize("kind", BYTE_LEVEL)
@pytest.mark.parametrize("name", CHATS)
def test_ids_are_those_of_the_template(both: dict[str, tuple[CodeTokenizer, Any]], kind: str, name: str) -> None:
    ours, theirs = both[kind]
    chat = Chat(name, ours.encoding, ours.sentinels)
    for turns in SAMPLES:
        assert chat.encode(turns, "responses").ids.tolist() == rendered(theirs, name, turns)


# transformers takes a token's name in a text for the token; and a few normalizers touch what is no text of ours.
PLAIN_TEXTS = TEXTS.map(str.strip).filter(lambda text: text and "<" not in text and "\x00" not in text)


@pytest.mark.parametrize("name", CHATS)
@given(asked=PLAIN_TEXTS, answered=PLAIN_TEXTS, system=st.none() | PLAIN_TEXTS)
def test_ids_of_any_text(
    both: dict[str, tuple[CodeTokenizer, Any]], name: str, asked: str, answered: str, system: str | None
) -> None:
    turns = conversation(asked, answered, asked, answered, system=system)
    for ours, theirs in (both["qwen"], both["starcoder"]):
        chat = Chat(name, ours.encoding, ours.sentinels)
        assert chat.encode(turns, "responses").ids.tolist() == rendered(theirs, name, turns)


def shown(tokenizer: CodeTokenizer, name: str, turns: Turns, learn: Any, first: int = 0) -> str:
    """What is learnt, as text, with a bar where something is left out."""
    encoded = Chat(name, tokenizer.encoding, tokenizer.sentinels).encode(turns, learn, first=first)
    edges = np.flatnonzero(np.diff(encoded.learnt, prepend=False, append=False))
    return "|".join(tokenizer.decode(encoded.ids[a:b].tolist()) for a, b in edges.reshape(-1, 2))


def test_what_is_learnt(both: dict[str, tuple[CodeTokenizer, Any]]) -> None:
    ours, _ = both["qwen"]
    turns = conversation("a?", "b!", "c?", "d!", system="e")
    assert shown(ours, "chatml", turns, "responses") == "b!<|im_end|>|d!<|im_end|>"
    assert shown(ours, "chatml", turns, "last-response") == "d!<|im_end|>"
    assert shown(ours, "chatml", turns, "responses", first=4) == "d!<|im_end|>"
    assert shown(ours, "chatml", turns, "all") == (
        "<|im_start|>system\ne<|im_end|>\n<|im_start|>user\na?<|im_end|>\n<|im_start|>assistant\nb!<|im_end|>\n"
        "<|im_start|>user\nc?<|im_end|>\n<|im_start|>assistant\nd!<|im_end|>"
    )
    assert shown(ours, "deepseek-coder", turns, "responses") == "b!\n<|EOT|>|d!\n<|EOT|>"
    assert shown(ours, "codellama", turns, "responses") == " b! </s>| d! </s>"
    for name in ("alpaca", "starcoder2-instruct"):
        assert shown(ours, name, turns[1:], "responses", first=2) == "d!<|endoftext|>"


@pytest.mark.parametrize("name", CHATS)
def test_nothing_is_injected(both: dict[str, tuple[CodeTokenizer, Any]], name: str) -> None:
    ours, _ = both["qwen"]
    chat = Chat(name, ours.encoding, ours.sentinels)
    special = set(ours.encoding.special_tokens.values())

    def specials(text: str) -> int:
        ids = chat.encode(conversation(text, text, system=text), "responses").ids.tolist()
        return sum(number in special for number in ids)

    assert specials(" ".join([*TOKENS, "<|endoftext|>"])) == specials("x")


def maker(tokenizer: CodeTokenizer, learn: Conversations | None, seq_len: int = 64) -> PieceMaker:
    without = MetadataConfig(repo=0, path=0, stars=0, repository_level=0)
    return PieceMaker(
        *(tokenizer.encoding, tokenizer.sentinels, without, FimConfig(rate=0)),
        seq_len=seq_len, seed=0, chat=Chat("chatml", tokenizer.encoding, tokenizer.sentinels), learn=learn,
    )  # fmt: skip


def document(turns: Turns, rejected: Turns = ()) -> Document:
    return Document("store", "line 1", "\n\n".join(turn.text for turn in turns), turns=turns, rejected=rejected)


def test_a_pair_is_one_piece_of_two_texts(both: dict[str, tuple[CodeTokenizer, Any]]) -> None:
    ours, _ = both["qwen"]
    chosen, rejected = conversation("a?", "b!", "c?", "d!"), conversation("a?", "b!", "c?", "e")
    piece = maker(ours, "pairs").conversation(document(chosen, rejected))
    assert piece is not None and piece.learnt is not None
    (start,) = piece.starts
    texts = [ours.decode(piece.ids[:start].tolist()), ours.decode(piece.ids[start:].tolist())]
    assert [text.count("<|im_start|>") for text in texts] == [4, 4]
    learnt = piece.ids[1:][piece.learnt].tolist()
    assert ours.decode(learnt) == "d!<|im_end|>e<|im_end|>"  # what they have in common is not


def test_what_a_run_takes(both: dict[str, tuple[CodeTokenizer, Any]]) -> None:
    ours, _ = both["qwen"]
    plain, pair = document(SAMPLES[0]), document(SAMPLES[0], conversation("Add two numbers.", "no"))
    text = Document("store", "a.py", "x = 1")
    assert "conversation" in str(maker(ours, None).why_not(plain)) and maker(ours, None).why_not(text) is None
    assert maker(ours, "all").why_not(plain) is None and "preference pair" in str(maker(ours, "all").why_not(pair))
    assert maker(ours, "pairs").why_not(pair) is None
    assert {maker(ours, "pairs").why_not(other) for other in (plain, text)} == {"no preference pair"}


def test_what_is_too_long_is_no_piece(both: dict[str, tuple[CodeTokenizer, Any]]) -> None:
    ours, _ = both["qwen"]
    n = len(Chat("chatml", ours.encoding, ours.sentinels).encode(SAMPLES[0], "responses").ids)
    assert maker(ours, "responses", seq_len=n - 1).conversation(document(SAMPLES[0])) is not None
    assert maker(ours, "responses", seq_len=n - 2).conversation(document(SAMPLES[0])) is None


def test_errors(tmp_path: Path) -> None:
    without = with_tokens("qwen", tmp_path, tokens=[])

    def message(chat: str) -> str:
        with pytest.raises(ConfigError) as error:
            CodeTokenizer(CodeTokenizer.Config(chat=chat), tokenizer_path=str(without))
        return str(error.value)

    assert message("chatml") == (
        f'tokenizer.chat = "chatml": the tokenizer {without.name} has no <|im_start|>; use "alpaca" or '
        '"starcoder2-instruct", whose tokens it has'
    )
    assert 'did you mean "alpaca"' in message("alpacca")
