"""What a round measures: which labels count for what, and that no byte is lost."""

import io
import tokenize
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from codetitan.data.document import Document
from codetitan.data.pieces.dialects import resolve
from codetitan.data.rows.packing import IGNORE_INDEX
from codetitan.data.validation.cells import CELL_SHIFT, Cell, Counts, summarise
from codetitan.data.validation.gold import Gold, read_gold
from codetitan.data.validation.samples import Samples, make
from codetitan.errors import ConfigError
from codetitan.tokenizer.code_tokenizer import CodeTokenizer
from tests.data.structured import LAYOUTS, structured

L = 256


@pytest.fixture(scope="module")
def texts(records: list[dict[str, str]]) -> list[Document]:
    return [Document("", r["path"], r["text"], repo=r["repo"], language="python") for r in records[:40]]


@pytest.fixture(scope="module")
def samples(tokenizer: CodeTokenizer, texts: list[Document]) -> Samples:
    return make(texts, [], tokenizer, tokens=10**9, holes=True, seq_len=L)


def test_structured_documents_are_measured(tokenizer: CodeTokenizer) -> None:
    """Beside gold, in the cells that there are: holes in their code alone, and every byte but first tokens'."""
    documents = [structured(layout, language="python") for layout in LAYOUTS.values()]
    sentinels = resolve(tokenizer.sentinels.dialect, tokenizer.encoding, structured=True)
    config = CodeTokenizer.Config(structured_documents=True)
    more = CodeTokenizer(config, tokenizer_path="code-32k")
    assert more.sentinels == sentinels
    gold = [Gold("def f():\n", "    return 1\n")]
    found = make(documents, gold, more, tokens=10**9, holes=True, seq_len=1024)
    splits = Counter(cell.split for cell in found.cells)
    assert set(splits) == {"text", "fim", "gold"} and {cell.language for cell in found.cells} == {"python"}
    measured = sum(n.n_bytes for cell, n in zip(found.cells, found.counts, strict=True) if cell.split == "text")
    whole = sum(len(document.text.encode()) for document in documents)
    # All of them begin with a sentinel, of no bytes, but for the one that begins with text.
    assert 0 < whole - measured <= 16 and any(document.parts[0][0] == "" for document in documents)
    issue = make(documents[:1], [], more, tokens=10**9, holes=True, seq_len=1024)
    assert {cell.split for cell in issue.cells} == {"text"}


def cells_of(samples: Samples) -> np.ndarray:
    return np.where(samples.labels_NL >= 0, samples.labels_NL >> CELL_SHIFT, -1)


def test_counts_are_those_of_the_labels(samples: Samples) -> None:
    numbers = Counter(cells_of(samples).flatten().tolist())
    del numbers[-1]
    assert numbers == {i: count.tokens for i, count in enumerate(samples.counts)}
    assert (samples.labels_NL[samples.labels_NL < 0] == IGNORE_INDEX).all()
    # A label is the next token of the same piece.
    ids = samples.labels_NL & ((1 << CELL_SHIFT) - 1)
    same_piece = (samples.labels_NL[:, :-1] >= 0) & (samples.positions_NL[:, 1:] > 0)
    assert (ids[:, :-1][same_piece] == samples.input_NL[:, 1:][same_piece]).all()


def test_every_byte_but_those_of_first_tokens_is_measured(
    samples: Samples, texts: list[Document], tokenizer: CodeTokenizer
) -> None:
    """A piece's first token has nothing before it. The kinds are those that Python's own tokenizer sees."""
    of_text = {cell.kind: c for cell, c in zip(samples.cells, samples.counts, strict=True) if cell.split == "text"}
    measured = sum(count.n_bytes for count in of_text.values())
    starts = (samples.positions_NL == 0) & (samples.labels_NL >= 0)
    whole = sum(len(document.text.encode()) for document in texts)
    lost = whole - measured
    assert 0 < lost <= 16 * int(starts.sum())
    comments = sum(
        len(token.string.encode())
        for document in texts
        for token in tokenize.generate_tokens(io.StringIO(document.text).readline)
        if token.type == tokenize.COMMENT
    )
    # Of a comment's first and last tokens some lie half outside.
    assert of_text["comment"].n_bytes == pytest.approx(comments, rel=0.05)


