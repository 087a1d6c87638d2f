"""JSON Lines and Parquet: real code in the schemas of public datasets, and hostile input."""

import json
import os
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codetitan.data.document import Document, Dropped
from codetitan.data.language import LANGUAGES
from codetitan.data.sources.open import HuggingFace, Jsonl, Parquet, Source, check_usable, open_source
from codetitan.data.sources.records import by_record, to_document
from codetitan.errors import ConfigError

Record = dict[str, Any]


@pytest.fixture(autouse=True)
def caches(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("caches")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "xdg"))
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(folder / "hf"))
    monkeypatch.setattr("time.sleep", lambda _: None)
    yield folder


@pytest.fixture(scope="module")
def code() -> list[tuple[str, str]]:
    """(path, text) of real files: Python, C headers, JSON and what else packages bring."""
    root = Path(sysconfig.get_path("purelib"))
    patterns = ["pip/_vendor/r*/**/*.py", "torch/include/c10/util/*.h", "numpy/_core/include/**/*.h", "*/METADATA"]
    paths = sorted(path for pattern in patterns for path in root.glob(pattern))
    return [(path.relative_to(root).as_posix(), path.read_text("utf-8")) for path in paths if path.stat().st_size]


def jsonl(path: Path, records: list[Record]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def read_all(source: Source) -> list[Document | Dropped]:
    return [source.read(i) for i in range(len(source))]


def message(config: Jsonl | Parquet | HuggingFace) -> str:
    with pytest.raises(ConfigError) as error:
        open_source(config)
    return str(error.value)


# schema → (record of a file, what its document has)
SCHEMAS: dict[str, tuple[Record, Record]] = {
    "the-stack-smol": (
        {"content": "", "avg_line_length": 1.5, "licenses": ["MIT", "Apache-2.0"], "repository_name": "o/n",
         "path": "src/a.py", "size": 3, "lang": "Python"},
        {"repo": "o/n", "path": "src/a.py", "licence": "MIT AND Apache-2.0", "language": "python", "stars": None},
    ),
    "codeparrot-clean": (
        {"repo_name": "o/n", "path": "a.py", "copies": "3", "size": "12", "content": "", "license": "gpl-2.0"},
        {"repo": "o/n", "path": "a.py", "licence": "gpl-2.0", "language": "python", "stars": None},
    ),
    "the-stack": (
        {"hexsha": "x", "size": 3, "ext": "cs", "lang": "C#", "max_stars_repo_path": "A.cs", "content": "",
         "max_stars_repo_name": "o/n", "max_stars_repo_licenses": ["MIT"], "max_stars_count": 12.0},
        {"repo": "o/n", "path": "A.cs", "licence": "MIT", "language": "c#", "stars": 12},
    ),
    "plain": (
        {"text": "", "repo": "o/n", "path": "x/y.rs", "stars": 3},
        {"repo": "o/n", "path": "x/y.rs", "licence": None, "language": "rust", "stars": 3},
    ),
    "nothing but text": (
        {"content": ""},
        {"repo": None, "licence": None, "language": "other", "stars": None},
    ),
}  # fmt: skip


@pytest.mark.parametrize("schema", SCHEMAS)
def test_schemas(tmp_path: Path, code: list[tuple[str, str]], schema: str) -> None:
    """Every store gives the same documents, in both forms."""
    record, expected = SCHEMAS[schema]
    column = "content" if "content" in record else "text"
    records = [{**record, column: text} for _, text in code[:50]]
    pq.write_table(pa.Table.from_pylist(records), tmp_path / "a.parquet", row_group_size=7)
    for config in (Jsonl(path=str(jsonl(tmp_path / "a.jsonl", records))), Parquet(path=str(tmp_path / "a.parquet"))):
        source = open_source(config)
        check_usable([source])
        for document, (_, text) in zip(read_all(source), code[:50], strict=True):
            assert isinstance(document, Document) and document.text == text
            assert {name: getattr(document, name) for name in expected} == expected


PYTHON = 'def f(x):\n    """Squares."""\n    return x * x'
GO = "func F(x int) int {\n\treturn x * x\n}"


@pytest.mark.parametrize(
    ("record", "text"),
    [
        ({"whole_func_string": PYTHON, "func_documentation_string": "Squares.", "language": "python"}, PYTHON),
        ({"func_code_string": PYTHON, "func_documentation_string": "Squares.", "language": "python"}, PYTHON),
        ({"whole_func_string": GO, "func_code_string": GO, "func_documentation_string": "F squares.\n\nAlways.",
          "language": "go"}, "// F squares.\n//\n// Always.\n" + GO),
        ({"func_code_string": "int f() {}", "func_documentation_string": "Does.\n\n@return 0", "language": "java"},
         "/**\n * Does.\n *\n * @return 0\n */\nint f() {}"),
        ({"original_string": "def f; end", "docstring": "Does", "language": "ruby"}, "# Does\ndef f; end"),
        ({"func_code_string": "f(){}", "func_documentation_string": "a */ b", "language": "php"}, "f(){}"),
        ({"func_code_string": "f(){}", "func_documentation_string": None, "language": "php"}, "f(){}"),
        ({"func_code_string": "f(){}", "func_documentation_string": "x", "language": "brainfuck"}, "f(){}"),
    ],
)  # fmt: skip
def test_functions_come_with_their_documentation(tmp_path: Path, record: Record, text: str) -> None:
    record = {"repository_name": "o/n", "func_path_in_repository": "a", **record}
    document = open_source(Jsonl(path=str(jsonl(tmp_path / "a.jsonl", [record])))).read(0)
    assert isinstance(document, Document) and document.text == text


def test_fields(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", [{"content": "no", "body": "yes", "code": "no", "where": "a.c", "owner": "o/n"}])
    document = open_source(Jsonl(path=str(path), fields={"text": "body", "path": "where", "repo": "owner"})).read(0)
    assert document == Document(f"jsonl:{path}", "a.c", "yes", "o/n", "c")
    label = f'dataloader.sources: jsonl "{path}": '
    assert message(Jsonl(path=str(path), fields={"txt": "body"})) == (
        label + 'fields.txt: unknown key; did you mean "text"?'
    )
    assert message(Jsonl(path=str(path), fields={"text": "bdy"})) == (
        label + 'fields.text = "bdy" is no column; there are content, body, code, where, owner; did you mean "body"?'
    )


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_no_column_of_text(tmp_path: Path, kind: str) -> None:
    records = [{"contents": "x", "id": 3}]
    path = tmp_path / f"a.{kind}"
    if kind == "jsonl":
        jsonl(path, records)
    else:
        pq.write_table(pa.Table.from_pylist(records), path)
    config = Jsonl(path=str(path)) if kind == "jsonl" else Parquet(path=str(path))
    assert message(config) == (
        f'dataloader.sources: {kind} "{path}" has no column of text (text, content, whole_func_string, '
        "original_string, code, func_code_string); there are contents, id; name it with "
        'fields = {text = "COLUMN"}; did you mean "contents"?'
    )


def test_what_no_line_may_hold(tmp_path: Path) -> None:
    lines = [
        b'{"text": "fine", "path": "a.py"}',
        b"",
        b'{"text": "broken"',
        b'{"text": null}',
        b'{"path": "a.py"}',
        b'{"text": 3}',
        b'{"text": ["a"]}',
        b'{"text": "\\ud800"}',
        b'{"text": "\\ud83d\\ude00"}',
        b'{"text": "\xff"}',
        b'{"text": ""}',
        b'["text"]',
        b'{"text": "' + b"x" * 2000 + b'"}',
        b'{"text": "' + b"y" * 2_000_000 + b'"}',
        b'{"text": "a\x00b"}',
        b'{"text": "a\\u0000b"}',
        b"[" * 100_000,
        '{"text": "# שלום", "path": "\u202eyp.a"}'.encode(),
        b'{"text": "crlf", "stars": 1' + b"0" * 400 + b"}\r",
        b'  \r',
        b'{"text": "the end"}',
    ]  # fmt: skip
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + b"\n".join(lines))
    source = open_source(Jsonl(path=str(path), max_bytes=1000))
    read = read_all(source)
    assert [document.text if isinstance(document, Document) else document.reason for document in read] == [
        "fine", "empty", "not JSON", "no text", "no text", "text is no string", "text is no string", "lone surrogates",
        "😀", "not UTF-8", "empty", "no JSON object", "too large", "too large", "not JSON", "a\0b", "not JSON",
        "# שלום", "crlf", "empty", "the end",
    ]  # fmt: skip
    assert read[2] == Dropped(f"jsonl:{path}", "a.jsonl:3", "not JSON")
    assert read[17].path == "a.jsonl:18"  # a name that would turn a terminal's text round is no name
    assert len(source.languages()) == len(lines)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=40),
            st.dictionaries(st.sampled_from(["text", "path", "lang", "stars"]), st.none() | st.integers() | st.text())
            .map(json.dumps)
            .map(str.encode),
            st.sampled_from([b"", b"\r", b"\x00", b'{"text": "\\udc00"}', b"{}", b"\n\n", b'{"text": NaN}']),
        ),
        max_size=30,
    ),
    st.booleans(),
)
def test_any_bytes(tmp_path: Path, lines: list[bytes], ends: bool) -> None:
    """The plain twin: split at line ends, parse each."""
    path = tmp_path / "any.jsonl"
    data = b'{"text": "first", "path": null, "lang": null, "stars": 1}\n' + b"\n".join(lines) + (b"\n" if ends else b"")
    path.write_bytes(data)
    source = open_source(Jsonl(path=str(path)))
    expected = data.split(b"\n")
    expected = expected[:-1] if expected[-1] == b"" else expected
    assert len(source) == len(expected)
    languages = source.languages()
    for i, line in enumerate(expected):
        document = source.read(i)
        try:
            text = json.loads(line.decode())["text"]
            text.encode()
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            text = None
        assert (document.text if isinstance(document, Document) else None) == (text or None)
        language = document.language if isinstance(document, Document) else "other"
        assert LANGUAGES[languages[i]] == language
        assert document.path.isprintable()


