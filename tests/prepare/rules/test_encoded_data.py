r"""Encoded data: both sides of each threshold, and the published expressions as they stand."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codetitan.prepare.file import Drop, File
from codetitan.prepare.rules.encoded_data import EncodedData
from tests.prepare.rules.made import library, made

# StarCoder2 §2.1, letter by letter.
PUBLISHED = [
    r"[a-zA-Z0-9+/\n=]{64,}",
    r"(?:\b(?:0x|\\x)?[0-9a-fA-F]{2}(?:,|\b\s*)){8,}",
    r"(?:\\u[0-9a-fA-F]{4}){8,}",
]


def plain(text: str, max_run: int, max_share: float) -> tuple[str, float] | None:
    lengths = [len(match[0]) for pattern in PUBLISHED for match in re.finditer(pattern, text)]
    if lengths and max(lengths) > max_run:
        return "a run of encoded data", max(lengths)
    share = sum(lengths) / max(len(text), 1)
    return ("much encoded data", share) if share > max_share else None


def same(file: File, rule: EncodedData) -> bool:
    drop = rule.judge(file)
    return (None if drop is None else (drop.reason, drop.value)) == plain(file.text, rule.max_run, rule.max_share)


PROSE = "some code; that is (no data)\n" * 200


@pytest.mark.parametrize("data", ["Q" * 1025, "41," * 341 + "41,", "41 " * 341 + "41", "\\u00e9" * 171])
def test_a_run_of_more_than_1024_characters(data: str) -> None:
    assert len(data) in (1025, 1026)
    drop = EncodedData().judge(made(f'{PROSE}"{data}"{PROSE}'))
    assert drop is not None and drop.reason == "a run of encoded data" and drop.threshold == 1024
    assert EncodedData().judge(made(f'{PROSE}"{data[:1018]}"{PROSE}')) is None
    assert EncodedData().judge(made(f'{PROSE}"{"Q" * 1024}"{PROSE}')) is None


def test_half_of_the_file() -> None:
    assert EncodedData().judge(made("Q" * 64 + " " * 64)) is None
    assert EncodedData().judge(made("Q" * 64 + " " * 63)) == Drop("encoded_data", "much encoded data", 64 / 127, 0.5)
    assert EncodedData().judge(made("Q" * 63)) is None  # 64 in a row are a run


def test_bytes_as_c_writes_them() -> None:
    table = "".join(f"0x{i % 256:02x}," for i in range(300))
    assert EncodedData().judge(made(f"char data[] = {{{table}}};", "c")) is not None
    # The expression takes no space after a comma: the published one drops the first, and not this.
    assert EncodedData().judge(made(f"char data[] = {{{table.replace(',', ', ')}}};", "c")) is None


PIECES = st.sampled_from(
    ["41", "4", "ff", "0x41", "\\x41", "\\u00e9", ",", " ", "\n", "\t", "\xa0", "\x1c", "é", "_", "g", "x", "\\", "0",
     "A" * 70, "=\n" * 40, "41," * 9, "\\x41" * 9, "41  \n" * 9, ";"]
)  # fmt: skip


@given(st.lists(PIECES, max_size=60), st.sampled_from([(10, 0.5), (1024, 0.05), (30, 0.0)]))
def test_as_the_published_expressions(pieces: list[str], thresholds: tuple[int, float]) -> None:
    assert same(made("".join(pieces)), EncodedData(max_run=thresholds[0], max_share=thresholds[1]))


def test_as_the_published_expressions_on_real_files() -> None:
    rule = EncodedData(max_run=60, max_share=0.01)
    files = [file for file in library() if "encodings" in file.path or "test/" in file.path][::4]
    assert [file.path for file in files if not same(file, rule)] == []
    assert sum(rule.judge(file) is not None for file in files) >= 5
