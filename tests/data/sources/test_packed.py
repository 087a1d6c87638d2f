"""Compressed JSON Lines are the same corpus as plain ones."""

import bz2
import gzip
import json
import multiprocessing
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from codetitan.data.document import Document
from codetitan.data.sources.open import Jsonl, Source, open_source
from codetitan.errors import ConfigError

LINES = [json.dumps({"text": f"x = {i}\n" * (i % 50), "path": f"{i}.py"}) + "\n" for i in range(2000)]


@pytest.fixture(autouse=True)
def caches(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("caches")
    monkeypatch.setenv("CODETITAN_CACHE", str(folder))
    yield folder


def zstd(data: bytes) -> bytes:
    return bytes(pa.compress(data, codec="zstd", asbytes=True))


PACK = {"gz": gzip.compress, "zst": zstd, "bz2": bz2.compress}


def write(folder: Path, name: str, data: bytes) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(data)
    return folder / name


def texts(source: Source) -> list[str]:
    documents = [source.read(i) for i in range(len(source))]
    return [document.text if isinstance(document, Document) else document.reason for document in documents]


def test_however_it_is_stored(tmp_path: Path) -> None:
    parts = ["".join(LINES[i::4]).encode() for i in range(4)]
    stores = ([""] * 4, [".gz"] * 4, [".zst", "", ".gz", ".bz2"], [".zst", ".gz", ".gz", ""])
    found = []
    for i, suffixes in enumerate(stores):
        for name, part, suffix in zip("abcd", parts, suffixes, strict=True):
            write(tmp_path / f"{i}", f"{name}.jsonl{suffix}", PACK[suffix[1:]](part) if suffix else part)
        source = open_source(Jsonl(path=str(tmp_path / f"{i}")))
        found.append((source.fingerprint, source.n_bytes, texts(source), source.languages().tolist()))
    assert all(one == found[0] for one in found) and len(found[0][2]) == 2000
    one, other = (open_source(Jsonl(path=f"{tmp_path}/{name}")) for name in ("1/a.jsonl.gz", "0/a.jsonl"))
    assert texts(one) == texts(other) and len(one) == 500
    assert len(open_source(Jsonl(path=f"{tmp_path}/2/*.jsonl.*"))) == 1500


@pytest.mark.parametrize("suffix", PACK)
def test_several_members_and_damage(tmp_path: Path, suffix: str, caches: Path) -> None:
    pack = PACK[suffix]
    data = "".join(LINES).encode()
    whole = pack(data[:9999]) + pack(data[9999:])
    path = write(tmp_path, f"a.jsonl.{suffix}", whole)
    expected = [json.loads(line)["text"] or "empty" for line in LINES]
    assert texts(open_source(Jsonl(path=str(path)))) == expected
    middle = bytearray(whole)
    middle[len(middle) // 2] ^= 0xFF
    for damaged in (whole[:-3], whole[: len(whole) // 2], bytes(middle), b'{"text": "plain"}\n', whole + b"no stream"):
        path.write_bytes(damaged)
        with pytest.raises(ConfigError) as error:
            open_source(Jsonl(path=str(path)))
        text = str(error.value)
        assert text.startswith(f'dataloader.sources: jsonl "{path}": "{path}" can\'t be decompressed: ')
        assert text.endswith("; fetch it again, or rename it if it is not compressed") and "\n" not in text
    path.write_bytes(whole)
    assert texts(open_source(Jsonl(path=str(path)))) == expected
    assert [file.suffix for file in (caches / "unpacked").iterdir() if file.suffix != ".lock"] == [".jsonl"]
    path.write_bytes(b"")
    with pytest.raises(ConfigError, match="is empty: a record a line is needed"):
        open_source(Jsonl(path=str(path)))


def test_a_copy_beside_its_file(tmp_path: Path) -> None:
    data = LINES[3].encode()
    write(tmp_path, "a.jsonl", data)
    write(tmp_path, "a.jsonl.gz", gzip.compress(data))
    write(tmp_path, "b.jsonl.gz", gzip.compress(data))
    write(tmp_path, "b.jsonl.zst", zstd(data))
    write(tmp_path, "c.jsonl.xz", b"")
    source = open_source(Jsonl(path=str(tmp_path)))
    assert len(source) == 2 and source.dropped == {"compressed copy": 2, "compressed otherwise": 1}


def test_a_window_that_is_too_large_for_us(tmp_path: Path) -> None:
    # Magic number, a descriptor without a size, a window of 2 GiB, and an empty last block: `zstd --long=31`.
    path = write(tmp_path, "a.jsonl.zst", b"\x28\xb5\x2f\xfd\x00\xa8\x01\x00\x00")
    with pytest.raises(ConfigError, match="its window is above 128 MiB: compress it again with `zstd --long=27`"):
        open_source(Jsonl(path=str(path)))


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caches: Path) -> None:
    path = write(tmp_path, "a.jsonl.gz", gzip.compress(LINES[3].encode()))
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(ConfigError, match="the cache is full; set CODETITAN_CACHE to a folder with room for the data"):
        open_source(Jsonl(path=str(path)))
    assert [file.suffix for file in (caches / "unpacked").iterdir()] == [".lock"]


def test_what_a_killed_process_left_is_removed(tmp_path: Path, caches: Path) -> None:
    path = write(tmp_path, "a.jsonl.gz", gzip.compress(LINES[3].encode()))
    open_source(Jsonl(path=str(path)))
    (copy,) = caches.glob("unpacked/*.jsonl")
    left = copy.with_name(f"{copy.name}.0123abcd.tmp")
    copy.rename(left)
    assert len(open_source(Jsonl(path=str(path)))) == 1 and copy.is_file() and not left.exists()


def _open(path: str, results: "multiprocessing.Queue[str]") -> None:
    results.put(open_source(Jsonl(path=path)).fingerprint)


def test_processes_that_start_together_decompress_once(tmp_path: Path, caches: Path) -> None:
    path = write(tmp_path, "a.jsonl.gz", gzip.compress("".join(LINES).encode()))
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    children = [context.Process(target=_open, args=(str(path), results)) for _ in range(4)]
    for child in children:
        child.start()
    prints = {results.get(timeout=60) for _ in children}
    for child in children:
        child.join()
    assert len(prints) == 1
    assert sorted(file.suffix for file in (caches / "unpacked").iterdir()) == [".jsonl", ".lock"]
