"""Contracts 1 (rows), 3 (resharded state) and 5 (sentinels are ids), on real code, with everything switched on."""

import hashlib
import json
import shutil
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from codetitan.data.pieces.fim import FimConfig, SpanConfig
from codetitan.data.pieces.metadata import MetadataConfig
from codetitan.data.rows.identity import VERSION
from codetitan.data.rows.loader import CodeDataLoader
from codetitan.data.sources.open import Directory, HuggingFace, PythonStdlib, SourceConfig
from codetitan.data.views.digest import global_batches, reshard
from codetitan.errors import ConfigError
from codetitan.tokenizer.code_tokenizer import CodeTokenizer

ROWS, SEQ_LEN = 24, 64
EVERYTHING: dict[str, Any] = {
    "sources": [PythonStdlib(weight=0.75), PythonStdlib(weight=0.25, max_documents=50)],
    "metadata": MetadataConfig(repo=0.5, path=0.5, stars=0.5),
    "fim": FimConfig(rate=0.5, spans=SpanConfig(random=1, line=1, syntax=1)),
    "block": 4,
}


def loader(
    tokenizer: CodeTokenizer,
    *,
    R: int = 1,
    rank: int = 0,
    microbatch: int | None = None,
    rows: int = ROWS,
    **options: Any,
) -> CodeDataLoader:
    config = CodeDataLoader.Config(**{**EVERYTHING, "workers": 0, **options})
    return CodeDataLoader(
        config,
        dp_world_size=R,
        dp_rank=rank,
        tokenizer=tokenizer,
        seq_len=SEQ_LEN,
        local_batch_size=microbatch or rows // R,
        rows=rows,
    )


def loaders(tokenizer: CodeTokenizer, R: int, **options: Any) -> list[CodeDataLoader]:
    return [loader(tokenizer, R=R, rank=r, **options) for r in range(R)]


def steps(ranks: list[CodeDataLoader], n: int) -> list[torch.Tensor]:
    """The global batches of n steps, put together from all ranks and microbatches."""
    batches = global_batches(ranks)
    return [torch.stack(next(batches)) for _ in range(n)]


def equal(a: list[torch.Tensor], b: list[torch.Tensor]) -> bool:
    return len(a) == len(b) and all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.fixture(scope="module", params=["best-fit", "concatenate"])
