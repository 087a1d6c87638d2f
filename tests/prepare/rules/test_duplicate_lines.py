"""Repeated lines and asserts: both sides of each threshold, and OpenCoder's formula as it stands."""

import re
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from codetitan.prepare.file import Drop
from codetitan.prepare.rules.asserts import Asserts
from codetitan.prepare.rules.duplicate_lines import DuplicateLines
from tests.prepare.rules.made import library, made


def plain(text: str) -> float:
    """OpenCoder's `qsc_code_frac_lines_dupe_lines`, comments left in."""
    lines = [re.sub(r"\s+", "", line) for line in text.split("\n") if line.strip()]
    counts = Counter(lines)
    repeated = sum(n for line, n in counts.items() if n != 1 and line != "}," and len(line) != 1)
    return repeated / max(sum(counts.values()), 1)


def test_seven_lines_in_ten() -> None:
    single = "one\ntwo\nthree\n"
    assert DuplicateLines().judge(made("same();\n" * 7 + single)) is None
    drop = DuplicateLines().judge(made("same();\n" * 8 + single))
    assert drop == Drop("duplicate_lines", "repeated lines", 8 / 11, 0.7)


def test_white_space_tells_no_lines_apart_and_blank_ones_are_none() -> None:
    assert DuplicateLines().judge(made("a = 1\n\n\n\n\n\nb = 2\n")) is None
    assert DuplicateLines().judge(made("a = 1\n  a=1\n\ta  = 1\r\n")) is not None


def test_brackets_may_repeat() -> None:
    assert DuplicateLines().judge(made("}\n" * 50 + "},\n" * 50 + "é\n" * 50, "javascript")) is None
    assert DuplicateLines().judge(made("}}\n" * 50, "javascript")) is not None


LINES = st.lists(st.sampled_from(["a b", "ab", " ab", "}", "},", "é", "\xa0", "", "\r", "c\x1cd", "cd", "x\u2028"]))


@given(LINES, st.sampled_from([0.0, 0.3, 0.7, 0.9]))
def test_as_the_published_formula(lines: list[str], most: float) -> None:
    text = "\n".join(lines)
    drop = DuplicateLines(max_share=most).judge(made(text))
    assert (drop.value if drop else None) == (plain(text) if plain(text) > most else None)


def test_as_the_published_formula_on_real_files() -> None:
    rule = DuplicateLines(max_share=0.3)
    for file in library()[::5]:
        drop = rule.judge(file)
        assert (drop.value if drop else None) == (plain(file.text) if plain(file.text) > 0.3 else None), file.path


def test_four_lines_in_ten_assert() -> None:
    others = "x\n\ny\nz\nu\nv\nw\n"
    assert Asserts().judge(made("assert x\n" * 4 + others)) is None
    drop = Asserts().judge(made("self.ASSERTEqual(assert_)\n" * 5 + others))
    assert drop == Asserts().judge(made("assert x\n" * 5 + others)) == Drop("asserts", "mostly asserts", 5 / 11, 0.4)
    assert Asserts().judge(made("assert x\n" * 5, "go")) is None


@given(st.lists(st.sampled_from(["assert a", "Assert assert", "as sert", "", " ", "x"])))
def test_asserts_as_line_by_line(lines: list[str]) -> None:
    filled = [line for line in lines if line.strip()]
    share = sum("assert" in "".join(line.lower().split()) for line in filled) / max(len(filled), 1)
    drop = Asserts().judge(made("\n".join(lines)))
    assert (drop.value if drop else None) == (share if share > 0.4 else None)
