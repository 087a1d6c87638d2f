"""A tokenizer that tiktoken can't run (the Llama 2 kind) gives the same guarantees, only slower."""

from collections import defaultdict
from pathlib import Path

import pytest

from codetitan.data.document import Document
from codetitan.data.pieces.fim import FimConfig, SpanConfig
from codetitan.data.pieces.piece import Role
from codetitan.tokenizer.code_tokenizer import CodeTokenizer
from tests.data.helpers import Memory, component, make_rows, put_together, text_of
from tests.tokenizer.small import written


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> CodeTokenizer:
    folder = written("llama2", tmp_path_factory.mktemp("llama2"))
    tokenizer = CodeTokenizer(CodeTokenizer.Config(), tokenizer_path=str(folder))
    assert tokenizer.encoding.token_bytes is None
    return tokenizer


@pytest.mark.parametrize("spm", [0.0, 1.0])
def test_holes(slow: CodeTokenizer, spm: float) -> None:
    own = Path(__file__).read_text()
    documents = [
        Document("memory", "a.py", own, language="python"),
        Document("memory", "b.py", "größe = 'é→中😀'  # naïve\n" * 40, language="python"),
    ]
    fim = FimConfig(rate=1.0, spm=spm, spans=SpanConfig(random=1, line=1))
    (row,) = make_rows(slow, [component(Memory(documents), epochs=1)], n=1, fim=fim)
    pieces = defaultdict(list)
    while sample := row.next():
        for part in sample:
            pieces[part.piece.name].append(text_of(part.piece.ids.tolist(), slow))
            assert Role.SENTINEL in {role for role, _ in part.piece.roles}
    for document in documents:
        assert put_together(document.text.encode(), pieces[document.path])


def test_the_middle_begins_where_the_prefix_ends(slow: CodeTokenizer) -> None:
    """In SPM, where both are encoded together, in every piece of a long document."""
    text = "".join(f"value_{i} = {i}\n" for i in range(300))
    fim = FimConfig(rate=1.0, spm=1.0, spans=SpanConfig(random=0, line=1))
    (row,) = make_rows(slow, [component(Memory([Document("memory", "a", text)]), epochs=1)], n=1, fim=fim)
    checked = 0
    while sample := row.next():
        for part in sample:
            roles = part.piece.role_of_each()
            prefix = slow.encoding.decode_bytes(part.piece.ids[roles == Role.PREFIX].tolist())
            assert prefix == b"" or prefix.endswith(b"\n")  # a line span begins a line
            checked += prefix != b""
    assert checked > 5
