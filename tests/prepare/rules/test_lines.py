"""Numbers and lengths of lines: both sides of each threshold, and against plain versions of the formulae."""

from dataclasses import replace

import pytest
from hypothesis import given

from codetitan.prepare.file import Drop
from codetitan.prepare.rules.line_count import LineCount
from codetitan.prepare.rules.long_lines import LongLines, _may_be_longer
from codetitan.prepare.rules.short_files import ShortFiles
from codetitan.prepare.rules.short_lines import ShortLines
from tests.prepare.rules.made import TEXTS, made


def test_number_of_lines() -> None:
    assert LineCount().judge(made("\n" * 100_000)) is None
    assert LineCount().judge(made("\n" * 100_001)) == Drop("line_count", "too many lines", 100_001, 100_000)
    assert LineCount().judge(made("x")) is None
    assert LineCount(min_lines=10).judge(made("x\n" * 10)) is None
    assert LineCount(min_lines=10).judge(made("x\n" * 9)) == Drop("line_count", "too few lines", 9, 10)


def test_mean_length() -> None:
    assert LongLines().judge(made(("x" * 100 + "\n") * 3)) is None
    assert LongLines().judge(made(("x" * 100 + "\r\n") * 3)) is None
    drop = LongLines().judge(made(("x" * 100 + "\n") * 3 + "x" * 101))
    assert drop == Drop("long_lines", "long lines on average", 100.25, 100.0)


@pytest.mark.parametrize("character", ["x", "é", "中"])
def test_longest_line_is_counted_in_characters(character: str) -> None:
    short = "x\n" * 100
    assert LongLines().judge(made(f"{short}{character * 1000}\n{short}")) is None
    drop = LongLines().judge(made(f"{short}{character * 1001}\n{short}"))
    assert drop == Drop("long_lines", "a long line", 1001, 1000)


@pytest.mark.parametrize("language", ["html", "json", "markdown", "tex", "text", "xml"])
def test_where_a_line_is_a_paragraph_only_the_longest_counts(language: str) -> None:
    assert LongLines().judge(made("x" * 100_000, language)) is None
    assert LongLines().judge(made("x" * 100_001, language)) == Drop("long_lines", "a long line", 100_001, 100_000)
    assert LongLines(loose_languages=[]).judge(made("x" * 1001, language)) is not None


def test_short_lines() -> None:
    assert ShortLines().judge(made("1234\n" * 5)) is None  # 5 with their ends: OpenCoder's figure
    assert ShortLines().judge(made("1234\n" * 5 + "123\n")) == Drop(
        "short_lines", "short lines on average", 23 / 6, 4.0
    )
    assert ShortLines().judge(made("")) == Drop("short_lines", "short lines on average", 0.0, 4.0)


def test_short_files() -> None:
    assert ShortFiles().judge(made("x" * 50)) is None
    assert ShortFiles().judge(made("é" * 49)) == Drop("short_files", "short file", 49, 50)


@given(TEXTS)
def test_a_file_without_splitting_it_is_one_that_is_split(text: str) -> None:
    file = made(text)
    lines = [line.removesuffix("\r") for line in text.split("\n")[:-1]]
    last = text.split("\n")[-1]
    lines += [last] if last else []
    assert file.lines == lines and file.n_lines == len(lines)
    if lines:
        drop = LongLines(max_mean=1, max_longest=10**9).judge(file)
        mean = sum(map(len, lines)) / len(lines)
        assert (drop is not None) == (mean > 1) and (drop is None or drop.value == mean)
        longest = max(map(len, lines))
        drop = replace(LongLines(max_mean=10**9), max_longest=3).judge(file)
        assert (drop.value if drop else None) == (longest if longest > 3 else None)


@given(TEXTS)
def test_steps_find_a_long_line_as_splitting_does(text: str) -> None:
    data = text.encode()
    for length in (1, 2, 7, 30):
        assert _may_be_longer(data, length) == (max(map(len, data.split(b"\n"))) > length)
