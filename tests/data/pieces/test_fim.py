import ast
from pathlib import Path

import pytest

from codetitan.data.order import key, uniform
from codetitan.data.pieces import fim
from codetitan.data.pieces.fim import FimConfig, SpanConfig, choose_hole, line_span, random_span, syntax_span

CODE = Path(fim.__file__).read_bytes()


def draws(*numbers: float):
    return lambda i: numbers[i]


def counted(i: int):
    return lambda number: uniform(key("test", i), number)


def test_random_spans_are_anywhere() -> None:
    spans = [random_span(CODE, counted(i)(0), counted(i)(1)) for i in range(3000)]
    assert all(0 <= a <= b <= len(CODE) for a, b in spans)
    mean = sum(b - a for a, b in spans) / len(spans) / len(CODE)
    assert 0.31 < mean < 0.36  # a third, for two uniform cuts
    assert min(a for a, _ in spans) < 0.01 * len(CODE) and max(b for _, b in spans) > 0.99 * len(CODE)


def test_cuts_do_not_split_characters() -> None:
    data = "é→😀".encode() * 50
    for i in range(500):
        a, b = random_span(data, counted(i)(0), counted(i)(1))
        assert (data[:a].decode() + data[a:b].decode() + data[b:].decode()).encode() == data


def test_line_spans_are_whole_lines() -> None:
    lines = set(CODE.split(b"\n"))
    counts = []
    for i in range(500):
        a, b = line_span(CODE, counted(i)(0), counted(i)(1))
        assert a == 0 or CODE[a - 1 : a] == b"\n"
        assert b == len(CODE) or CODE[b : b + 1] == b"\n"
        middle = CODE[a:b].split(b"\n")
        assert set(middle) <= lines
        counts.append(len(middle))
    assert min(counts) == 1 and 20 < max(counts) <= 32
    assert line_span(b"one line", 0.5, 0.9) == (0, 8)


def test_syntax_spans_are_nodes_of_the_tree() -> None:
    """Every span is one that Python's own parser knows, or a token or clause inside one: it parses where it stands."""
    statements, found = 0, 0
    starts = {(node.lineno, node.col_offset) for node in ast.walk(ast.parse(CODE)) if hasattr(node, "lineno")}
    for i in range(300):
        span = syntax_span(CODE, "python", counted(i)(0), counted(i)(1))
        assert span is not None
        found += 1
        line = CODE.count(b"\n", 0, span[0]) + 1
        column = span[0] - (CODE.rfind(b"\n", 0, span[0]) + 1)
        statements += (line, column) in starts
    assert found == 300 and statements > 150


@pytest.mark.parametrize(
    ("language", "code"),
    [
        ("javascript", "function f(a, b) { return a + b; }\nconst g = (x) => f(x, 1);\n"),
        ("typescript", "interface A { x: number }\nfunction f(a: A): number { return a.x; }\n"),
        ("java", "class A { int f(int x) { return x + 1; } }\n"),
        ("go", "package a\n\nfunc f(x int) int {\n\treturn x + 1\n}\n"),
        ("rust", "fn f(x: i32) -> i32 { x + 1 }\n"),
        ("c", "int f(int x) { return x + 1; }\n"),
        ("c++", "template <class T> T f(T x) { return x + 1; }\n"),
        ("c#", "class A { int F(int x) { return x + 1; } }\n"),
    ],
)
def test_syntax_in_several_languages(language: str, code: str) -> None:
    data = code.encode()
    spans = {syntax_span(data, language, counted(i)(0), counted(i)(1)) for i in range(200)}
    assert None not in spans and any(
        data[a:b] == b"x + 1" or data[a:b] == b"a + b" or data[a:b] == b"a.x" for a, b in spans
    )


def test_what_does_not_parse_is_cut_anywhere() -> None:
    config = FimConfig(rate=1.0, spans=SpanConfig(random=0, syntax=1))
    garbage = b"%% ]] )) {{ ::"
    assert choose_hole(garbage, "python", config, counted(0)).kind == "random"
    assert choose_hole(b"SELECT 1", "sql", config, counted(0)).kind == "random"  # no grammar
    assert choose_hole(CODE, "python", config, counted(0)).kind == "syntax"


def test_rates_and_shares() -> None:
    config = FimConfig(rate=0.5, spm=0.25, spans=SpanConfig(random=1, line=2, syntax=1))
    holes = [choose_hole(CODE, "python", config, counted(i)) for i in range(2000)]
    some = [hole for hole in holes if hole is not None]
    assert 0.46 < len(some) / len(holes) < 0.54
    assert 0.2 < sum(hole.order == "spm" for hole in some) / len(some) < 0.3
    for kind, share in (("random", 0.25), ("line", 0.5), ("syntax", 0.25)):
        assert abs(sum(hole.kind == kind for hole in some) / len(some) - share) < 0.05


def test_off_and_empty() -> None:
    assert choose_hole(CODE, "python", FimConfig(), draws(0.0)) is None
    assert choose_hole(b"", "python", FimConfig(rate=1.0), draws(0.0)) is None