def test_holes_are_of_every_order_and_kind(samples: Samples) -> None:
    kinds = {cell.kind for cell in samples.cells if cell.split == "fim"}
    assert kinds == {f"{order} {kind}" for order in ("psm", "spm") for kind in ("random", "line", "syntax")}


def test_a_round_reads_what_it_may(tokenizer: CodeTokenizer, texts: list[Document]) -> None:
    for tokens, holes in ((5_000, False), (5_000, True), (20_000, True)):
        made = make(texts, [], tokenizer, tokens=tokens, holes=holes, seq_len=L)
        assert tokens <= made.tokens <= tokens + 2 * L
        assert (made.cells[-1].split == "fim") is holes


def test_ranks_share_the_samples(samples: Samples) -> None:
    for ranks, batch in ((1, 4), (2, 4), (3, 8), (64, 8)):
        parts = [samples.part(rank, ranks, batch) for rank in range(ranks)]
        assert {len(part) for part in parts} == {len(parts[0])} and len(parts[0]) % batch == 0
        labels = np.concatenate([part.labels_NL for part in parts])
        n = len(samples)
        assert (labels[:n] == samples.labels_NL).all() and (labels[n:] == IGNORE_INDEX).all()
        assert (np.concatenate([part.input_NL for part in parts])[:n] == samples.input_NL).all()


def test_gold_solutions(tokenizer: CodeTokenizer) -> None:
    """Bytes of the solutions alone count, all of them; a long prompt loses its beginning."""
    gold = [Gold("def f(x):\n", "    return x\n"), Gold("# a long prompt\n" * 500, "pass\n")]
    made = make([], gold, tokenizer, tokens=0, holes=True, seq_len=L)
    assert made.cells == [Cell("gold", "python", "code")]
    assert made.counts[0].n_bytes == sum(len(problem.solution) for problem in gold)
    problems = read_gold("humaneval")
    assert len(problems) == 164
    made = make([], problems, tokenizer, tokens=0, holes=True, seq_len=2048)
    assert made.counts[0].n_bytes == sum(len(problem.solution.lstrip("\n").encode()) for problem in problems)


def test_without_document_masks_nothing_shares_a_sample(tokenizer: CodeTokenizer, texts: list[Document]) -> None:
    made = make(texts, [], tokenizer, tokens=5_000, holes=True, seq_len=L, packed=False)
    assert ((made.positions_NL == 0).sum(1) <= 2).all()  # the piece, and the padding behind it
    assert made.counts == make(texts, [], tokenizer, tokens=5_000, holes=True, seq_len=L).counts


def test_sums() -> None:
    """Nats and bytes are added up, not means of means."""
    cells = [Cell("text", "python", "code"), Cell("text", "c", "code"), Cell("fim", "c", "psm line")]
    values = summarise(cells, [Counts(10, 40), Counts(30, 60), Counts(2, 8)], [20.0, 30.0, 4.0])
    bits = 1 / np.log(2)
    expected = {
        "loss": 50 / 40, "bits_per_byte": 50 / 100 * bits, "bits_per_byte/python": 20 / 40 * bits,
        "bits_per_byte/c": 30 / 60 * bits, "bits_per_byte/code": 50 / 100 * bits, "loss/fim": 2.0,
        "bits_per_byte/fim": 4 / 8 * bits, "bits_per_byte/fim/psm/line": 4 / 8 * bits,
    }  # fmt: skip
    assert values == pytest.approx(expected)


def test_bad_problems(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text('{"prompt": "x", "canonical_solution": "y"}\n{"prompt": "x"}\n')
    with pytest.raises(ConfigError, match="line 2 is no JSON object with the texts prompt and canonical_solution"):
        read_gold(str(file))
    file.write_text('{"prompt": "", "canonical_solution": "y"}\n')
    with pytest.raises(ConfigError, match="line 1 is no JSON object with the texts"):
        read_gold(str(file))
    file.write_text("")
    with pytest.raises(ConfigError, match="has no problem"):
        read_gold(str(file))
