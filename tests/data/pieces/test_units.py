r"""Holes and pieces cut between lines and characters: \r\n, \r, accents, emoji, flags, Hangul, conjuncts, escapes."""

import pytest

from codetitan.data.document import Document
from codetitan.data.order import key, uniform
from codetitan.data.pieces.dialects import DIALECTS, resolve
from codetitan.data.pieces.encoded import EncodedText
from codetitan.data.pieces.fim import FimConfig, SpanConfig, choose_hole, line_span, random_span, syntax_span
from codetitan.data.pieces.maker import PieceMaker
from codetitan.data.pieces.metadata import MetadataConfig
from codetitan.data.pieces.units import behind_last_line, character_start, line_start
from codetitan.tokenizer.code_tokenizer import CodeTokenizer

UNITS = {
    "crlf": "\r\n",
    "accent": "e\u0301",
    "two accents": "a\u030a\u0323",
    "later mark": "x\u1ab0",
    "keycap": "1\ufe0f\u20e3",
    "variation selector": "\u2764\ufe0f",
    "ideographic variation": "\u845b\U000e0100",
    "family": "👩\u200d👩\u200d👧\u200d👦",
    "skin": "👍🏽",
    "flag": "🇩🇪",
    "tagged flag": "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    "jamo": "\u1112\u1161\u11ab",
    "syllable and jamo": "\uac00\u11a8",
    "conjunct": "क्षि",
    "thai": "กำ",
    "hebrew": "עִ",
    "half-width": "\uff76\uff9e",
    "escapes": "\\ud83d\\uDE00",
}


@pytest.mark.parametrize("unit", UNITS.values(), ids=UNITS)
def test_nothing_is_cut_inside(unit: str) -> None:
    data = f"x = '{unit}{unit}{unit}'  # y".encode()
    size, begin = len(unit.encode()), data.index(unit.encode())
    allowed = {0, len(data)} | {i for i in range(len(data)) if not begin < i < begin + 3 * size}
    allowed |= {begin + i * size for i in range(4)}
    assert {character_start(data, i) for i in range(len(data) + 1)} == allowed
    for i in range(200):
        assert set(random_span(data, uniform(i, 0), uniform(i, 1))) <= allowed


def test_what_is_no_unit_is_cut_anywhere() -> None:
    text = "a\n\u0301b\x0c\u2028c\r\r\n\n🇩🇪🇫🇷é→中 가나 \\ud83d x \\u00e9\\ude00 ก ข"
    data = text.encode()
    starts = {len(text[:i].encode()) for i in range(len(text) + 1)}
    inside = {len(text[: text.index(word) + 1].encode()) for word in ("\r\n", "🇩🇪", "🇫🇷")}
    assert {character_start(data, i) for i in range(len(data) + 1)} == starts - inside


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines(end: str) -> None:
    """Holes of lines begin behind a line end, with all of the indentation, and leave the last one to the suffix."""
    lines = [f"{'    ' * (i % 3)}x{i} = '\u2028\x0c\x85'" if i % 4 else "" for i in range(40)]
    data, mark = end.join([*lines, ""]).encode(), end.encode()
    n_lines = set()
    for i in range(400):
        a, b = line_span(data, uniform(i, 0), uniform(i, 1))
        assert a == 0 or data[:a].endswith(mark)
        assert b == len(data) or data[b:].startswith(mark)
        found = data[a:b].decode().split(end)
        n_lines.add(len(found))
        assert set(found) <= set(lines)
    assert {1, 2, 10} <= n_lines and max(n_lines) <= 33
    for i in range(len(data) + 1):
        assert line_start(data, i) == (data.rfind(mark, 0, i) + len(mark) if mark in data[:i] else 0)
        assert behind_last_line(data, 5, max(i, 5)) == max(5, data.rfind(mark, 5, max(i, 5)) + len(mark))


