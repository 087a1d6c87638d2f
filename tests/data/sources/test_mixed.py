"""Stores whose files differ: nothing is inferred from some records that others could contradict."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from codetitan.data.document import Document
from codetitan.data.sources import jsonl
from codetitan.data.sources.open import HuggingFace, Jsonl, Parquet, Source, open_source
from codetitan.errors import ConfigError

Record = dict[str, Any]


@pytest.fixture(autouse=True)
def caches(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("caches")
    monkeypatch.setenv("CODETITAN_CACHE", str(folder))
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(folder / "hf"))
    yield folder


def served(source: Source) -> tuple[list[Document], Counter[str]]:
    documents, reasons = [], Counter[str]()
    for i in range(len(source)):
        document = source.read(i)
        if isinstance(document, Document):
            documents.append(document)
        else:
            reasons[document.reason] += 1
    return documents, reasons


def write(path: Path, records: list[Record]) -> None:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


@pytest.mark.parametrize("full", [(1, 3), (0,), (4,), (2, 3)])
def test_empty_shards_between_full_ones(tmp_path: Path, full: tuple[int, ...]) -> None:
    for i in range(5):
        write(tmp_path / f"{i:02}.jsonl", [{"text": f"{i}"}] * 2 if i in full else [])
    documents, reasons = served(open_source(Jsonl(path=str(tmp_path))))
    assert [document.text for document in documents] == [f"{i}" for i in full for _ in range(2)] and not reasons


def test_records_without_text_come_first(tmp_path: Path) -> None:
    lines: list[Record] = [{"id": i} for i in range(1200)] + [{"text": f"{i}", "license": "MIT"} for i in range(1200)]
    write(tmp_path / "a.jsonl", lines)
    documents, reasons = served(open_source(Jsonl(path=str(tmp_path / "a.jsonl"))))
    assert [document.text for document in documents] == [f"{i}" for i in range(1200)]
    assert reasons == {"no text": 1200} and {document.licence for document in documents} == {"MIT"}
    found, reasons = served(open_source(Jsonl(path=str(tmp_path), fields={"text": "id", "licence": "license"})))
    assert not found and reasons == {"text is no string": 1200, "no text": 1200}


def test_each_record_has_columns_of_its_own(tmp_path: Path) -> None:
    """Also where all that a sample sees agrees, and what comes behind it does not."""
    records: list[Record] = [{"content": "1", "path": "a.py"}] * 1100
    records += [{"text": "2", "file_path": "b.go", "licenses": ["MIT"]}, {"text": "3", "content": "no", "path": None}]
    records += [{"path": "c.py"}, {"code": "4", "docstring": "says", "language": "go"}]
    write(tmp_path / "a.jsonl", records)
    documents, reasons = served(open_source(Jsonl(path=str(tmp_path / "a.jsonl"))))
    assert [(d.text, d.path, d.licence) for d in documents[1100:]] == [
        ("2", "b.go", "MIT"), ("3", "a.jsonl:1102", None), ("// says\n4", "a.jsonl:1104", None),
    ]  # fmt: skip
    assert reasons == {"no text": 1}


def test_what_no_line_has_is_said_after_all_were_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonl, "_SAMPLE_LINES", 2)
    write(tmp_path / "a.jsonl", [{"contents": "x"}] * 5 + [{"id": 3}])
    for fields, end in (
        ({}, 'there are contents, id; name it with fields = {text = "COLUMN"}; did you mean "contents"?'),
        ({"text": "idd"}, 'fields.text = "idd" is no column; there are contents, id; did you mean "id"?'),
    ):
        with pytest.raises(ConfigError) as error:
            open_source(Jsonl(path=str(tmp_path), fields=fields))
        assert str(error.value).endswith(end)


def test_the_fingerprint_of_records_that_agree_does_not_depend_on_gaps(tmp_path: Path) -> None:
    """A record that lacks a column is no other store; one that has its text elsewhere is."""
    prints = []
    for i, other in enumerate(
        ({"text": "y", "repo": "a/b"}, {"text": "y", "pepo": "a/b"}, {"code": "y", "repo": "ab"})
    ):
        (tmp_path / f"{i}").mkdir()
        write(tmp_path / f"{i}" / "a.jsonl", [{"text": "x", "repo": "o/n"}, other])
        source = open_source(Jsonl(path=str(tmp_path / f"{i}")))
        assert isinstance(source, jsonl.JsonlSource)
        prints.append(source._columns)
    assert prints[0] == prints[1] != prints[2]


TEXTS = pa.array(["a", "b"])
DICTIONARY = pa.array(["MIT", "ISC"]).dictionary_encode()


@pytest.mark.parametrize(
    ("one", "two", "licences", "stars"),
    [
        ({"license": pa.nulls(2)}, {"license": ["MIT", "ISC"]}, [None, None, "MIT", "ISC"], [None] * 4),
        ({}, {"license": ["MIT", "ISC"]}, [None, None, "MIT", "ISC"], [None] * 4),
        ({"license": pa.array(["MIT", None], pa.large_string())}, {"license": DICTIONARY},
         ["MIT", None, "MIT", "ISC"], [None] * 4),
        ({"license": [["MIT", "ISC"], []]}, {"license": ["MIT", "ISC"]},
         ["MIT AND ISC", None, "MIT", "ISC"], [None] * 4),
        ({"license": pa.array([None, None], pa.list_(pa.null()))}, {"license": [["MIT"], None]},
         [None, None, "MIT", None], [None] * 4),
        ({"stars": pa.array([1, 2], pa.int32())}, {"stars": pa.array([3, 4], pa.uint64())}, [None] * 4, [1, 2, 3, 4]),
        ({"stars": pa.array([1, None], pa.float64())}, {"stars": pa.nulls(2)}, [None] * 4, [1, None, None, None]),
    ],
)  # fmt: skip
def test_parquet_files_of_several_types(
    tmp_path: Path, one: Record, two: Record, licences: list[str], stars: list[int]
) -> None:
    for order in (("a", one, "b", two), ("b", one, "a", two)):
        for name, columns in zip(order[::2], order[1::2], strict=True):
            pq.write_table(pa.table({"text": TEXTS, **columns}), tmp_path / f"{name}.parquet")
        documents, _ = served(open_source(Parquet(path=str(tmp_path))))
        swap = order[0] == "b"
        assert [d.licence for d in documents] == (licences[2:] + licences[:2] if swap else licences)
        assert [d.stars for d in documents] == (stars[2:] + stars[:2] if swap else stars)


def test_parquet_files_whose_text_is_elsewhere_or_nowhere(tmp_path: Path) -> None:
    tables = [{"id": [1, 2]}, {"text": pa.nulls(2)}, {"text": pa.array(["x", None], pa.large_string())},
              {"content": pa.array(["y", "z"]).dictionary_encode(), "lang": ["Go", None]}]  # fmt: skip
    for i, table in enumerate(tables):
        pq.write_table(pa.table(table), tmp_path / f"{i}.parquet")
    source = open_source(Parquet(path=str(tmp_path)))
    documents, reasons = served(source)
    assert [document.text for document in documents] == ["x", "y", "z"] and reasons == {"no text": 5}
    assert [document.language for document in documents] == ["other", "go", "other"]
    assert len(source.languages()) == 8 and source.read(7).path == "row 7" and source.n_bytes == 3


@pytest.mark.parametrize(
    ("name", "one", "two", "types"),
    [
        ("text", ["a"], [1], ("string", "int64")),
        ("text", [["a"]], ["a"], ("list<element: string>", "string")),
        ("stars", [1], ["1"], ("int64", "string")),
        ("license", [1.5], ["MIT"], ("double", "string")),
        ("path", [b"a"], ["a"], ("binary", "string")),
    ],
)
def test_types_at_odds_name_both_files(
    tmp_path: Path, name: str, one: list[Any], two: list[Any], types: tuple[str, str]
) -> None:
    for file, values in (("a", one), ("b", None), ("c", two)):
        table = {"text": ["x"]} | ({name: values} if values else {})
        pq.write_table(pa.table(table), tmp_path / f"{file}.parquet")
    if name == "text":
        (tmp_path / "b.parquet").unlink()
    with pytest.raises(ConfigError) as error:
        open_source(Parquet(path=str(tmp_path)))
    assert str(error.value) == (
        f'dataloader.sources: parquet "{tmp_path}": the column "{name}" is {types[0]} in "{tmp_path}/a.parquet" and '
        f'{types[1]} in "{tmp_path}/c.parquet"; make their types the same, or give each its own source'
    )


def test_a_column_twice(tmp_path: Path) -> None:
    table = pa.Table.from_arrays([TEXTS, TEXTS], names=["text", "text"])
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(ConfigError, match=r'a\.parquet" has the column "text" twice; rename one of them'):
        open_source(Parquet(path=str(tmp_path)))


def test_the_arrow_form_is_made_once_and_again_where_it_is_damaged(tmp_path: Path, caches: Path) -> None:
    pq.write_table(pa.table({"text": TEXTS}), tmp_path / "a.parquet")

    def texts() -> list[str]:
        return [document.text for document in served(open_source(Parquet(path=str(tmp_path))))[0]]

    assert texts() == ["a", "b"]
    (made,) = caches.glob("arrow/*.arrow")
    before = made.stat()
    assert texts() == ["a", "b"] and made.stat().st_ino == before.st_ino
    made.write_bytes(b"damaged")
    assert texts() == ["a", "b"]
    pq.write_table(pa.table({"text": ["other", "texts"]}), tmp_path / "a.parquet")
    assert texts() == ["other", "texts"] and len(list(caches.glob("arrow/*.arrow"))) == 1
    assert not list(caches.glob("arrow/*.tmp"))


@pytest.mark.parametrize("folder", ["plain", "[1]"])
def test_a_dataset_whose_files_are_not_alike(tmp_path: Path, folder: str) -> None:
    """datasets takes the first file's columns and types for all; each Parquet file has its own here too."""
    place = tmp_path / folder
    (place / "data").mkdir(parents=True)
    for split in ("test", "train"):
        pq.write_table(
            pa.table({"text": TEXTS, "license": pa.nulls(2)}), place / f"data/{split}-00000-of-00002.parquet"
        )
        pq.write_table(
            pa.table({"text": [split, "d"], "license": ["MIT", "ISC"], "extra": [1, 2]}),
            place / f"data/{split}-00001-of-00002.parquet",
        )
    documents, _ = served(open_source(HuggingFace(name=str(place))))
    assert [(document.text, document.licence) for document in documents] == [
        ("a", None), ("b", None), ("train", "MIT"), ("d", "ISC"),
    ]  # fmt: skip
    with pytest.raises(ConfigError, match="datasets wants the same columns and types in every file"):
        open_source(HuggingFace(name=str(place), split="train[:50%]"))


def test_what_datasets_refuses_comes_with_a_way_out(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", [{"id": 1}] * 20)
    write(tmp_path / "b.jsonl", [{"id": 1, "text": "x"}])
    with pytest.raises(ConfigError, match=r"name a local copy as parquet:PATH or jsonl:PATH, where each file has its"):
        open_source(HuggingFace(name=str(tmp_path)))


def test_a_cache_of_datasets_that_can_not_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which is no fault of the data, and said to be none."""
    pq.write_table(pa.table({"text": TEXTS}), tmp_path / "a.parquet")
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", "/proc/nowhere/datasets")
    with pytest.raises(ConfigError, match=r"the cache can't be written; set HF_DATASETS_CACHE to a folder with room"):
        open_source(HuggingFace(name=str(tmp_path)))
