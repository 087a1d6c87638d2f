"""Sources have names of their own; what of them is served, and under which licences, is counted as it is."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from codetitan.config import data
from codetitan.config.data import BatchConfig, DataConfig
from codetitan.data.rows.loader import CodeDataLoader
from codetitan.data.rows.selection import names
from codetitan.data.rows.served import Served
from codetitan.data.sources.open import Directory, Jsonl, PythonStdlib
from codetitan.data.views import stats
from codetitan.errors import ConfigError
from codetitan.tokenizer.code_tokenizer import CodeTokenizer
from tests.tokenizer.small import written


def open_loader(tokenizer: CodeTokenizer, *sources: Any, rows: int = 2, **options: Any) -> CodeDataLoader:
    config = CodeDataLoader.Config(sources=list(sources), workers=0, **options)
    return CodeDataLoader(
        config, dp_world_size=1, dp_rank=0, tokenizer=tokenizer, seq_len=64, local_batch_size=rows, rows=rows
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for i in range(12):
        (tmp_path / f"a{i}.py").write_text(f"x = {i}\n" * 20)
    for i in range(5):
        (tmp_path / f"b{i}.md").write_text(f"# {i}\n" * 20)
    (tmp_path / "c.sh").write_text("ls\n" * 20)
    return tmp_path


def test_every_source_has_a_name_of_its_own(folder: Path) -> None:
    path = str(folder)
    python, other = Directory(path=path, include=["*.py"]), Directory(path=path, include=["*.md"])
    given = [f"directory:{path}"] * 2
    assert names([python, other], given) == [f"directory:{path}", f"directory:{path}#2"]
    # The names of the parts count: of a folder called python, and of a source whose part is.
    parts = Directory(path=path, languages={"python": 1.0})
    below = Directory(path=f"{path}/python")
    assert names([parts, below], [given[0], f"{given[0]}/python"]) == [given[0], f"{given[0]}/python#2"]
    # A label is never changed; what has none makes way.
    labelled = Directory(path=path, label=f"directory:{path}")
    assert names([python, other, labelled], [*given, given[0]]) == [f"{given[0]}#2", f"{given[0]}#3", given[0]]


def test_labels(tokenizer: CodeTokenizer, folder: Path) -> None:
    """In counts, licences, documents and the line at the start; a state does not depend on them."""
    path = str(folder)
    sources = [Directory(path=path, include=["*.py"], weight=1, label="code"), Directory(path=path, weight=1)]
    loader = open_loader(tokenizer, *sources)
    assert list(loader.served(loader.served_counts()).sources) == ["code", f"directory:{path}"]
    assert list(loader.licences()) == ["code", f"directory:{path}"]
    assert loader.sources[0].read(0).source == "code"
    assert loader.summary().startswith("code: 12 documents, ")
    sources[0] = Directory(path=path, include=["*.py"], weight=1, label="other")
    open_loader(tokenizer, *sources).load_state_dict(loader.state_dict())


@pytest.mark.parametrize(
    ("labels", "languages", "message"),
    [
        (["a", "a"], {}, r'1.label = "a": "a" is counted for dataloader.sources.0, too; give each source a label'),
        (["a/python", "a"], {"python": 1.0}, r'1.label = "a": "a/python" is counted for dataloader.sources.0, too'),
        (["", "a"], {}, r"0.label = '' must be a printable word"),
        (["a\n", "a"], {}, r"0.label = .* must be a printable word"),
    ],
)
def test_labels_that_can_not_be(labels: list[str], languages: dict[str, float], message: str) -> None:
    first, second = PythonStdlib(label=labels[0]), PythonStdlib(label=labels[1], languages=languages)
    config = DataConfig(dataloader=CodeDataLoader.Config(sources=[first, second]), training=BatchConfig())
    with pytest.raises(ConfigError, match=message):
        data.check_mixture(config.dataloader.sources)


def test_languages_without_a_share_are_counted(tokenizer: CodeTokenizer, folder: Path) -> None:
    loader = open_loader(tokenizer, Directory(path=str(folder), languages={"python": 3, "shell": 1}))
    assert loader.summary() == (
        f"directory:{folder}: 13 of 18 documents, 0.0 MB (left out: 5 markdown, which has no share)"
    )
    (selection,) = loader.selections
    corpus = stats.read_through(selection, loader, at_most=None)
    assert corpus.documents == 13 and set(corpus.languages) == {"python", "shell"}
    assert corpus.dropped["markdown, which has no share"] == 5


def test_languages_that_a_source_lacks_are_all_named(tokenizer: CodeTokenizer, folder: Path) -> None:
    """With the fix: a recipe for several languages is told once what to delete for this corpus."""
    with pytest.raises(
        ConfigError,
        match=r"^dataloader\.sources\.0\.languages\.go: directory:.* has no document of go, java; remove them "
        r"\(it has [a-z]+, [a-z]+, [a-z]+\)$",
    ):
        open_loader(tokenizer, Directory(path=str(folder), languages={"python": 1, "go": 1, "java": 1}))


def test_documents_beyond_the_first_are_counted(tokenizer: CodeTokenizer, folder: Path) -> None:
    loader = open_loader(tokenizer, Directory(path=str(folder), max_documents=13))
    assert loader.summary().startswith(f"directory:{folder}: 13 of 18 documents, ")
    corpus = stats.read_through(loader.selections[0], loader, at_most=4)
    assert (corpus.documents, corpus.sample) == (4, "a sample of 4 of 13")
    assert corpus.dropped["beyond max_documents"] == 5 and set(corpus.languages) == {"python", "markdown"}


def test_licences_are_those_of_what_is_served(tokenizer: CodeTokenizer, tmp_path: Path) -> None:
    """Of each language of a source, and of the first documents where these are all."""
    kinds = [("python", "MIT"), ("go", "Apache-2.0"), ("java", "GPL-3.0")]
    records = [
        {"text": f"x = {i}", "language": language, "license": licence} for i in range(40) for language, licence in kinds
    ]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    (tmp_path / "b.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records[0:30:3] + records[2::3]))
    first = Jsonl(path=str(tmp_path / "a.jsonl"), languages={"python": 1, "go": 1}, weight=1, label="a")
    second = Jsonl(path=str(tmp_path / "b.jsonl"), max_documents=10, weight=1, label="b")
    loader = open_loader(tokenizer, first, second)
    assert loader.licences() == {"a/python": {"MIT": 40}, "a/go": {"Apache-2.0": 40}, "b": {"MIT": 10}}
    assert loader.licences().keys() == loader.served(loader.served_counts()).sources.keys()


def test_what_was_served_adds_up(tokenizer: CodeTokenizer, folder: Path) -> None:
    """Positions count padding, and what was served before the data began anew: they go on through a state."""
    loader = open_loader(tokenizer, Directory(path=str(folder), languages={"python": 1, "markdown": 1}))
    batches = iter(loader)
    labels = torch.stack([next(batches)[1] for _ in range(5)])
    served = loader.served(loader.served_counts())
    assert served.tokens == sum(served.languages.values()) == int((labels != -100).sum())
    assert served.positions == labels.numel() == served.tokens + served.padding
    again = open_loader(tokenizer, Directory(path=str(folder)), rows=4)  # another batch: the data begins anew
    again.positions_before = served.positions
    next(iter(again))
    resumed = open_loader(tokenizer, Directory(path=str(folder)), rows=4)
    resumed.load_state_dict(again.state_dict())
    assert resumed.served(resumed.served_counts()).positions == 5 * 2 * 64 + 4 * 64
    assert Served({"a": 3}, {"go": 3}, 2, before=10).positions == 15


def test_rows_that_no_token_has(tmp_path: Path) -> None:
    folder = written("gpt2", tmp_path)
    config = DataConfig(hf_assets_path=str(folder))
    tokenizer = CodeTokenizer(config.tokenizer, tokenizer_path=config.hf_assets_path)
    assert data.unused_rows(config, tokenizer, 32768) == (
        "model.vocab_size = 32768: 31,744 of the rows stand for no token, for the tokenizer "
        f"{folder} has 900 ids; they take memory and time, set it to 1024"
    )
    assert data.unused_rows(config, tokenizer, 1280) is not None
    for fitting in (1024, 1056):  # the second for the sake of a round size
        assert data.unused_rows(config, tokenizer, fitting) is None
