"""The chat template that an export carries, in transformers: the ids, and what is learnt, of the training."""

from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from codetitan.data.pieces.chat import CHATS, Chat
from codetitan.hf import tokenizer
from codetitan.tokenizer.code_tokenizer import CodeTokenizer
from tests.data.pieces.test_chat import SAMPLES, with_tokens


@pytest.fixture(scope="module", params=CHATS)
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Chat, Any]:
    folder, name = tmp_path_factory.mktemp(request.param), request.param
    source = with_tokens("qwen", folder / "source")
    ours = CodeTokenizer(CodeTokenizer.Config(chat=name), tokenizer_path=str(source))
    (folder / "exported").mkdir()
    tokenizer.write(str(source), ours.sentinels.dialect, folder / "exported", seq_len=512, chat=name)
    assert ours.chat is not None
    return ours.chat, AutoTokenizer.from_pretrained(folder / "exported")


def test_a_conversation_has_our_ids(exported: tuple[Chat, Any]) -> None:
    chat, theirs = exported
    for turns in SAMPLES:
        messages = [{"role": turn.speaker, "content": f" \n{turn.text}\n "} for turn in turns]
        found = theirs.apply_chat_template(messages, return_assistant_tokens_mask=True, return_dict=True)
        ours = chat.encode(turns, "responses")
        assert found["input_ids"] == ours.ids.tolist()
        assert found["assistant_masks"] == ours.learnt.astype(int).tolist()
        assert theirs.eos_token_id == found["input_ids"][-1] == chat.number(chat.format.end)


def test_a_prompt_ends_where_a_response_begins(exported: tuple[Chat, Any]) -> None:
    chat, theirs = exported
    for turns in SAMPLES:
        messages = [{"role": turn.speaker, "content": turn.text} for turn in turns]
        prompt = theirs.apply_chat_template(messages[:-1], add_generation_prompt=True, return_dict=False)
        ours = chat.encode(turns, "last-response")
        assert prompt == ours.ids[~ours.learnt].tolist() == ours.ids[: len(prompt)].tolist()


def test_a_model_without_conversations_has_no_template(tmp_path: Path) -> None:
    source = with_tokens("qwen", tmp_path / "source")
    ours = CodeTokenizer(CodeTokenizer.Config(), tokenizer_path=str(source))
    (tmp_path / "exported").mkdir()
    tokenizer.write(str(source), ours.sentinels.dialect, tmp_path / "exported", seq_len=512)
    assert AutoTokenizer.from_pretrained(tmp_path / "exported").chat_template is None