def test_several_files(tmp_path: Path) -> None:
    for name in ("b.jsonl", "a.jsonl", "deep/c.jsonl", ".hidden/d.jsonl", "e.txt"):
        jsonl(tmp_path / name, [{"text": f"{name} {i}"} for i in range(3)])
    (tmp_path / "empty.jsonl").touch()
    folder = open_source(Jsonl(path=str(tmp_path)))
    assert [document.path for document in read_all(folder)] == [
        f"{name}:{i}" for name in ("a.jsonl", "b.jsonl", "deep/c.jsonl") for i in (1, 2, 3)
    ]
    assert len(open_source(Jsonl(path=str(tmp_path / "[ab].jsonl")))) == 6
    assert len(open_source(Jsonl(path=str(tmp_path / "**" / "*.jsonl")))) == 12  # a pattern says what it says
    assert len(open_source(Jsonl(path=str(tmp_path / "*.txt")))) == 3


def test_the_fingerprint_follows_the_data_not_the_place(tmp_path: Path, code: list[tuple[str, str]]) -> None:
    records = [{"content": text, "path": path} for path, text in code]

    def fingerprints(folder: str) -> tuple[str, str]:
        jsonl(tmp_path / folder / "a.jsonl", records)
        pq.write_table(pa.Table.from_pylist(records), tmp_path / folder / "a.parquet")
        configs = Jsonl(path=str(tmp_path / folder)), Parquet(path=str(tmp_path / folder))
        one, two = (open_source(config).fingerprint for config in configs)
        return one, two

    before = fingerprints("one")
    assert fingerprints("two") == before
    records[-1]["content"] = records[-1]["content"].swapcase()
    after = fingerprints("three")
    assert after[0] != before[0] and after[1] != before[1]
    assert open_source(Jsonl(path=str(tmp_path / "one"), max_bytes=7)).fingerprint != before[0]


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_missing_files(tmp_path: Path, kind: str) -> None:
    def error(path: Path) -> str:
        return message(Jsonl(path=str(path)) if kind == "jsonl" else Parquet(path=str(path)))

    label = f'dataloader.sources: {kind} "{tmp_path}'
    assert error(tmp_path / "no") == (
        f'{label}/no" does not exist; name a file, a folder with *.{kind} files in it, or a pattern'
    )
    assert (
        error(tmp_path) == f'{label}": no file *.{kind} below the folder; name one, or a pattern such as "DIR/*.json"'
    )
    assert error(tmp_path / "*.x") == (
        f'{label}/*.x": no file matches the pattern; see `ls {tmp_path}/*.x`, and quote it on a command line'
    )


