"""A name is a name: what means something in a pattern, a URL or a shell means nothing in a file's name that exists."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from codetitan.data.document import Document
from codetitan.data.sources.open import Directory, HuggingFace, Jsonl, Parquet, SourceConfig, open_source
from codetitan.errors import ConfigError

NAMES = ["part[1]", "a*b", "{x,y}", "100%", "#h ?", "a::b", "hf:", "~x", "$HOME", "=5b"]


@pytest.fixture(autouse=True)
def caches(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("caches")
    monkeypatch.setenv("CODETITAN_CACHE", str(folder / "own"))
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(folder / "hf"))
    yield


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".py":
        path.write_text(text)
    elif path.suffix == ".jsonl":
        path.write_text(json.dumps({"text": text}) + "\n")
    else:
        with path.open("wb") as file:
            pq.write_table(pa.table({"text": [text]}), file)


def texts(config: SourceConfig) -> list[str]:
    source = open_source(config)
    documents = [source.read(i) for i in range(len(source))]
    return sorted(document.text if isinstance(document, Document) else document.reason for document in documents)


@pytest.mark.parametrize("name", NAMES)
def test_every_file_is_served_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    for suffix in ("py", "jsonl", "parquet"):
        for folder in (name, "part1"):
            for file in (name, "part1"):
                write(tmp_path / f"{suffix}s" / folder / f"{file}.{suffix}", f"{folder} {file}")
    inside = [f"{name} part1", f"{name} {name}"]
    everything = sorted([*inside, "part1 part1", f"part1 {name}"])
    for top in ("", f"{tmp_path}/"):
        assert texts(Directory(path=f"{top}pys")) == texts(Jsonl(path=f"{top}jsonls")) == everything
        assert texts(Parquet(path=f"{top}parquets")) == texts(HuggingFace(name=f"{top}parquets")) == everything
    for kind, suffix in ((Jsonl, "jsonl"), (Parquet, "parquet")):
        assert texts(kind(path=f"{tmp_path}/{suffix}s/{name}/{name}.{suffix}")) == [f"{name} {name}"]
        monkeypatch.chdir(tmp_path / f"{suffix}s")
        assert texts(kind(path=name)) == sorted(inside)
        assert texts(HuggingFace(name=f"./{name}")) == sorted(inside)
        monkeypatch.chdir(name)
        assert texts(kind(path=f"{name}.{suffix}")) == [f"{name} {name}"]
    monkeypatch.chdir(tmp_path / "pys")
    assert texts(Directory(path=name)) == sorted(inside)


def test_a_pattern_is_one_where_no_file_is_so_called(tmp_path: Path) -> None:
    for name in ("part1", "part2", "part[2]"):
        write(tmp_path / f"{name}.parquet", name)
    assert texts(Parquet(path=f"{tmp_path}/part[12].parquet")) == ["part1", "part2"]
    assert texts(Parquet(path=f"{tmp_path}/part[2].parquet")) == ["part[2]"]
    assert texts(Parquet(path=f"{tmp_path}/*.parquet")) == ["part1", "part2", "part[2]"]
    for folder in ("in[1]", "in1"):
        write(tmp_path / folder / "a.parquet", folder)
    assert texts(Parquet(path=f"{tmp_path}/in[1]/*.parquet")) == ["in[1]"]
    assert texts(Parquet(path=f"{tmp_path}/in[12]/[ab].parquet")) == ["in1"]


def test_what_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe.jsonl")
    (tmp_path / "ring.jsonl").symlink_to("ring.jsonl")
    label = "dataloader.sources: jsonl "
    for name, said in (
        ("pipe.jsonl", "is a pipe or a device, and is read at random: write it to a file and name that"),
        ("ring.jsonl", "can't be read: Too many levels of symbolic links; name another"),
        ("x" * 300, "can't be read: File name too long; name another"),
        ("pipe.jsonl/x", "does not exist; name a file, a folder with *.jsonl files in it, or a pattern"),
    ):
        with pytest.raises(ConfigError) as error:
            open_source(Jsonl(path=f"{tmp_path}/{name}"))
        assert str(error.value) == f'{label}"{tmp_path}/{name}" {said}'
    stat = Path.stat
    monkeypatch.setattr(Path, "stat", lambda path, **how: closed() if path.name == "closed" else stat(path, **how))
    for config in (Jsonl(path="/closed"), Directory(path="/closed"), HuggingFace(name="/closed")):
        with pytest.raises(
            ConfigError, match=r'"/closed" can\'t be read: Permission denied; see the permissions of the'
        ):
            open_source(config)


def closed() -> os.stat_result:
    raise PermissionError(13, "Permission denied")


def test_a_saved_dataset_and_a_folder_in_it(tmp_path: Path) -> None:
    import datasets

    datasets.Dataset.from_dict({"text": ["saved"]}).save_to_disk(str(tmp_path / "plain"))
    (tmp_path / "plain").rename(tmp_path / "a::[1]")
    assert texts(HuggingFace(name=f"{tmp_path}/a::[1]")) == ["saved"]
    write(tmp_path / "[2]/data[1]/in.parquet", "in")
    write(tmp_path / "[2]/data1/in.parquet", "out")
    assert texts(HuggingFace(name=f"{tmp_path}/[2]", data_dir="data[1]")) == ["in"]


def test_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "x.jsonl", "here")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert texts(Jsonl(path="~/x.jsonl")) == texts(Jsonl(path="~")) == texts(Jsonl(path="~/[x].jsonl")) == ["here"]
    with pytest.raises(ConfigError) as error:
        open_source(Jsonl(path="~nobody-of-that-name/x.jsonl"))
    assert str(error.value) == (
        'dataloader.sources: jsonl: "~nobody-of-that-name/x.jsonl": there is no user "nobody-of-that-name"; write the '
        "whole path"
    )
