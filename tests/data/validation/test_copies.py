"""Copies and near copies among the files of the standard library, beside a plain comparison of all pairs."""

import re
import sys

import numpy as np
import pytest

from codetitan.data.sources.open import PythonStdlib, open_source
from codetitan.data.validation import copies
from codetitan.data.validation.copies import NEAR, Twin, near_copies, normalised_hash, similarity, word_grams
from codetitan.errors import ConfigError


@pytest.fixture(scope="module")
def texts() -> list[str]:
    source = open_source(PythonStdlib())
    return [source.read(i).text for i in range(160, 310)]  # encodings among them, which copy each other


def plain_grams(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"[0-9A-Za-z_\x80-\U0010ffff]+", text.lower())
    return {tuple(words[i : i + 5]) for i in range(max(1, len(words) - 4))} if words else set()


def plain_similarity(a: str, b: str) -> float:
    x, y = plain_grams(a), plain_grams(b)
    return len(x & y) / len(x | y) if x and y else 0.0


def test_white_space_makes_no_difference_to_a_hash() -> None:
    text = "def f(x):\n    return x  # é中\n"
    same = [
        text.replace("\n", "\r\n"),
        text.replace("\n", "\r"),
        text.replace("    ", "\t"),
        text + "\n \n",
        " " + text,
    ]
    assert {normalised_hash(other) for other in same} == {normalised_hash(text)}
    assert len({normalised_hash(other) for other in (text, text.upper(), text.replace("x", "y"), "", "x")}) == 5
    assert normalised_hash("") == 0x141CFC9842C4B0E3  # of SHA-256, the same everywhere


@pytest.mark.parametrize(
    ("text", "n"),
    [("", 0), (" (.) \n", 0), ("a", 1), ("a b, c-d", 1), ("a b c d e", 1), ("a b c d e f", 2), ("a a a a a a a", 3)],
)
def test_grams_are_five_words(text: str, n: int) -> None:
    assert len(word_grams(text)) == n
    assert len(np.unique(word_grams(text))) == len(plain_grams(text))


def test_grams_are_those_of_a_plain_count(texts: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for text in [*texts[::10], "é 中文 a_1 É x" * 3, "x" * 5000 + " a b c d"]:
        assert len(np.unique(word_grams(text))) == len(plain_grams(text))
    whole = [word_grams(text) for text in texts[::10]]
    monkeypatch.setattr(copies, "_BLOCK_BYTES", 700)
    for text, grams in zip(texts[::10], whole, strict=True):
        assert np.array_equal(word_grams(text), grams)
    assert word_grams("Some words, the same in every process.").tolist()[0] == 7375357674104438030


def test_each_near_copy_is_found_and_nothing_else(texts: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    held_out, training = list(enumerate(texts))[::5], [pair for pair in enumerate(texts) if pair[0] % 5]
    grams = [np.unique(word_grams(text)) for text in texts]
    pairs = [(i, j, similarity(grams[i], grams[j])) for i, _ in held_out for j, _ in training]
    expected: dict[int, Twin] = {}
    for i, j, alike in pairs:
        if alike >= NEAR:
            expected.setdefault(i, Twin(j, alike))
    for i, j, alike in pairs[:: len(pairs) // 50]:
        assert alike == pytest.approx(plain_similarity(texts[i], texts[j]))
    assert len(expected) > 4
    assert near_copies(held_out, training) == expected
    monkeypatch.setattr(copies, "_BATCH_BYTES", 20_000)
    assert near_copies(held_out, iter(training)) == expected


def test_what_people_do_to_a_file(texts: list[str]) -> None:
    text = max(texts, key=lambda text: len(plain_grams(text)) if len(text) < 60_000 else 0)
    lines = text.splitlines(keepends=True)
    licence = "# " + " ".join(f"word{i}" for i in range(200)) + "\n"
    changed = {
        "tabs": text.replace("    ", "\t"),
        "a licence in front": licence + text,
        "the first half": "".join(lines[: len(lines) // 2]),
        "four fifths": "".join(lines[: len(lines) * 4 // 5]),
        "letter case": text.upper(),
    }
    found = set()
    for what, other in changed.items():
        twin = near_copies([(7, text)], [(0, texts[0]), (3, other), (4, other)]).get(7)
        alike = plain_similarity(text, other)
        assert twin == (Twin(3, pytest.approx(alike)) if alike >= NEAR else None)
        found |= {what} if twin is not None else set()
    assert {"tabs", "a licence in front", "four fifths", "letter case"} <= found <= set(changed) - {"the first half"}


def test_nothing_to_compare() -> None:
    assert near_copies([], [(0, "x")]) == near_copies([(0, "x")], []) == {}
    assert near_copies([(0, "()"), (1, ""), (5, "a b")], [(2, "()"), (3, ""), (4, "A, B")]) == {5: Twin(4, 1.0)}


def test_rensa_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rensa", None)
    with pytest.raises(ConfigError) as error:
        near_copies([(0, "x")], [])
    assert str(error.value) == (
        "validation.near_duplicates = true needs rensa, which is not installed: pip install -e '.[near-copies]'"
    )
