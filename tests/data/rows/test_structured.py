"""Structured documents among others in a run: the same tokens on any mesh, and refused before it begins."""

import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from codetitan.config import data
from codetitan.config.data import BatchConfig, DataConfig
from codetitan.data.document import Document
from codetitan.data.library import open_loader
from codetitan.data.pieces.fim import FimConfig, SpanConfig
from codetitan.data.pieces.metadata import MetadataConfig
from codetitan.data.rows.loader import CodeDataLoader
from codetitan.data.sources.open import Jsonl, Parquet, PythonStdlib, SourceConfig
from codetitan.data.structure import KINDS
from codetitan.data.views.digest import global_batches, reshard
from codetitan.errors import ConfigError
from codetitan.tokenizer.code_tokenizer import CodeTokenizer
from tests.data.helpers import Memory, component, make_rows
from tests.data.structured import LAYOUTS, made, structured, written

ROWS = 12


@pytest.fixture(autouse=True)
def caches(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("caches")))
    yield


def config(*sources: SourceConfig, structured_documents: bool, **options: Any) -> DataConfig:
    return DataConfig(
        dataloader=CodeDataLoader.Config(sources=list(sources), workers=0, block=4, **options),
        tokenizer=CodeTokenizer.Config(structured_documents=structured_documents),
        training=BatchConfig(seq_len=96, local_batch_size=1, global_batch_size=ROWS),
    )


def corpus(folder: Path) -> Jsonl:
    """Layouts of the papers, and real code in random parts; some documents are longer than a sample."""
    code = inspect.getsource(json)
    documents = [structured(layout, name, repo="o/r", language="python") for name, layout in LAYOUTS.items()]
    documents += [made(code[100 * seed :][: 60 * seed + 20], seed) for seed in range(24)]
    return Jsonl(path=str(written(documents, folder / "a.jsonl")), weight=0.6)


@pytest.mark.parametrize("packing", ["best-fit", "concatenate"])
def test_the_same_tokens_on_any_mesh_and_after_a_restart(tmp_path: Path, packing: str) -> None:
    options = {
        "fim": FimConfig(rate=0.5, spans=SpanConfig(random=1, line=1, syntax=1)),
        "metadata": MetadataConfig(repo=0.5, path=0.5, repository_level=0.5),
        "packing": packing,
    }
    asked = config(corpus(tmp_path), PythonStdlib(weight=0.4), structured_documents=True, **options)
    asked.tokenizer.dialect = "starcoder2"

    def ranks(n: int) -> list[CodeDataLoader]:
        return [open_loader(asked, dp_rank=r, dp_world_size=n) for r in range(n)]

    def steps(loaders: list[CodeDataLoader], n: int) -> list[torch.Tensor]:
        batches = global_batches(loaders)
        return [torch.stack(next(batches)) for _ in range(n)]

    reference = steps(ranks(1), 6)
    for degree in (2, 3, 6):
        assert all(torch.equal(a, b) for a, b in zip(steps(ranks(degree), 6), reference, strict=True))
    for stop in (1, 2, 5):
        first, second = ranks(3), ranks(4)
        served = steps(first, stop)
        reshard(first, second)
        assert all(torch.equal(a, b) for a, b in zip(served + steps(second, 6 - stop), reference, strict=True))
    ids = CodeTokenizer(asked.tokenizer, tokenizer_path="code-32k").sentinels.structure
    assert set(ids.values()) <= set(torch.stack(reference).unique().tolist())  # every kind was served


def test_structured_documents_do_not_join_the_files_of_their_repository(tokenizer: CodeTokenizer) -> None:
    files = [Document("s", f"{i}.py", f"x = {i}\n", "o/r", "python") for i in range(4)]
    documents = [*files[:2], structured(LAYOUTS["issue"], "issue", repo="o/r"),
                 structured(LAYOUTS["commit"], "commit", repo="o/r"), *files[2:]]  # fmt: skip
    metadata = MetadataConfig(repository_level=1.0, files_per_repository=6)
    source = component(Memory(documents), epochs=1, together=6)
    (row,) = make_rows(tokenizer, [source], n=1, metadata=metadata, dialect="starcoder2", seq_len=512)
    names = []
    while sample := row.next():
        names += [part.piece.name for part in sample]
    assert sorted(names) == ["0.py, 1.py", "2.py, 3.py", "commit", "issue"]


LACKS = "has no <pr> and 15 more sentinels, which structured documents need; set tokenizer.structured_documents = true"


def test_what_the_tokenizer_lacks_is_refused_before_the_run(tmp_path: Path) -> None:
    """By the first records, in both forms of stores: for the launcher, and for whoever opens a loader."""
    jsonl = Jsonl(path=str(written([structured(LAYOUTS["pull request"], "1")], tmp_path / "a.jsonl")))
    record = json.loads((tmp_path / "a.jsonl").read_text())
    rows = [record | {"document_parts": None}] * 3000 + [record]  # plain ones first: nulls are not looked at
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    for source in (jsonl, Parquet(path=str(tmp_path / "a.parquet"))):
        asked = config(source, structured_documents=False)
        for call in (data.check_sources, open_loader):
            with pytest.raises(ConfigError) as error:
                call(asked)
            name = f"{'jsonl' if isinstance(source, Jsonl) else 'parquet'}:{source.path}"
            assert str(error.value).startswith(f"dataloader.sources: {name}: the tokenizer code-32k {LACKS}")
            assert "\n" not in str(error.value)
        data.check_sources(config(source, structured_documents=True))
        next(iter(open_loader(config(source, structured_documents=True))))


def test_what_no_first_record_told_is_refused_at_its_document(tmp_path: Path) -> None:
    known = structured(LAYOUTS["issue"], "issue")
    late = structured(LAYOUTS["pull request"], "late")
    source = Jsonl(path=str(written([known] * 1000 + [late], tmp_path / "a.jsonl")), epochs=1)
    asked = config(source, structured_documents=False)
    data.check_sources(asked)
    batches = iter(open_loader(asked))
    with pytest.raises(ConfigError, match=rf'^jsonl:.*a\.jsonl: "late": the tokenizer code-32k {LACKS}'):
        for _ in range(2000):
            next(batches)


def test_a_tokenizer_that_has_them_needs_no_key(tmp_path: Path) -> None:
    """And what has no structured documents gets the tokens that it had, with the key and without."""
    documents = [structured(LAYOUTS[name], name) for name in ("issue", "commit", "notebook")]
    source = Jsonl(path=str(written(documents, tmp_path / "a.jsonl")))
    batches = [next(iter(open_loader(config(source, structured_documents=key)))) for key in (False, True)]
    assert torch.equal(batches[0][1], batches[1][1])
    plain = [next(iter(open_loader(config(PythonStdlib(), structured_documents=key)))) for key in (False, True)]
    assert torch.equal(plain[0][1], plain[1][1])


def test_the_vocabulary_must_hold_them(tmp_path: Path) -> None:
    asked = config(PythonStdlib(), structured_documents=True)
    assert data.check(asked, 32896).sentinels.vocab_size == 32896
    with pytest.raises(ConfigError) as error:
        data.check(asked, 32768)
    n = len(KINDS) - 11
    assert str(error.value) == (
        f"model.vocab_size = 32768 must hold the 32768 ids of the tokenizer code-32k and the {n} of structured "
        "documents; set it to 32896"
    )
