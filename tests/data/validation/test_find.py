"""What is held out is never trained on, and is measured unless the training has a copy of it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from codetitan.data.document import Document
from codetitan.data.held_out import HeldOutConfig, place
from codetitan.data.pieces.metadata import MetadataConfig
from codetitan.data.rows.loader import CodeDataLoader
from codetitan.data.sources.open import Directory, Jsonl
from codetitan.data.validation import find as module
from codetitan.data.validation.config import ValidationData
from codetitan.data.validation.find import documents, find
from codetitan.errors import ConfigError
from codetitan.tokenizer.code_tokenizer import CodeTokenizer
from tests.data.validation.conftest import written

BY_REPOSITORY = ValidationData(share=0.2)
BY_DOCUMENT = ValidationData(share=0.2, by="document")


def loader(tokenizer: CodeTokenizer, source: Jsonl, held_out: HeldOutConfig, **options: Any) -> CodeDataLoader:
    config = CodeDataLoader.Config(sources=[source], workers=0, held_out=held_out, **options)
    return CodeDataLoader(
        config, dp_world_size=1, dp_rank=0, tokenizer=tokenizer, seq_len=512, local_batch_size=4, rows=4
    )


def served(tokenizer: CodeTokenizer, source: Jsonl, held_out: HeldOutConfig, **options: Any) -> set[str]:
    """The paths of all documents of an epoch."""
    opened = loader(tokenizer, source, held_out, **options)
    batches: Iterator[Any] = opened.samples()
    paths: set[str] = set()
    while not opened.exhausted:
        paths |= {path for sample in next(batches) for part in sample for path in part.piece.name.split(", ")}
    return paths


@pytest.mark.parametrize(
    ("held_out", "options"),
    [
        (BY_REPOSITORY, {}),
        (BY_REPOSITORY, {"packing": "concatenate", "seed": 7}),
        (BY_DOCUMENT, {}),
        (BY_REPOSITORY, {"metadata": MetadataConfig(repository_level=1.0)}),
    ],
)
def test_an_epoch_serves_everything_else_and_nothing_that_is_held_out(
    tokenizer: CodeTokenizer, records: list[dict[str, str]], tmp_path: Path, held_out: ValidationData, options: Any
) -> None:
    source = written(records, tmp_path / "code.jsonl")
    out = {
        record["path"]
        for record in records
        if held_out.holds_out(Document("", record["path"], record["text"], repo=record["repo"]))
    }
    if "metadata" in options:
        tokenizer = CodeTokenizer(CodeTokenizer.Config(dialect="starcoder2"), tokenizer_path="code-32k")
    assert 0 < len(out) < len(records)
    assert served(tokenizer, source, held_out, **options) == {record["path"] for record in records} - out
    if held_out.by == "repository":
        whole = {record["repo"] for record in records if record["path"] in out}
        assert {record["path"] for record in records if record["repo"] in whole} == out
    # What is measured is what is held out, whatever the seed; each once.
    found = find(held_out, [source], tokens=1_000_000)
    measured = [document.path for document in documents(held_out, [source], found)]
    assert sorted(measured) == sorted(out) and found.held_out == len(out)


def test_where_a_document_stands_depends_on_nothing_else() -> None:
    """Pinned: a change would put what was trained on into the validation of a run that goes on."""
    document = Document("any", "a.py", "x = 1\n", repo="Owner/Name")
    assert place(document, "repository") == place(replace(document, repo="owner/name", text="y"), "repository")
    assert place(document, "document") == place(replace(document, repo=None, path="b.py"), "repository")
    assert [round(place(document, by), 6) for by in ("repository", "document")] == [0.698608, 0.637984]


def test_copies_are_left_out(records: list[dict[str, str]], tmp_path: Path) -> None:
    """A file of a held-out repository that lies in another one too is trained on there."""
    held = [r for r in records if place(Document("", "", "", repo=r["repo"]), "repository") < BY_REPOSITORY.share]
    trained = next(r["repo"] for r in records if r not in held)
    vendored = {**held[0], "repo": trained, "path": "vendor/a.py", "text": held[0]["text"].replace("\n", "\r\n")}
    near = {**held[1], "repo": trained, "path": "vendor/b.py", "text": held[1]["text"] + "\n# a line more\n"}
    source = written([*records, vendored, near], tmp_path / "code.jsonl")
    found = find(BY_REPOSITORY, [source], tokens=1_000_000)
    paths = {document.path for document in documents(BY_REPOSITORY, [source], found)}
    assert found.copies == 1 and held[0]["path"] not in paths and held[1]["path"] in paths
    assert found.summary(BY_REPOSITORY).endswith("; left out, for the training has them: 1 copy")
    pytest.importorskip("rensa")
    closely = replace(BY_REPOSITORY, near_duplicates=True)
    found = find(closely, [source], tokens=1_000_000)
    paths = {document.path for document in documents(closely, [source], found)}
    assert (found.copies, found.near_copies) == (1, 1) and not {held[0]["path"], held[1]["path"]} & paths


def test_a_changed_text_is_seen(records: list[dict[str, str]], tmp_path: Path) -> None:
    """The fingerprint of a folder looks into a part of its files; what is measured is held out all the same."""
    for i in range(200):
        (tmp_path / f"{i:03}.py").write_text(f"x = {i:06}\n")
    source = Directory(path=str(tmp_path), exclude=["cache"])
    assert len(find(BY_DOCUMENT, [source], tokens=10_000).documents) > 10
    for file in sorted(tmp_path.glob("*.py"))[1::4]:
        file.write_text(file.read_text().replace("x", "y"))
    found = find(BY_DOCUMENT, [source], tokens=10_000)
    assert all(BY_DOCUMENT.holds_out(document) for document in documents(BY_DOCUMENT, [source], found))


def test_a_corpus_of_its_own(records: list[dict[str, str]], tmp_path: Path) -> None:
    training = written(records[20:], tmp_path / "training.jsonl")
    own = replace(written(records[:25], tmp_path / "own.jsonl"), epochs=None)
    config = ValidationData(sources=[own])
    found = find(config, [training], tokens=1_000_000)
    assert (len(found.documents), found.held_out, found.copies) == (20, 25, 5)
    assert "25 documents of their own" in found.summary(config)


def test_the_corpus_is_read_once(
    records: list[dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = written(records, tmp_path / "code.jsonl")
    found = find(BY_REPOSITORY, [source], tokens=10_000)
    monkeypatch.setattr(module, "search", lambda *_: pytest.fail("it is in the cache"))
    assert find(BY_REPOSITORY, [source], tokens=10_000) == found
    written(records[1:], tmp_path / "code.jsonl")
    with pytest.raises(pytest.fail.Exception):
        find(BY_REPOSITORY, [source], tokens=10_000)


@pytest.mark.parametrize(
    ("config", "line"),
    [
        (
            ValidationData(share=1e-9),
            "validation.share = 1e-09 holds out none of the 3 documents of dataloader.sources; raise it, set "
            'validation.by = "document", or name validation.sources',
        ),
        (
            ValidationData(share=0.5),
            "validation.share = 0.5 holds out all documents of jsonl:",
        ),
        (
            ValidationData(sources=[Directory(path="no/such")]),
            'validation.sources: directory "no/such" does not exist; create it, or measure on the Python standard '
            "library with --validation.sources python-stdlib",
        ),
    ],
)
def test_what_leaves_nothing(tmp_path: Path, config: ValidationData, line: str) -> None:
    records = [{"path": f"{i}.py", "text": f"x = {i}\n", "repo": "owner/low"} for i in range(3)]
    assert 1e-9 < place(Document("", "", "", repo="owner/low"), "repository") < 0.5
    with pytest.raises(ConfigError) as error:
        find(config, [written(records, tmp_path / "code.jsonl")], tokens=1000)
    assert line in str(error.value)


def test_other_trainers_hold_out_too(records: list[dict[str, str]], tmp_path: Path) -> None:
    from codetitan.data import open_loader, read_config

    source = written(records, tmp_path / "code.jsonl")
    file = tmp_path / "config.toml"
    file.write_text(
        f"[training]\nseq_len = 512\nlocal_batch_size = 4\n[validation]\nshare = 0.2\ninterval = 10\n"
        f'[[dataloader.sources]]\ntype = "jsonl"\npath = "{source.path}"\n'
    )
    assert open_loader(read_config(file)).config.held_out == HeldOutConfig(share=0.2)
