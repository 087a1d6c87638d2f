"""Comments: both sides of the threshold, and beside the lexer that OpenCoder tells them with."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codetitan.prepare.file import Drop, File
from codetitan.prepare.rules import comments
from codetitan.prepare.rules.comments import Comments, n_comment
from tests.prepare.rules.made import library, made


def test_four_fifths() -> None:
    assert Comments().judge(made("#" * 80 + "\n" + "x" * 19)) is None
    assert Comments().judge(made("#" * 81 + "\n" + "x" * 18)) == Drop("comments", "mostly comments", 0.81, 0.8)


@pytest.mark.parametrize(
    ("language", "text", "comment"),
    [
        ("python", "x = 1  # one\n", "# one"),
        ("python", 'def f():\n    """A docstring."""\n    return 1\n', '"""A docstring."""'),
        ("python", 'x = """no # comment"""\n', ""),
        ("python", "x = \"# no\"; y = '# no'  # yes\n", "# yes"),
        ("python", 'x = "\\"# no"\n', ""),
        ("python", "r'''raw\ndocstring'''\n", "'''raw\ndocstring'''"),
        ("c", "int x; // one\n", "// one"),
        ("c", "/* two\n * lines */ int x;\n", "/* two\n * lines */"),
        ("c", 'char *s = "/* no */";\n', ""),
        ("java", 'String s = "http://no"; // yes\n', "// yes"),
        ("rust", "fn f<'a>(x: &'a str) {} // yes\n", "// yes"),
        ("css", "a { } /* never closed", "/* never closed"),
        ("sql", "SELECT 1 -- one\n/* two */", "-- one/* two */"),
        ("shell", 'echo "#no" # yes', "# yes"),
        ("erlang", "f() -> 1. % one\n", "% one"),
        ("lisp", "(f) ; one\n", "; one"),
    ],
)
def test_what_is_a_comment(language: str, text: str, comment: str) -> None:
    assert n_comment(text, language) == len(comment)


@pytest.mark.parametrize("language", ["html", "markdown", "json", "other"])
def test_languages_without_marks_are_not_judged(language: str) -> None:
    assert Comments(max_share=0).judge(made("# a\n// b\n/* c */", language)) is None


def test_an_address_in_a_string_is_no_comment() -> None:
    """The first look takes it for one, the scanner does not."""
    file = made('f("//' + "x" * 900 + '");\n', "javascript")
    assert comments._at_most(file, "//") > 0.8 * len(file.text)
    assert Comments().judge(file) is None


def test_the_first_look_leaves_out_no_file_of_the_library() -> None:
    for file in library():
        assert comments._at_most(file, "#") >= n_comment(file.text, "python"), file.path


PIECES = st.lists(st.sampled_from(["//", "/*", "*/", '"', "'", "\n", "x", "\\", "/", "*", "--", " "]), max_size=40)


@given(PIECES.map("".join), st.sampled_from(["c", "sql", "lua", "css"]))
def test_the_first_look_leaves_out_no_file(text: str, language: str) -> None:
    mark = comments.LINE_MARKS[language]
    assert comments._at_most(made(text, language), mark) >= n_comment(text, language)


def _by_pygments(file: File) -> int:
    """What OpenCoder's document.py takes out of the code, for Python."""
    pygments = pytest.importorskip("pygments")
    token = pytest.importorskip("pygments.token").Token
    lexer = pytest.importorskip("pygments.lexers").get_lexer_by_name("python", stripnl=False, ensurenl=False)
    kinds = (token.Comment, token.Literal.String.Doc)
    return sum(len(value) for kind, value in pygments.lex(file.text, lexer) if any(kind in each for each in kinds))


def test_the_share_is_near_to_the_lexers() -> None:
    files = [file for file in library()[::40] if 2000 < len(file.text) < 60_000]
    assert len(files) > 20
    apart = [abs(n_comment(file.text, "python") - _by_pygments(file)) / len(file.text) for file in files]
    assert sum(apart) / len(apart) < 0.02
    assert sorted(apart)[len(apart) * 9 // 10] < 0.05
