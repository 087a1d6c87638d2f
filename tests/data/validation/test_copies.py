"""Copies and near copies among the files of the standard library, beside a plain comparison of all pairs."""

import sys

import numpy as np
import pytest

from codetitan.data.shingles import similarity, word_grams
from codetitan.data.sources.open import PythonStdlib, open_source
from codetitan.data.validation import copies
from codetitan.data.validation.copies import NEAR, Twin, near_copies, normalised_hash
from codetitan.errors import ConfigError
from tests.data.helpers import plain_grams


@pytest.fixture(scope="module")
def texts() -> list[str]:
    source = open_source(PythonStdlib())
    return [source.read(i).text for i in range(160, 310)]  # encodings among them, which copy each other


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
