"""Contract 4 on real code: over an epoch every byte of every document comes back from the batches, once, with
fill-in-the-middle undone and metadata taken off. Checked from the tensors of the batches; of the loader only the names
of the documents are used, to know what belongs together."""

import json
import sysconfig
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

from codetitan.data.document import Document
from codetitan.data.pieces.fim import FimConfig, SpanConfig
from codetitan.data.pieces.metadata import MetadataConfig
from codetitan.data.rows.loader import CodeDataLoader
from codetitan.data.sources.open import Jsonl, PythonStdlib, open_source
from codetitan.tokenizer.code_tokenizer import CodeTokenizer
from tests.data.helpers import put_together, runs, text_of

FIM = FimConfig(rate=0.5, spm=0.5, spans=SpanConfig(random=1, line=1, syntax=1))


def epoch(
    source: Any, tokenizer: CodeTokenizer, *, rows: int, seq_len: int, **options: Any
) -> list[tuple[str, list[int]]]:
    """The runs of an epoch with their documents' names, from every row until it has nothing left."""
    source.epochs = 1
    config = CodeDataLoader.Config(sources=[source], workers=0, **options)
    found = []
    for rank in range(rows):
        batches, samples = (
            CodeDataLoader(
                config, dp_world_size=rows, dp_rank=rank, tokenizer=tokenizer, seq_len=seq_len, local_batch_size=1
            )
            for _ in range(2)
        )
        both = zip(batches, samples.samples(), strict=True)
        while not batches.exhausted:
            (inputs, labels), (sample,) = next(both)
            arrays = inputs["input"][0].numpy(), labels[0].numpy(), inputs["positions"][0].numpy()
            names = [part.piece.name for part in sample]
            found += zip(names, runs(*arrays), strict=True)
    return found


def without_header(tokens: list[int], tokenizer: CodeTokenizer) -> list[int]:
    """Takes StarCoder's header off: from <reponame> or <filename> to the first line end."""
    fields = {tokenizer.sentinels.ids["<reponame>"], tokenizer.sentinels.ids["<filename>"]}
    if tokens[0] not in fields:
        return tokens
    for i, token in enumerate(tokens):
        if tokenizer.encoding.decode_bytes([token]) == b"\n":
            return tokens[i + 1 :]
    raise AssertionError("a header without an end")


def check(documents: list[Document], served: list[tuple[str, list[int]]], tokenizer: CodeTokenizer) -> None:
    pieces: dict[str, list[bytes]] = defaultdict(list)
    for name, tokens in served:
        pieces[name].append(text_of(without_header(tokens, tokenizer), tokenizer))
    assert set(pieces) == {d.path for d in documents}
    for d in documents:
        assert put_together(d.text.encode(), pieces[d.path]), d.path


@pytest.mark.parametrize("seq_len", [256, 2048])
def test_the_standard_library(tokenizer: CodeTokenizer, seq_len: int) -> None:
    served = epoch(
        PythonStdlib(), tokenizer, rows=6, seq_len=seq_len, fim=FIM, metadata=MetadataConfig(repo=0.5, path=0.5)
    )
    ids = tokenizer.sentinels.ids
    first = Counter(tokens[0] for _, tokens in served)
    assert first[ids["<reponame>"]] and first[ids["<filename>"]]
    holes = sum(without_header(tokens, tokenizer)[0] == ids["<fim_prefix>"] for _, tokens in served)
    assert 0.45 < holes / len(served) < 0.55
    source = open_source(PythonStdlib())
    documents = [source.read(i) for i in range(len(source))]
    assert len(documents) > 500
    check([d for d in documents if isinstance(d, Document)], served, tokenizer)


