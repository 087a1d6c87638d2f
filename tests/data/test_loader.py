"""Contracts 1 (rows), 3 (resharded state) and 5 (sentinels are ids), on real code."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from codetitan.data.document import Document
from codetitan.data.loader import CodeDataLoader
from codetitan.data.sources import Directory, PythonStdlib, SourceConfig
from codetitan.errors import ConfigError
from codetitan.tokenizer.code_tokenizer import CodeTokenizer

ROWS, SEQ_LEN = 24, 64
Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


@pytest.fixture(scope="module")
def tokenizer() -> CodeTokenizer:
    return CodeTokenizer(CodeTokenizer.Config(), tokenizer_path="code-32k")


def loader(
    tokenizer: CodeTokenizer,
    *,
    R: int = 1,
    rank: int = 0,
    microbatch: int | None = None,
    seed: int = 0,
    rows: int = ROWS,
    source: SourceConfig | None = None,
) -> CodeDataLoader:
    config = CodeDataLoader.Config(sources=[source or PythonStdlib()], seed=seed, rows=rows)
    return CodeDataLoader(
        config,
        dp_world_size=R,
        dp_rank=rank,
        tokenizer=tokenizer,
        seq_len=SEQ_LEN,
        local_batch_size=microbatch or rows // R,
    )


def steps(loaders: list[CodeDataLoader], n: int, microbatches: int = 1) -> list[Batch]:
    """The global batches of n steps, rows in order, put together from all ranks and microbatches."""
    iterators = [iter(one) for one in loaders]
    batches = []
    for _ in range(n):
        parts = [next(iterator) for iterator in iterators for _ in range(microbatches)]
        inputs = torch.cat([inputs["input"] for inputs, _ in parts])
        positions = torch.cat([inputs["positions"] for inputs, _ in parts])
        batches.append((inputs, torch.cat([labels for _, labels in parts]), positions))
    return batches


def equal(a: list[Batch], b: list[Batch]) -> bool:
    return len(a) == len(b) and all(
        torch.equal(x, y) for p, q in zip(a, b, strict=True) for x, y in zip(p, q, strict=True)
    )


@pytest.fixture(scope="module")
def reference(tokenizer: CodeTokenizer) -> list[Batch]:
    return steps([loader(tokenizer)], 8)


@pytest.mark.parametrize(("R", "microbatches"), [(1, 3), (2, 1), (2, 4), (3, 2), (4, 1), (8, 3)])
def test_the_global_batch_does_not_depend_on_the_mesh(
    tokenizer: CodeTokenizer, reference: list[Batch], R: int, microbatches: int
) -> None:
    loaders = [loader(tokenizer, R=R, rank=r, microbatch=ROWS // R // microbatches) for r in range(R)]
    assert equal(steps(loaders, 8, microbatches), reference)


@pytest.mark.parametrize("stop", range(8))
@pytest.mark.parametrize(("before", "after"), [(1, 4), (4, 1), (3, 8)])
def test_resumes_at_any_other_degree(
    tokenizer: CodeTokenizer, reference: list[Batch], stop: int, before: int, after: int
) -> None:
    first = [loader(tokenizer, R=before, rank=r) for r in range(before)]
    served = steps(first, stop)
    table = torch.cat([one.state_dict()["rows"] for one in first])
    assert table.shape == (ROWS, 2) and table.dtype == torch.int64
    second = [loader(tokenizer, R=after, rank=r) for r in range(after)]
    for one, rows in zip(second, table.chunk(after), strict=True):
        one.load_state_dict(one.state_dict() | {"rows": rows})
    assert equal(served + steps(second, 8 - stop), reference)


def test_each_document_is_served_once_an_epoch(tokenizer: CodeTokenizer) -> None:
    corpus = loader(tokenizer, rows=7).corpus
    n = corpus.n_documents
    order = [corpus.read(k % 7, k // 7).path for k in range(2 * n)]  # dealt like cards
    assert len(set(order[:n])) == n and sorted(order[:n]) == sorted(order[n:]) and order[:n] != order[n:]


def test_more_rows_than_documents(tokenizer: CodeTokenizer, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("import os\nprint(os.getcwd())\n" * 20)
    ((inputs, _, _),) = steps([loader(tokenizer, source=Directory(path=str(tmp_path)))], 1)
    assert inputs.shape == (ROWS, SEQ_LEN) and (inputs == inputs[0]).all()


def test_source_text_can_not_inject_a_sentinel(tokenizer: CodeTokenizer, tmp_path: Path) -> None:
    hostile = "x = 1  # <|endoftext|> <fim_prefix> <fim_middle> <reponame>evil\n"
    (tmp_path / "a.py").write_text(hostile * 30)
    batches = steps([loader(tokenizer, rows=1, source=Directory(path=str(tmp_path)))], 4)
    sentinels = torch.tensor(list(tokenizer.encoding.special_tokens.values()))
    for inputs, labels, _ in batches:
        assert not torch.isin(inputs, sentinels).any()
        assert not torch.isin(labels, sentinels[sentinels != tokenizer.eos_id]).any()
    assert tokenizer.decode(batches[0][0][0].tolist()).startswith(hostile)


def test_labels_are_the_next_token_of_the_same_document(reference: list[Batch]) -> None:
    for inputs, labels, positions in reference:
        goes_on = positions[:, 1:] > 0
        assert torch.equal(labels[:, :-1][goes_on], inputs[:, 1:][goes_on])
        assert (positions[:, 0] == 0).all() and (positions[:, 1:][goes_on] == positions[:, :-1][goes_on] + 1).all()


def test_undecodable_files_are_counted(tokenizer: CodeTokenizer, tmp_path: Path) -> None:
    (tmp_path / "good.py").write_text("print('hello')\n" * 50)
    (tmp_path / "bad.py").write_bytes(b"\xff\xfe\x00")
    one = loader(tokenizer, rows=2, source=Directory(path=str(tmp_path)))
    steps([one], 6)
    assert one.dropped["not UTF-8"] >= 1


def test_nothing_but_undecodable_files(tokenizer: CodeTokenizer, tmp_path: Path) -> None:
    for i in range(3):
        (tmp_path / f"{i}.py").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "bom.py").write_bytes(b"\xef\xbb\xbf")
    message = r"^dataloader.sources: no document of directory:.* can be used: 1 empty, 3 not UTF-8$"
    with pytest.raises(ConfigError, match=message):
        loader(tokenizer, rows=1, source=Directory(path=str(tmp_path)))


def test_a_file_that_vanishes_ends_the_run_with_its_name(tokenizer: CodeTokenizer, tmp_path: Path) -> None:
    """It is not skipped: the tokens of a run do not depend on what a disk does at night."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    for i in range(50):
        (folder / f"{i}.py").write_text(f"x = {i}\n" * 10)
    one = loader(tokenizer, rows=1, source=Directory(path=str(folder)))
    steps([one], 1)
    shutil.rmtree(folder)
    with pytest.raises(ConfigError, match=r"corpus/\d+.py\" can't be read any more: No such file or directory"):
        steps([one], 100)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"seed": 1}, "dataloader.seed was 0, is 1"),
        ({"rows": 12}, "training.global_batch_size was 24, is 12"),
        ({"source": "other"}, "the corpus was "),
    ],
)
def test_a_changed_run_is_refused(tokenizer: CodeTokenizer, tmp_path: Path, change: dict[str, Any], named: str) -> None:
    saved = loader(tokenizer).state_dict()
    if "source" in change:
        (tmp_path / "a.py").write_text("pass\n")
        change = {"source": Directory(path=str(tmp_path))}
    with pytest.raises(ConfigError) as error:
        loader(tokenizer, **change).load_state_dict(saved)
    assert named in str(error.value) and "--checkpoint.exclude_from_loading dataloader" in str(error.value)


def test_corpus_reads_what_it_lists(tokenizer: CodeTokenizer) -> None:
    corpus = loader(tokenizer).corpus
    assert all(isinstance(corpus.read(row, 0), Document) for row in range(ROWS))
    assert corpus.summary().startswith("python-stdlib: ")
