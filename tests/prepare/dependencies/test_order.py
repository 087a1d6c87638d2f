"""The files of a repository in order; and of a corpus that is prepared so, what training puts into a sample."""

import random
from pathlib import Path

import pytest

from codetitan.cli import main
from codetitan.data.document import Document
from codetitan.data.pieces.metadata import MetadataConfig
from codetitan.data.rows.loader import CodeDataLoader
from codetitan.data.sources.open import Parquet, open_source
from codetitan.prepare.dependencies.order import arranged, imports_in_file
from codetitan.prepare.stages.dependencies import by_dependencies
from codetitan.prepare.tables import NUMBER, TEXT, Row
from codetitan.tokenizer.code_tokenizer import CodeTokenizer

FILES = [
    ("README.md", "markdown", "import nothing"),
    ("main.py", "python", "import util\nfrom pkg import tool\n"),
    ("pkg/base.py", "python", "x = 1\n"),
    ("pkg/tool.py", "python", "from . import base\n"),
    ("util.py", "python", "import pkg.base\n"),
    ("web/app.ts", "typescript", "import './lib/z'\n"),
    ("web/lib/z.ts", "typescript", "export {}\n"),
]


def ordered(files: list[tuple[str, str, str]]) -> list[int]:
    return arranged([imports_in_file(*file) for file in files])


def test_a_file_comes_behind_what_it_imports() -> None:
    paths = [FILES[place][0] for place in ordered(FILES)]
    assert paths == ["README.md", "pkg/base.py", "pkg/tool.py", "util.py", "main.py", "web/lib/z.ts", "web/app.ts"]


def test_files_of_one_path_stay_together() -> None:
    files = [
        ("a.py", "python", "import b\n# new\n"),
        ("b.py", "python", "x = 1"),
        ("a.py", "python", "import b\n# old\n"),
    ]
    assert [files[place][2] for place in ordered(files)] == ["x = 1", "import b\n# new\n", "import b\n# old\n"]


COLUMNS = {"repo": TEXT, "path": TEXT, "content": TEXT, "language": TEXT, "document_parts": TEXT, "n": NUMBER}


def row(repo: str | None, path: str, content: str, parts: str | None = None) -> Row:
    return {"repo": repo, "path": path, "content": content, "language": "python", "document_parts": parts, "n": 7}


@pytest.mark.parametrize("memory", [10**9, 1])
def test_rows_without_a_repository_and_documents_in_parts(tmp_path: Path, memory: int) -> None:
    """And what does not fit into memory is the same."""
    given = [
        row(None, "a.py", "import b"), row(None, "b.py", ""), row("one", "a.py", "import b"),
        row("one", "a_first.py", "issue", '[["issue_start", 5]]'), row("one", "b.py", ""), row("two", "b.py", ""),
        row("two", "c.py", "import d"), row("two", "d.py", "import b"),
    ]  # fmt: skip
    found = list(by_dependencies(given, COLUMNS, tmp_path / "order", memory=memory))
    assert [(row["repo"], row["path"]) for row in found] == [
        (None, "a.py"), (None, "b.py"), ("one", "b.py"), ("one", "a.py"), ("one", "a_first.py"),
        ("two", "b.py"), ("two", "d.py"), ("two", "c.py"),
    ]  # fmt: skip
    assert all({name: row[name] for name in COLUMNS} in given for row in found)
    assert not list(tmp_path.iterdir())


def function(name: str) -> str:
    """A file that no rule drops, and like no other."""
    draw = random.Random(name)
    words = ["".join(draw.choices("abcdefghij", k=6)) for _ in range(30)]
    return "".join(
        f"def {a}(value):\n    return {b}(value) + {c}\n" for a, b, c in zip(*[iter(words)] * 3, strict=True)
    )


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Two repositories, in each of which main imports util, and util zero, against the order of their names."""
    for repo in ("one", "two"):
        for name, imports in (("main", "from util import f\n"), ("util", "import zero\n"), ("zero", "")):
            file = tmp_path / "raw" / repo / f"{name}.py"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(imports + function(f"{repo}/{name}"))
    return tmp_path / "raw"


def prepared(raw: Path, *words: str) -> list[tuple[str | None, str]]:
    """The corpus as training reads it."""
    config, output = raw.parent / "prepare.toml", raw.parent / "out"
    config.write_text(f'[[prepare.sources]]\ntype = "directory"\npath = "{raw}"\nrepo_depth = 1\n')
    options = ["--prepare.shards", "3", "--prepare.licences.enable", "false"]
    assert main(["prepare", "--config", str(config), "--output", str(output), *options, *words]) == 0
    source = open_source(Parquet(path=str(output / "corpus")))
    documents = [source.read(index) for index in range(len(source))]
    return [(document.repo, document.path) for document in documents if isinstance(document, Document)]


def test_a_sample_has_what_is_imported_before_who_imports_it(raw: Path) -> None:
    found = prepared(raw)
    assert sorted(repo for repo, _ in found[::3]) == ["one", "two"]
    assert [path for _, path in found] == ["zero.py", "util.py", "main.py"] * 2
    tokenizer = CodeTokenizer(CodeTokenizer.Config(dialect="starcoder2"), tokenizer_path="code-32k")
    metadata = MetadataConfig(repo=1, path=1, repository_level=1, files_per_repository=3)
    config = CodeDataLoader.Config(
        sources=[Parquet(path=str(raw.parent / "out" / "corpus"))], metadata=metadata, workers=0, block=1
    )
    loader = CodeDataLoader(config, dp_world_size=1, dp_rank=0, tokenizer=tokenizer, seq_len=2048, local_batch_size=1)
    batch, _ = next(iter(loader))
    names = {number: text for text, number in tokenizer.sentinels.ids.items()}
    text, ordinary = "", tokenizer.encoding.decode_bytes
    for token in batch["input"][0].tolist():
        text += names[token] if token in names else ordinary([token]).decode()
    samples = text.split("<repo_name>")[1:]
    assert samples
    for sample in samples:
        assert [part.partition("\n")[0] for part in sample.split("<file_sep>")[1:]] == ["zero.py", "util.py", "main.py"]
    found = prepared(raw, "--prepare.dependency_order.enable", "false")
    assert [path for _, path in found] == ["main.py", "util.py", "zero.py"] * 2
