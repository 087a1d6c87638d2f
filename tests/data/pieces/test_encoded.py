import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from codetitan.data.order import key, uniform
from codetitan.data.pieces.encoded import EncodedText
from codetitan.data.pieces.fim import character_start
from codetitan.data.sources.open import PythonStdlib, open_source
from codetitan.tokenizer.code_tokenizer import CodeTokenizer

HARD = st.text(alphabet="ab 1\n\r\t.,()'é→中😀\u0301\u200f_=", max_size=400)


def plain(text: EncodedText, tokenizer: CodeTokenizer, start: int, stop: int) -> "np.typing.NDArray[np.uint32]":
    return tokenizer.encoding.encode(text.data[start:stop].decode())


def test_parts_are_what_encoding_them_gives(tokenizer: CodeTokenizer) -> None:
    source = open_source(PythonStdlib())
    for i in range(0, len(source), 3):
        text = EncodedText(tokenizer.encoding, source.read(i).text)
        a, b = sorted(int(uniform(key("part", i), j) * len(text.data)) for j in range(2))
        a, b = character_start(text.data, a), character_start(text.data, b)
        assert np.array_equal(text.part(a, b), plain(text, tokenizer, a, b))
        assert np.array_equal(text.part(0, len(text.data)), plain(text, tokenizer, 0, len(text.data)))


@given(HARD, st.floats(0, 1), st.floats(0, 1))
@settings(max_examples=300, deadline=None)
def test_parts_of_hard_text(words: str, x: float, y: float) -> None:
    tokenizer = CodeTokenizer(CodeTokenizer.Config(), tokenizer_path="code-32k") if not _KEPT else _KEPT[0]
    _KEPT[:] = [tokenizer]
    text = EncodedText(tokenizer.encoding, words)
    a, b = sorted(character_start(text.data, int(u * len(text.data))) for u in (x, y))
    assert np.array_equal(text.part(a, b), plain(text, tokenizer, a, b))


_KEPT: list[CodeTokenizer] = []


def test_cuts_at_line_ends(tokenizer: CodeTokenizer) -> None:
    source = open_source(PythonStdlib())
    n_pieces = 0
    for i in range(0, len(source), 5):
        text = EncodedText(tokenizer.encoding, source.read(i).text)
        spans = text.cut(500)
        assert [a for a, _ in spans[1:]] == [b for _, b in spans[:-1]]
        assert spans[0][0] == 0 and spans[-1][1] == len(text.data)
        for a, b in spans[:-1]:
            assert text.data[b - 1 : b] == b"\n" or b"\n" not in text.data[a:b]
            assert 400 < len(text.part(a, b)) <= 502 or b"\n" not in text.data[b : b + 300]
        n_pieces += len(spans)
    assert n_pieces > 500


def test_a_line_without_end_is_cut_between_characters(tokenizer: CodeTokenizer) -> None:
    data = "é中😀" * 5000
    text = EncodedText(tokenizer.encoding, data)
    spans = text.cut(100)
    assert "".join(text.data[a:b].decode() for a, b in spans) == data
    assert max(len(text.part(a, b)) for a, b in spans) <= 104