def test_empty_and_compressed_files(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.touch()
    assert message(Jsonl(path=str(path))) == f'dataloader.sources: jsonl "{path}" is empty: a record a line is needed'
    path.write_text("[]\nhello\n")
    assert message(Jsonl(path=str(path))) == (
        f'dataloader.sources: jsonl "{path}": no line is a JSON object; a record a line is needed'
    )
    path.unlink()
    for suffix in ("xz", "lz4", "zip"):
        packed = tmp_path / f"a.jsonl.{suffix}"
        packed.write_bytes(b"x")
        for place in (packed, tmp_path):
            assert message(Jsonl(path=str(place))) == (
                f'dataloader.sources: jsonl "{place}": "{packed}" is compressed, and its records can\'t be read at '
                "random: decompress it, or convert it to Parquet and name it parquet:PATH"
            )
        packed.unlink()
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), tmp_path / "a.parquet")
    assert message(Parquet(path=str(tmp_path))) == f'dataloader.sources: parquet "{tmp_path}" has no row'
    pq.write_table(pa.table({"text": ["x"]}), tmp_path / "b.parquet")
    assert len(open_source(Parquet(path=str(tmp_path)))) == 1
    (tmp_path / "b.parquet").unlink()
    pq.write_table(pa.table({"text": [1, 2]}), tmp_path / "a.parquet")
    assert message(Parquet(path=str(tmp_path))) == (
        f'dataloader.sources: parquet "{tmp_path}": the column "text" is int64, no text; name another with '
        'fields = {text = "COLUMN"}'
    )


