"""Syntax errors by tree-sitter: both sides of the threshold, and the library, which parses."""

import pytest

from codetitan.data.pieces.grammars import GRAMMARS, parse
from codetitan.prepare.rules.syntax import Syntax, n_in_errors
from tests.prepare.rules.made import library, made

GOOD = {
    "python": ("a.py", "def f(x):\n    return x + 1\n"),
    "javascript": ("a.js", "const f = (x) => x + 1;\n"),
    "typescript": ("a.ts", "const f = (x: number): number => x + 1;\n"),
    "java": ("A.java", "class A { int f(int x) { return x + 1; } }\n"),
    "go": ("a.go", "package a\n\nfunc f(x int) int { return x + 1 }\n"),
    "rust": ("a.rs", "fn f(x: i32) -> i32 { x + 1 }\n"),
    "c": ("a.c", "int f(int x) { return x + 1; }\n"),
    "c++": ("a.cpp", "template <class T> T f(T x) { return x + 1; }\n"),
    "c#": ("A.cs", "class A { int F(int x) { return x + 1; } }\n"),
}


@pytest.mark.parametrize("language", GOOD)
def test_what_parses_is_kept_and_what_does_not_is_dropped(language: str) -> None:
    path, text = GOOD[language]
    assert Syntax(max_error_share=0).judge(made(text, language, path)) is None
    drop = Syntax().judge(made("%% ]] )) == this is (no program\n" * 20, language, path))
    assert drop is not None and drop.rule == "syntax" and isinstance(drop.value, float) and drop.value > 0.1


def test_the_share_is_of_bytes() -> None:
    text = GOOD["python"][1] * 40
    broken = made(text + "x = = 1\n")
    n = n_in_errors(parse(broken.data, "python"))
    assert 0 < n <= 8
    share = n / len(broken.data)
    assert Syntax(max_error_share=share).judge(broken) is None
    drop = Syntax(max_error_share=share / 2).judge(broken)
    assert drop is not None and drop.value == share


def test_what_the_parser_added_counts() -> None:
    root = parse(b"int f() { return 1 }\n", "c")  # no semicolon
    assert root.has_error and n_in_errors(root) == 1


def test_tsx_is_parsed_as_such() -> None:
    text = "const f = (x: number) => <div>{x}</div>;\n"
    assert Syntax(max_error_share=0).judge(made(text, "typescript", "a.tsx")) is None
    assert Syntax(max_error_share=0).judge(made(text, "typescript", "a.ts")) is not None


def test_what_has_no_grammar_is_not_judged() -> None:
    for language, path in (("ruby", "a.rb"), ("python", "a.pyx")):
        assert Syntax(max_error_share=0).judge(made("cdef ((", language, path)) is None
    assert Syntax(languages=["c"], max_error_share=0).judge(made("def ((")) is None
    assert Syntax(max_error_share=0).judge(made("")) is None


def test_a_language_without_a_grammar_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r'^languages has "pyton", of which there is no grammar; did you mean "python"\?$'
    ):
        Syntax(languages=["pyton"])
    assert set(Syntax().languages) == set(GRAMMARS) - {"tsx"}


def test_the_library_parses() -> None:
    files = [file for file in library()[::20] if "test" not in file.path and len(file.data) < 60_000]
    assert len(files) > 30
    assert [file.path for file in files if Syntax(max_error_share=0).judge(file) is not None] == []
