"""Shares of letters, digits and white space: both sides of each threshold, and one character after the other."""

import pytest
from hypothesis import given

from codetitan.prepare.file import Drop
from codetitan.prepare.rules import characters
from codetitan.prepare.rules.alphabetic import Alphabetic
from codetitan.prepare.rules.digits import Digits
from codetitan.prepare.rules.replacement import Replacement
from codetitan.prepare.rules.white_space import WhiteSpace
from tests.prepare.rules.made import TEXTS, library, made


def test_a_quarter_of_letters_is_enough() -> None:
    assert Alphabetic().judge(made("a---" * 10)) is None
    assert Alphabetic().judge(made("中---" * 10)) is None
    assert Alphabetic().judge(made("a---" * 10 + "-")) == Drop("alphabetic", "few letters", 10 / 41, 0.25)
    assert Alphabetic().judge(made("")) == Drop("alphabetic", "few letters", 0.0, 0.25)


@pytest.mark.parametrize(("language", "path"), [("assembly", "a.s"), ("other", "a.wat"), ("other", "b/a.wast")])
def test_in_assembly_digits_count(language: str, path: str) -> None:
    assert Alphabetic().judge(made("12--" * 10, language, path)) is None
    assert Alphabetic().judge(made("1----" * 10, language, path)) is not None
    assert Alphabetic().judge(made("12--" * 10)) is not None


def test_half_of_what_is_visible_if_one_asks_for_it() -> None:
    text = "ab--  \n" * 10
    assert Alphabetic(min_visible_share=0.5).judge(made(text)) is None
    drop = Alphabetic(min_visible_share=0.5).judge(made(text + "---"))
    assert drop == Drop("alphabetic", "few letters among what is visible", 20 / 43, 0.5)


def test_digits_are_a_fifth_of_what_is_visible() -> None:
    assert Digits().judge(made("1 abcd\n" * 10)) is None
    assert Digits().judge(made("1 abcd\n" * 10 + "2")) == Drop("digits", "many digits", 11 / 51, 0.2)
    assert Digits().judge(made("1 abcd\n" * 10 + "2", "sql")) is None
    assert Digits().judge(made("11 abcd\n" * 10, "sql")) == Drop("digits", "many digits", 20 / 60, 0.3)


def test_white_space_is_half() -> None:
    assert WhiteSpace().judge(made("ab \n" * 10)) is None
    assert WhiteSpace().judge(made("ab \n" * 10 + "\t")) == Drop("white_space", "much white space", 21 / 41, 0.5)


def test_a_hundredth_was_decoded_wrongly() -> None:
    assert Replacement().judge(made("a" * 99 + "\ufffd")) is None
    assert Replacement().judge(made("a" * 98 + "\ufffd")) == Drop("replacement", "wrongly decoded", 1 / 99, 0.01)
    assert Replacement().judge(made("é" * 10)) is None


@given(TEXTS)
def test_counts_are_those_of_one_character_after_the_other(text: str) -> None:
    file = made(text)
    assert characters.n_alphabetic(file) == sum(map(str.isalpha, text))
    assert characters.n_digits(file) == sum(map(str.isdigit, text))
    assert characters.n_alphanumeric(file) == sum(map(str.isalnum, text))
    assert characters.n_white(file) == sum(map(str.isspace, text))


@given(TEXTS)
def test_lines_without_white_space(text: str) -> None:
    expected = ["".join(line.split()) for line in text.split("\n")]
    assert made(text).squeezed == [line.encode() for line in expected if line]


def test_counts_of_real_files() -> None:
    beyond = [file for file in library() if not file.text.isascii()]
    assert len(beyond) > 100
    for file in beyond:
        assert characters.n_alphabetic(file) == sum(map(str.isalpha, file.text)), file.path
        assert characters.n_digits(file) == sum(map(str.isdigit, file.text)), file.path