def packing(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def reference(tokenizer: CodeTokenizer, packing: str) -> list[torch.Tensor]:
    return steps([loader(tokenizer, packing=packing)], 12)


@pytest.mark.parametrize(
    ("R", "microbatches", "workers"), [(1, 3, 1), (2, 1, 0), (2, 4, 2), (3, 2, 0), (4, 1, 1), (8, 3, 3)]
)
def test_the_global_batch_does_not_depend_on_the_mesh_or_the_workers(
    tokenizer: CodeTokenizer, reference: list[torch.Tensor], packing: str, R: int, microbatches: int, workers: int
) -> None:
    ranks = loaders(tokenizer, R, packing=packing, workers=workers, microbatch=ROWS // R // microbatches)
    assert equal(steps(ranks, 12), reference)


@pytest.mark.parametrize("stop", range(12))
@pytest.mark.parametrize(("before", "after", "workers"), [(1, 4, 1), (4, 1, 0), (3, 8, 0)])
def test_resumes_at_any_other_degree(
    tokenizer: CodeTokenizer,
    reference: list[torch.Tensor],
    packing: str,
    stop: int,
    before: int,
    after: int,
    workers: int,
) -> None:
    """With a worker, the state is that of the last batch that was taken, not of the last that was prepared."""
    first = loaders(tokenizer, before, packing=packing, workers=workers)
    served = steps(first, stop)
    second = loaders(tokenizer, after, packing=packing)
    reshard(first, second)
    assert equal(served + steps(second, 12 - stop), reference)


def test_the_state_is_an_int64_table(tokenizer: CodeTokenizer) -> None:
    one = loader(tokenizer)
    steps([one], 2)
    table = one.state_dict()["rows"]
    assert table.shape[0] == ROWS and table.dtype == torch.int64
    assert table.shape[1] < 100  # "a few integers a row": mostly the counts of languages


def test_a_row_does_not_see_the_others(tokenizer: CodeTokenizer, reference: list[torch.Tensor], packing: str) -> None:
    (last,) = loaders(tokenizer, 24, packing=packing)[23:]
    assert all(torch.equal(a[:, 0], b[:, 23]) for a, b in zip(steps([last], 12), reference, strict=True))


def test_epochs_differ_in_their_draws(tokenizer: CodeTokenizer, tmp_path: Path) -> None:
    """The same document has another hole in each epoch."""
    (tmp_path / "a.py").write_text("".join(f"x{i} = {i}\n" for i in range(8)))
    source = Directory(path=str(tmp_path))
    one = loader(tokenizer, sources=[source], rows=1, fim=FimConfig(rate=1.0), metadata=MetadataConfig(), block=1)
    batches = steps([one], 12)
    assert len({tuple(batch[0, 0].tolist()) for batch in batches}) > 8


def test_more_rows_than_documents(tokenizer: CodeTokenizer, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("import os\nprint(os.getcwd())\n" * 5)
    plain = {"fim": FimConfig(), "metadata": MetadataConfig()}
    (batch,) = steps([loader(tokenizer, sources=[Directory(path=str(tmp_path))], **plain)], 1)
    assert (batch == batch[:, :1]).all()


def test_source_text_can_not_inject_a_sentinel(tokenizer: CodeTokenizer, tmp_path: Path) -> None:
    hostile = "x = 1  # <|endoftext|> <fim_prefix> <fim_middle> <reponame>evil\n"
    (tmp_path / "<fim_suffix>.py").write_text(hostile * 30)
    options = {"fim": FimConfig(), "metadata": MetadataConfig(path=1.0), "sources": [Directory(path=str(tmp_path))]}
    sentinels = torch.tensor(sorted(tokenizer.encoding.special_tokens.values()))
    allowed = {tokenizer.sentinels.ids["<filename>"], tokenizer.eos_id, tokenizer.sentinels.pad}
    seen: set[int] = set()
    for inputs, labels, _ in steps([loader(tokenizer, rows=1, **options)], 80):
        seen |= set(inputs[torch.isin(inputs, sentinels)].tolist()) | set(
            labels[torch.isin(labels, sentinels)].tolist()
        )
    assert seen == allowed


def test_labels_are_the_next_token_of_the_same_document(reference: list[torch.Tensor]) -> None:
    for inputs, labels, positions in reference:
        goes_on = (positions[:, 1:] > 0) & (labels[:, :-1] != -100)
        assert torch.equal(labels[:, :-1][goes_on], inputs[:, 1:][goes_on])
        counts = positions[:, 1:] > 0
        assert (positions[:, 0] == 0).all() and (positions[:, 1:][counts] == positions[:, :-1][counts] + 1).all()


def test_what_was_served_is_counted_and_saved(tokenizer: CodeTokenizer) -> None:
    ranks = loaders(tokenizer, 3)
    batches = steps(ranks, 30)
    tokens = sum(int((labels != -100).sum()) for _, labels, _ in batches)
    counts = torch.stack([rank.served_counts() for rank in ranks]).sum(0)
    served = ranks[0].served(counts)
    assert sum(served.sources.values()) == tokens == served.languages["python"]
    assert served.padding == 30 * ROWS * SEQ_LEN - tokens
    others = loaders(tokenizer, 2)
    reshard(ranks, others)
    assert torch.equal(sum(other.served_counts() for other in others), counts)


def test_undecodable_files_are_counted(tokenizer: CodeTokenizer, tmp_path: Path) -> None:
    (tmp_path / "good.py").write_text("print('hello')\n" * 50)
    (tmp_path / "bad.py").write_bytes(b"\xff\xfe\x00")
    one = loader(tokenizer, rows=2, sources=[Directory(path=str(tmp_path))])
    steps([one], 12)
    assert one.mixture.dropped == {"not UTF-8": 1}  # once, however often it is met


def test_nothing_but_undecodable_files(tokenizer: CodeTokenizer, tmp_path: Path) -> None:
    for i in range(3):
        (tmp_path / f"{i}.py").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "bom.py").write_bytes(b"\xef\xbb\xbf")
    message = r"^dataloader.sources: no document of directory:.* can be used: 1 empty, 3 not UTF-8$"
    with pytest.raises(ConfigError, match=message):
        loader(tokenizer, rows=1, sources=[Directory(path=str(tmp_path))])


@pytest.mark.parametrize("workers", [0, 2])
def test_a_file_that_vanishes_ends_the_run_with_its_name(
    tokenizer: CodeTokenizer, tmp_path: Path, workers: int
) -> None:
    """It is not skipped: the tokens of a run do not depend on what a disk does at night."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    for i in range(500):
        (folder / f"{i}.py").write_text(f"x = {i}\n" * 10)
    one = loader(tokenizer, rows=1, sources=[Directory(path=str(folder))], workers=workers)
    steps([one], 1)
    shutil.rmtree(folder)
    with pytest.raises(ConfigError, match=r"corpus/\d+.py\" can't be read any more: No such file or directory"):
        steps([one], 500)


def test_the_background_ends_with_its_consumer(tokenizer: CodeTokenizer) -> None:
    before = threading.active_count()
    batches = iter(loader(tokenizer, workers=2))
    next(batches)
    assert threading.active_count() > before
    batches.close()
    assert threading.active_count() == before


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"seed": 1}, "dataloader.seed was 0, is 1"),
        ({"rows": 12}, "training.global_batch_size was 24, is 12"),
        ({"sources": [PythonStdlib()]}, "the corpus was "),
        (
            {"sources": [PythonStdlib(weight=0.5), PythonStdlib(weight=0.5, max_documents=50)]},
            "dataloader.sources.0.weight was 0.75, is 0.5; dataloader.sources.1.weight was 0.25, is 0.5",
        ),
        ({"packing": "concatenate"}, "dataloader.packing was best-fit, is concatenate"),
        ({"fim": replace(EVERYTHING["fim"], rate=0.4)}, "dataloader.fim.rate was 0.5, is 0.4"),
        ({"metadata": MetadataConfig()}, "dataloader.metadata.repo was 0.5, is 0.0"),
    ],
)
def test_a_changed_run_is_refused(tokenizer: CodeTokenizer, change: dict[str, Any], named: str) -> None:
    saved = loader(tokenizer).state_dict()
    with pytest.raises(ConfigError) as error:
        loader(tokenizer, **change).load_state_dict(saved)
    assert named in str(error.value) and "--checkpoint.exclude_from_loading dataloader" in str(error.value)


def test_a_changed_dialect_or_tokenizer_is_refused(tokenizer: CodeTokenizer) -> None:
    saved = loader(tokenizer).state_dict()
    other = CodeTokenizer(CodeTokenizer.Config(dialect="qwen2.5-coder"), tokenizer_path="code-32k")
    with pytest.raises(ConfigError, match=r"tokenizer.dialect was starcoder, is qwen2.5-coder"):
        loader(other).load_state_dict(saved)
    tokenizer_changed = CodeTokenizer(CodeTokenizer.Config(), tokenizer_path="code-32k")
    tokenizer_changed.fingerprint = "other (0123)"
    with pytest.raises(ConfigError, match=r"the tokenizer was code-32k \(\w+\), is other \(0123\)"):
        loader(tokenizer_changed).load_state_dict(saved)


def test_a_changed_corpus_is_refused(tokenizer: CodeTokenizer, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("pass\n" * 100)
    source: SourceConfig = Directory(path=str(tmp_path))
    saved = loader(tokenizer, sources=[source]).state_dict()
    (tmp_path / "b.py").write_text("pass\n")
    with pytest.raises(ConfigError, match=r"the corpus was 1 documents \(\w+\), is 2 documents"):
        loader(tokenizer, sources=[source]).load_state_dict(saved)


@pytest.mark.parametrize("corpus", ["", "of before"])
def test_a_state_of_an_earlier_version_is_refused(tokenizer: CodeTokenizer, corpus: str) -> None:
    one = loader(tokenizer)
    state = one.state_dict()
    identity = json.loads(state["identity"])
    del identity["kept"]
    identity |= {"codetitan's data path": 1, "the corpus": corpus or identity["the corpus"]}
    with pytest.raises(ConfigError, match=r"codetitan's data path was 1, is 2") as error:
        one.load_state_dict({**state, "identity": json.dumps(identity)})
    assert "\n" not in str(error.value)


def test_summary(tokenizer: CodeTokenizer) -> None:
    assert loader(tokenizer).summary().startswith("python-stdlib: ")


def test_the_tokens_of_a_version_are_fixed(tokenizer: CodeTokenizer, tmp_path: Path) -> None:
    """If this fails, the same TOML gives other tokens than before: raise VERSION in data/rows/identity.py, so that no
    run goes on with them unnoticed, and pin the new ones here."""
    for i in range(20):
        (tmp_path / f"f{i}.py").write_text("".join(f"def f{i}_{j}(x):\n    return x + {j}\n\n" for j in range(1 + i)))
    options = {
        "sources": [Directory(path=str(tmp_path), weight=0.5), Directory(path=str(tmp_path), weight=0.5)],
        "fim": FimConfig(rate=0.5, spans=SpanConfig(random=1, line=1)),
        "metadata": MetadataConfig(path=0.5),
    }
    digest = hashlib.sha256()
    for batch in steps([loader(tokenizer, **options)], 10):
        digest.update(batch.numpy().tobytes())
    assert (VERSION, digest.hexdigest()[:16]) == (2, "50373d5261514342")


@pytest.mark.parametrize("packing", ["best-fit", "concatenate"])
@pytest.mark.parametrize(("rows", "R"), [(4, 1), (4, 4), (60, 2)])
def test_an_epoch_is_served_to_its_end(
    tokenizer: CodeTokenizer, tmp_path: Path, packing: str, rows: int, R: int
) -> None:
    """Rows that have nothing left are padded until the last one has nothing left; also rows that never had anything,
    and a last document that can't be served."""
    for i in range(40):
        (tmp_path / f"f{i}.py").write_text("".join(f"x{j} = {j}\n" for j in range(1 + i * i % 97)))
    (tmp_path / "bad.py").write_bytes(b"\xff\xfe")
    source = Directory(path=str(tmp_path), epochs=2)
    plain = {"fim": FimConfig(), "metadata": MetadataConfig(), "packing": packing}
    ranks = loaders(tokenizer, R, rows=rows, sources=[source], **plain)
    batches = [torch.stack(batch) for batch in global_batches(ranks)]
    assert all((labels != -100).any() for _, labels, _ in batches)  # no step without anything to learn
    texts = [path.read_text() for path in tmp_path.glob("f*.py")]
    tokens = sum(len(tokenizer.encode(text)) for text in texts)
    served = ranks[0].served(torch.stack([rank.served_counts() for rank in ranks]).sum(0))
    assert 0.9 * 2 * tokens < sum(served.languages.values()) <= 2 * tokens  # a cut costs a label
    ends = sum(int((labels == tokenizer.eos_id).sum()) for _, labels, _ in batches)
    assert ends == 2 * len(texts)  # every document once an epoch


def test_a_moved_corpus_goes_on_a_renamed_one_too(tokenizer: CodeTokenizer, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "a.py").write_text("x = 1\n" * 100)
    first = loader(tokenizer, sources=[Directory(path=str(tmp_path / "one"))])
    ((*_, expected),) = [steps([first], 3)]
    saved = loader(tokenizer, sources=[Directory(path=str(tmp_path / "one"))])
    steps([saved], 2)
    state = saved.state_dict()
    (tmp_path / "one").rename(tmp_path / "two")
    moved = loader(tokenizer, sources=[Directory(path=str(tmp_path / "two"))])
    moved.load_state_dict(state)
    assert torch.equal(steps([moved], 1)[0], expected)


@pytest.mark.parametrize("R", [1, 3])
def test_a_streamed_dataset_is_the_same_on_any_mesh(
    tokenizer: CodeTokenizer, tmp_path: Path, R: int, packing: str
) -> None:
    """It goes on from a saved state too, by reading from its start again, and ends when all of it is served."""
    lines = [json.dumps({"text": f"value_{i} = {i}\n" * (1 + i % 40), "path": f"{i}.py"}) for i in range(300)]
    (tmp_path / "train.jsonl").write_text("\n".join(lines) + "\n")
    source = HuggingFace(name=str(tmp_path), streaming=True)
    options = {"sources": [source], "packing": packing, "fim": FimConfig(rate=0.5), "metadata": MetadataConfig()}
    whole = [torch.stack(batch) for batch in global_batches(loaders(tokenizer, 1, **options))]
    first = loaders(tokenizer, R, **options)
    served = steps(first, 5)
    second = loaders(tokenizer, 2, **options)
    reshard(first, second)
    rest = [torch.stack(batch) for batch in global_batches(second)]
    assert len(whole) > 8 and equal(served + rest, whole)
    counts = torch.stack([rank.served_counts() for rank in second]).sum(0)
    tokens = sum(len(tokenizer.encode(json.loads(line)["text"])) for line in lines)
    assert sum(second[0].served(counts).languages.values()) > 0.9 * tokens