@pytest.fixture(scope="module")
def four_languages(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    """Two shards of JSON Lines with real Python, C++, JavaScript and CSS of the installed packages."""
    root = Path(sysconfig.get_path("purelib"))
    records: list[dict[str, Any]] = []
    for pattern, language, at_most in (
        ("*.py", "Python", 150),
        ("*.h", "C++", 150),
        ("*.js", "JavaScript", 40),
        ("*.css", "CSS", 20),
    ):
        files = [file for file in sorted(root.rglob(pattern)) if 0 < file.stat().st_size < 60_000]
        for file in files[:: max(1, len(files) // at_most)]:
            path = file.relative_to(root).as_posix()
            record = {"content": file.read_text(encoding="utf-8", errors="ignore"), "path": path, "lang": language}
            records.append(record | {"repo_name": path.split("/")[0], "license": "MIT"})
    folder = tmp_path_factory.mktemp("corpus")
    for shard in range(2):
        lines = [json.dumps(record) for record in records[shard::2]]
        (folder / f"part-{shard}.jsonl").write_text("\n".join(lines) + "\n")
    return folder, records


def files_of(tokens: list[int], tokenizer: CodeTokenizer) -> list[tuple[str, bytes]]:
    """Takes a StarCoder2 sample apart: `<repo_name>R<file_sep>path\\ncode<file_sep>path\\ncode…`."""
    ids, decode = tokenizer.sentinels.ids, tokenizer.encoding.decode_bytes
    found = []
    starts = [i for i, token in enumerate(tokens) if token == ids["<file_sep>"]]
    assert tokens[0] in (ids["<repo_name>"], ids["<file_sep>"])
    for start, stop in zip(starts, [*starts[1:], len(tokens)], strict=True):
        at = next(i for i in range(start + 1, stop) if decode([tokens[i]]).endswith(b"\n"))
        path = decode(tokens[start + 1 : at + 1]).decode().removesuffix("\n")
        found.append((path, text_of(tokens[at + 1 : stop], tokenizer, "starcoder2")))
    return found


def test_four_languages_with_repositories(four_languages: tuple[Path, list[dict[str, Any]]]) -> None:
    folder, records = four_languages
    tokenizer = CodeTokenizer(CodeTokenizer.Config(dialect="starcoder2"), tokenizer_path="code-32k")
    metadata = MetadataConfig(repo=0.5, path=1.0, repository_level=0.7, files_per_repository=5)
    source = Jsonl(path=str(folder))
    served = epoch(source, tokenizer, rows=4, seq_len=1024, fim=FIM, metadata=metadata)
    samples = [files_of(tokens, tokenizer) for _, tokens in served]
    assert any(len({path for path, _ in sample}) > 1 for sample in samples)
    pieces: dict[str, list[bytes]] = defaultdict(list)
    for sample in samples:
        for path, text in sample:
            pieces[path].append(text)
    texts = {record["path"]: record["content"] for record in records}
    assert len(texts) == len(records) and set(pieces) == set(texts)
    assert len({record["lang"] for record in records}) == 4
    for path, text in texts.items():
        assert put_together(text.encode(), pieces[path]), path


def test_shares_of_languages_in_one_corpus(
    tokenizer: CodeTokenizer, four_languages: tuple[Path, list[dict[str, Any]]]
) -> None:
    shares = {"python": 0.5, "c++": 0.3, "javascript": 0.2}
    source = Jsonl(path=str(four_languages[0]), languages=shares)
    config = CodeDataLoader.Config(sources=[source], workers=0, block=8)
    loader = CodeDataLoader(config, dp_world_size=1, dp_rank=0, tokenizer=tokenizer, seq_len=512, local_batch_size=16)
    batches = iter(loader)
    for _ in range(150):
        next(batches)
    served = loader.served(loader.served_counts())
    total = sum(served.languages.values())
    assert set(served.languages) == set(shares)
    for language, share in shares.items():
        assert abs(served.languages[language] / total - share) < 0.01
    assert sorted(served.sources) == [f"{loader.sources[0].name}/{name}" for name in sorted(shares)]