def test_a_file_that_is_cut_under_a_reader(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", [{"text": "x" * 100} for _ in range(1000)])
    source = open_source(Jsonl(path=str(path)))
    assert isinstance(source.read(999), Document)
    os.truncate(path, 5000)
    for index in (0, 999):
        with pytest.raises(ConfigError) as error:
            source.read(index)
        assert str(error.value) == (
            f'dataloader.sources: "{path}" has changed since the run started: restore it and start the same '
            "command again"
        )
    jsonl(path, [{"text": "x" * 100} for _ in range(1000)])
    assert isinstance(source.read(999), Document)
    path.unlink()
    assert isinstance(source.read(998), Document)  # an open file outlives its name


def test_the_index_is_kept(tmp_path: Path, caches: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", [{"text": "x", "lang": "Go"}])
    folder = caches / "xdg" / "codetitan" / "lines"
    open_source(Jsonl(path=str(path))).languages()
    bounds, languages = sorted(folder.iterdir(), key=lambda file: len(file.name))
    assert bounds.name.endswith(f"-{path.stat().st_size}-{path.stat().st_mtime_ns}.npy")
    assert np.load(bounds).tolist() == [0, path.stat().st_size] and np.load(bounds).dtype == np.int64
    assert np.load(languages).tolist() == [LANGUAGES.index("go")]
    np.save(languages, np.array([LANGUAGES.index("rust")], np.uint8))
    assert open_source(Jsonl(path=str(path))).languages().tolist() == [LANGUAGES.index("rust")]
    for damage in (b"", b"junk", bounds.read_bytes()[:-1], np.zeros(3).tobytes()):
        bounds.unlink()
        bounds.write_bytes(damage)
        assert len(open_source(Jsonl(path=str(path)))) == 1
    jsonl(path, [{"text": "x"}, {"text": "y"}])
    assert len(open_source(Jsonl(path=str(path)))) == 2
    assert len(list(folder.iterdir())) == 1  # the old index and the old languages went


def test_no_cache_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = jsonl(tmp_path / "a.jsonl", [{"text": "x"}, {"text": "y"}])
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nowhere")
    monkeypatch.setenv("CODETITAN_CACHE", "")
    monkeypatch.setattr("tempfile.tempdir", "/proc/nowhere")
    source = open_source(Jsonl(path=str(path)))
    assert len(source) == 2 and source.languages().tolist() == [0, 0]


def test_many_lines_open_fast(tmp_path: Path) -> None:
    """Over 500 MB/s where a core is free; a tenth of that where it is not."""
    path = tmp_path / "a.jsonl"
    block = b'{"text": "x = 1", "path": "a.py"}\n' * 100_000
    with path.open("wb") as file:
        for _ in range(20):
            file.write(block)
    start = time.perf_counter()
    source = open_source(Jsonl(path=str(path)))
    assert len(source) == 2_000_000 and time.perf_counter() - start < path.stat().st_size / 50e6
    assert source.read(1_999_999).path == "a.py"


def test_parquet_languages_by_column(tmp_path: Path, code: list[tuple[str, str]]) -> None:
    """With a column of languages, without, and where it is half empty: as each document says."""
    records = [{"content": text, "path": path} for path, text in code]
    words = [[None, "C++", "Klingon", "jupyter-notebook"][i % 4] for i in range(len(records))]
    for i, table in enumerate(
        [
            pa.Table.from_pylist(records),
            pa.Table.from_pylist(records).append_column("lang", pa.array(words)),
            pa.Table.from_pylist(records).append_column("lang", pa.array(words).dictionary_encode()),
            pa.table({"content": [record["content"] for record in records]}),
            pa.Table.from_pylist(records).append_column("lang", pa.array(range(len(records)))),
        ]
    ):
        pq.write_table(table, tmp_path / f"{i}.parquet", row_group_size=100)
        source = open_source(Parquet(path=str(tmp_path / f"{i}.parquet")))
        found = [LANGUAGES[language] for language in source.languages()]
        assert found == [
            document.language if isinstance(document, Document) else "other" for document in read_all(source)
        ]
        assert i == 3 or len(set(found)) > 2


def test_damaged_parquet(tmp_path: Path) -> None:
    good, bad = tmp_path / "a.parquet", tmp_path / "b.parquet"
    pq.write_table(pa.table({"text": ["x" * 50] * 1000}), good)
    bad.write_bytes(good.read_bytes()[:-100])
    error = message(Parquet(path=str(tmp_path)))
    assert error.startswith(f'dataloader.sources: parquet "{tmp_path}": "{bad}" is no whole Parquet file: ')
    assert error.endswith("; fetch it again") and "\n" not in error
    data = bytearray(good.read_bytes())
    data[4:200] = b"\xff" * 196  # the footer is whole, a page is not
    good.write_bytes(data)
    bad.unlink()
    error = message(Parquet(path=str(tmp_path)))
    assert error.startswith(f'dataloader.sources: parquet "{tmp_path}": ') and "\n" not in error


def test_bytes_that_are_no_text_in_parquet(tmp_path: Path) -> None:
    raw = pa.array([b"fine", b"\xff\xfe", None, b""], pa.binary())
    text = pa.StringArray.from_buffers(4, raw.buffers()[1], raw.buffers()[2], raw.buffers()[0])
    pq.write_table(pa.table({"text": text}), tmp_path / "a.parquet")
    source = open_source(Parquet(path=str(tmp_path / "a.parquet")))
    assert [document.reason if isinstance(document, Dropped) else document.text for document in read_all(source)] == [
        "fine", "not UTF-8", "no text", "empty",
    ]  # fmt: skip
    assert source.read(1).path == "row 1" and len(source.languages()) == 4


def test_stars_that_no_table_has_room_for_are_none() -> None:
    """Such a number in one row of JSON ended a whole run of `prepare`."""
    for stars, found in ((2**63 - 1, 2**63 - 1), (2**63, None), (-1, None), (7.0, 7), (float("inf"), None)):
        record = {"text": "x", "stars": stars}
        document = to_document("s", "0", record, by_record({})(record), 100)
        assert isinstance(document, Document) and document.stars == found