def test_the_same_holes_where_no_line_has_a_return() -> None:
    """The lines are those of before, and with \r\n those of the same file with \n."""
    text = "".join(f"{'    ' * (i % 3)}x{i} = {i}\n" for i in range(40)).encode()
    other = text.replace(b"\n", b"\r\n")
    for i in range(300):
        a, b = line_span(text, uniform(i, 0), uniform(i, 1))
        start = text.rfind(b"\n", 0, int(uniform(i, 0) * len(text))) + 1
        stop = start - 1
        for _ in range(int(33 ** uniform(i, 1))):
            end = text.find(b"\n", stop + 1)
            stop = end if end >= 0 else len(text)
            if end < 0:
                break
        assert (a, b) == (start, stop)
        place = (other.index(b"x%d =" % (text[:a].count(b"\n"))) + 1) / len(other) if b"x" in text[a:b] else 0.0
        c, d = line_span(other, place, uniform(i, 1))
        assert other[c:d].replace(b"\r\n", b"\n") == text[a:b] or b"x" not in text[a:b]


def test_nodes_of_the_tree_end_before_a_line_end() -> None:
    """In tree-sitter's grammars the \r of \r\n belongs to a comment."""
    code = b"// one\r\nint f(int x) {\r\n  return x; // two\r\n}\r\n#define A 1\r\n"
    spans = {syntax_span(code, "c", uniform(i, 0), uniform(i, 1)) for i in range(300)}
    assert {code[a:b] for a, b in spans} >= {b"// one", b"// two"}
    assert not any(code[i - 1 : i + 1] == b"\r\n" for span in spans for i in span)


@pytest.mark.parametrize(("seq_len", "unit"), [(64, "\r\n"), (64, "👩\u200d👧"), (16, "e\u0301")])
def test_pieces_of_a_document(tokenizer: CodeTokenizer, seq_len: int, unit: str) -> None:
    """Parts of a long document, and the holes in them, are cut nowhere inside a unit: all of them are still whole."""
    text = "".join(f"  v{i} = 'some words of a line'{unit}" for i in range(100))
    sentinels = resolve(DIALECTS["starcoder"], tokenizer.encoding)
    for spans in (SpanConfig(random=1), SpanConfig(random=0, line=1)):
        fim = FimConfig(rate=0.9, spans=spans)
        maker = PieceMaker(tokenizer.encoding, sentinels, MetadataConfig(), fim, seq_len=seq_len, seed=1)
        parts = [bytearray()]
        for piece in maker.pieces(Document("memory", "a", text), epoch=0, source=0, index=0):
            parts.append(bytearray())
            for number in piece.ids.tolist():
                if number in sentinels.ids.values():
                    parts.append(bytearray())
                else:
                    parts[-1] += tokenizer.encoding.decode_bytes([number])
        assert len(parts) > 80 and sum(map(len, parts)) == len(text.encode())
        assert sum(part.count(unit.encode()) for part in parts) == 100


def test_a_line_of_returns_is_cut_at_them(tokenizer: CodeTokenizer) -> None:
    text = EncodedText(tokenizer.encoding, "".join(f"value_{i} = {i}\r" for i in range(500)))
    spans = text.cut(100)
    assert all(text.data[b - 1 : b] == b"\r" for _, b in spans)


def test_a_character_without_end_is_cut_between_code_points(tokenizer: CodeTokenizer) -> None:
    data = "e" + "\u0301" * 2000
    text = EncodedText(tokenizer.encoding, data)
    spans = text.cut(100)
    assert "".join(text.data[a:b].decode() for a, b in spans) == data and len(spans) > 10


def test_draws_of_plain_text_are_as_before() -> None:
    """A hole with no such unit near it stands where the draws put it."""
    data = ("def f(x):\n    return 'é→中'\n" * 20).encode()
    for i in range(200):
        draw = key("plain", i)
        hole = choose_hole(data, "python", FimConfig(rate=1.0), lambda n, draw=draw: uniform(draw, n))
        assert hole is not None
        first, second = sorted(int(uniform(draw, n) * (len(data) + 1)) for n in (3, 4))
        for place, drawn in ((hole.start, first), (hole.stop, second)):
            assert 0 <= drawn - place < 3 and (drawn == place or data[drawn] & 0xC0 == 0x80)
