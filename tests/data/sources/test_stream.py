"""The hub's datasets, from local folders in their form: opened whole, and streamed."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from codetitan.data.document import Document, EndOfStream
from codetitan.data.sources.open import HuggingFace, check_usable, open_source
from codetitan.data.sources.records import Columns
from codetitan.data.sources.stream import StreamSource
from codetitan.errors import ConfigError

FIX = (
    'see the keys "name", "config", "split" and "revision", the network, and for a gated dataset `hf auth login`; with '
    'a local copy use "parquet" or "jsonl"'
)


@pytest.fixture(autouse=True)
def caches(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path_factory.mktemp("hf")))


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """A folder in the form of a dataset: two splits, several files."""
    for split, n in (("train", 30), ("test", 5)):
        for shard in range(2):
            rows = [{"content": f"{split} {shard} {i}", "lang": "Go", "path": f"{i}.go"} for i in range(n)]
            path = tmp_path / "corpus" / "data" / f"{split}-{shard:05}-of-00002.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(pa.Table.from_pylist(rows), path)
    return tmp_path / "corpus"


class Store:
    """Records, and how many were read since when."""

    def __init__(self, n: int, broken_at: int | None = None) -> None:
        self.n, self.starts, self.n_read, self.broken_at = n, 0, 0, broken_at

    def __call__(self) -> Iterator[dict[str, Any]]:
        self.starts += 1
        for i in range(self.n):
            if i == self.broken_at:
                raise ConnectionError("the line\nis down")
            self.n_read += 1
            yield {"text": f"document {i} " + "x" * 100}


def stream(store: Store, window_bytes: int = 1 << 20) -> StreamSource:
    return StreamSource("s", "label", store, Columns("text"), "id", max_bytes=10**6, window_bytes=window_bytes)


def text(source: StreamSource, index: int) -> str:
    document = source.read(index)
    assert isinstance(document, Document)
    return document.text.rstrip("x")


def test_rows_at_different_speeds() -> None:
    store = Store(1000)
    source = stream(store)
    rows = [0, 1, 2, 3]
    for step in range(200):  # row i moves on every i + 1 steps
        for i, _ in enumerate(rows):
            if step % (i + 1) == 0:
                assert text(source, rows[i]) == f"document {rows[i]} "
                rows[i] += 4
    assert store.starts == 1 and rows[3] < rows[0] // 3  # the slow one is far behind


def test_what_left_the_window_is_read_again(caplog: pytest.LogCaptureFixture) -> None:
    store = Store(100)
    source = stream(store, window_bytes=7000)  # ten documents
    assert text(source, 50) == "document 50 "
    assert text(source, 45) == "document 45 " and store.starts == 1
    with caplog.at_level(logging.WARNING):
        assert text(source, 3) == "document 3 "
    assert store.starts == 2
    assert caplog.messages == ["data: s: reading again from the beginning, for document 3"]
    assert text(source, 50) == "document 50 " and len(source._window) < 15


def test_the_end() -> None:
    store = Store(10)
    source = stream(store)
    for index in (10, 10, 10**9):
        with pytest.raises(EndOfStream):
            source.read(index)
    assert text(source, 9) == "document 9 " and store.starts == 1
    with pytest.raises(TypeError, match="s is streamed: its length is not known"):
        len(source)
    with pytest.raises(ConfigError) as error:
        source.languages()
    assert str(error.value) == "label: streaming = true has no shares of languages; set streaming = false"


def test_a_stream_that_breaks_off_is_not_at_its_end() -> None:
    store = Store(10, broken_at=5)
    source = stream(store)
    for _ in range(2):
        with pytest.raises(ConfigError) as error:
            source.read(7)
        assert str(error.value) == "label: document 5 can't be read: the line is down; start the same command again"
    store.broken_at = None
    assert text(source, 7) == "document 7 "


def test_check_usable_of_streams() -> None:
    check_usable([stream(Store(3))])
    with pytest.raises(ConfigError, match="no document of s can be used: it is empty"):
        check_usable([stream(Store(0))])


def test_a_dataset_whole_and_streamed(dataset: Path) -> None:
    whole = open_source(HuggingFace(name=str(dataset)))
    streamed = open_source(HuggingFace(name=str(dataset), streaming=True))
    assert len(whole) == 60 and not whole.streamed and streamed.streamed
    assert [streamed.read(i) for i in range(60)] == [whole.read(i) for i in range(60)]
    assert whole.read(0) == Document(f"huggingface:{dataset}", "0.go", "train 0 0", None, "go")
    with pytest.raises(EndOfStream):
        streamed.read(60)
    assert len(open_source(HuggingFace(name=str(dataset), split="train[:10%]"))) == 6
    assert len(open_source(HuggingFace(name=str(dataset), split="test"))) == 10


def test_the_fingerprint_of_a_dataset(dataset: Path, tmp_path: Path) -> None:
    one = open_source(HuggingFace(name=str(dataset)))
    dataset.rename(tmp_path / "elsewhere")
    assert open_source(HuggingFace(name=str(tmp_path / "elsewhere"))).fingerprint == one.fingerprint
    assert open_source(HuggingFace(name=str(tmp_path / "elsewhere"), split="test")).fingerprint != one.fingerprint


def test_saved_to_disk(tmp_path: Path) -> None:
    import datasets

    rows = datasets.Dataset.from_dict({"text": ["a", "b", "c"]})
    rows.select([2, 0]).save_to_disk(str(tmp_path / "plain"))
    datasets.DatasetDict({"train": rows}).save_to_disk(str(tmp_path / "splits"))
    plain = open_source(HuggingFace(name=str(tmp_path / "plain")))
    assert [plain.read(i).path for i in range(len(plain))] == ["row 0", "row 1"]
    assert open_source(HuggingFace(name=str(tmp_path / "splits"))).n_bytes == 3


def message(config: HuggingFace) -> str:
    with pytest.raises(ConfigError) as error:
        open_source(config)
    return str(error.value)


def test_errors_of_datasets(dataset: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    label = f'dataloader.sources: huggingface "{dataset}": '
    for streaming in (False, True):
        assert message(HuggingFace(name=str(dataset), split="tran", streaming=streaming)).endswith(f"; {FIX}")
        error = message(HuggingFace(name=str(dataset), config="nope", streaming=streaming))
        assert error == f"{label}BuilderConfig 'nope' not found. Available: ['default']; {FIX}"
    assert message(HuggingFace(name=str(tmp_path / "no"))) == (
        f'dataloader.sources: huggingface "{tmp_path}/no" does not exist; name a folder, or a dataset of the hub as '
        "OWNER/NAME"
    )
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "a.jsonl").write_text(json.dumps({"prompt": "x"}) + "\n")
    for streaming in (False, True):
        error = message(HuggingFace(name=str(tmp_path / "odd"), streaming=streaming))
        assert error.startswith(
            f'dataloader.sources: huggingface "{tmp_path}/odd" has no column of text (text, content,'
        )
    assert capfd.readouterr().err == ""


def test_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    for streaming in (False, True):
        error = message(HuggingFace(name="no/such", streaming=streaming))
        assert error.startswith("dataloader.sources: huggingface \"no/such\": Couldn't reach 'no/such' on the Hub (")
        assert error.endswith(f"; {FIX}") and "\n" not in error
