"""Word 5-grams beside a plain count of them."""

import numpy as np
import pytest

from codetitan.data import shingles
from codetitan.data.shingles import sorted_set, word_grams, word_grams_of
from codetitan.data.sources.open import PythonStdlib, open_source
from tests.data.helpers import plain_grams


@pytest.fixture(scope="module")
def texts() -> list[str]:
    source = open_source(PythonStdlib())
    return [source.read(i).text for i in range(160, 310, 10)]


@pytest.mark.parametrize(
    ("text", "n"),
    [("", 0), (" (.) \n", 0), ("a", 1), ("a b, c-d", 1), ("a b c d e", 1), ("a b c d e f", 2), ("a a a a a a a", 3)],
)
def test_grams_are_five_words(text: str, n: int) -> None:
    assert len(word_grams(text)) == n
    assert len(np.unique(word_grams(text))) == len(plain_grams(text))


def test_grams_are_those_of_a_plain_count(texts: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for text in [*texts, "é 中文 a_1 É x" * 3, "x" * 5000 + " a b c d"]:
        assert len(np.unique(word_grams(text))) == len(plain_grams(text))
    whole = [word_grams(text) for text in texts]
    monkeypatch.setattr(shingles, "_BLOCK_BYTES", 700)
    for text, grams in zip(texts, whole, strict=True):
        assert np.array_equal(word_grams(text), grams)
    assert word_grams("Some words, the same in every process.").tolist()[0] == 7375357674104438030


def test_texts_together_are_the_same_one_by_one(texts: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["", "a", *texts, "()", "a b c d", "", "a b c d e", "x" * 3000, "a b c d e f", "\n", "end"]
    alone = [word_grams(text) for text in texts]
    for block_bytes in (700, 1_000_000):
        monkeypatch.setattr(shingles, "_BLOCK_BYTES", block_bytes)
        together = word_grams_of(texts)
        assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))
    assert word_grams_of([]) == []
    for grams in (*alone, alone[5][[0, 0, 3, 0]]):
        assert np.array_equal(sorted_set(grams), np.unique(grams))
