"""A corpus that grew goes on: added documents from the next epoch on, each once an epoch; anything else is refused."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from codetitan.data.pieces.fim import FimConfig
from codetitan.data.pieces.metadata import MetadataConfig
from codetitan.data.rows.loader import CodeDataLoader
from codetitan.data.rows.state import join
from codetitan.data.sources.open import Directory, HuggingFace, Jsonl, Parquet, PythonStdlib, SourceConfig
from codetitan.data.views.digest import global_batches
from codetitan.errors import ConfigError
from codetitan.tokenizer.code_tokenizer import CodeTokenizer

ROWS = 6


def loaders(tokenizer: CodeTokenizer, sources: list[SourceConfig], R: int = 1, **options: Any) -> list[CodeDataLoader]:
    config = CodeDataLoader.Config(sources=sources, workers=0, block=options.pop("block", 3), **options)
    return [
        CodeDataLoader(
            config, dp_world_size=R, dp_rank=r, tokenizer=tokenizer, seq_len=64, local_batch_size=ROWS // R, rows=ROWS
        )
        for r in range(R)
    ]


def text(name: str, i: int) -> str:
    """One line in which the document names itself, and some more."""
    return f"{name}_{i}\n" + f"y = {i}\n" * (i * 7 % 40)


def write(folder: Path, name: str, numbers: range) -> None:
    folder.mkdir(exist_ok=True)
    for i in numbers:
        (folder / f"{name}{i:03}.py").write_text(text(name, i))


def counted(ranks: list[CodeDataLoader], n: int | None) -> Counter[str]:
    """What some steps serve of each document, in pairs of a token and its next; None: to the end."""
    found: Counter[str] = Counter()
    samples = [rank.samples() for rank in ranks]
    while n != 0 and not all(rank.exhausted for rank in ranks):
        for part in (part for rank in samples for sample in next(rank) for part in sample):
            found[part.piece.name] += part.stop - part.start
        n = None if n is None else n - 1
    return found


def take(ranks: list[CodeDataLoader], n: int) -> list[torch.Tensor]:
    batches = global_batches(ranks)
    return [torch.stack(next(batches)) for _ in range(n)]


def go_on(ranks: list[CodeDataLoader], others: list[CodeDataLoader]) -> None:
    state = join([rank.state_dict() for rank in ranks])
    for other in others:
        other.load_state_dict(state)


PLAIN: dict[str, Any] = {"fim": FimConfig(), "metadata": MetadataConfig()}


@pytest.mark.parametrize("packing", ["best-fit", "concatenate"])
@pytest.mark.parametrize(("before", "after", "steps"), [(1, 3, 0), (3, 2, 1), (2, 1, 4), (1, 1, 9), (3, 6, 20)])
def test_added_files_are_served_from_the_next_epoch_on(
    tokenizer: CodeTokenizer, tmp_path: Path, packing: str, before: int, after: int, steps: int
) -> None:
    """Each document once an epoch, to the end of all epochs, whatever the added ones are called."""
    corpus = tmp_path / "corpus"
    write(corpus, "known", range(40))
    source: list[SourceConfig] = [Directory(path=str(corpus), epochs=4)]
    options = {**PLAIN, "packing": packing, "on_growth": "extend"}
    first = loaders(tokenizer, source, before, **options)
    counts = counted(first, steps)
    write(corpus, "added", range(13))  # in the listing before the known
    write(corpus, "zadded", range(4))
    second = loaders(tokenizer, source, after, **options)
    go_on(first, second)
    assert all(loader._corpus.kept() == second[0]._corpus.kept() for loader in second)
    once = counted(loaders(tokenizer, [Directory(path=str(corpus), epochs=1)], **options), None)
    assert len(once) == 57
    each_as_often(counts, counted(second, None), once, lambda name: name.startswith("known"), epochs=4)


def each_as_often(
    before: Counter[str], after: Counter[str], once: Counter[str], is_known: Callable[[str], bool], *, epochs: int
) -> None:
    """The known documents in every epoch; the added ones in each behind the one that was under way."""
    complete = min(before[name] // pairs for name, pairs in once.items() if is_known(name))
    times = {(before + after)[name] / pairs for name, pairs in once.items() if not is_known(name)}
    if before:  # all of an epoch may be served while a row's block began in it
        assert len(times) == 1 and epochs - 1 - complete <= min(times) <= epochs - complete
    else:
        assert times == {epochs}
    assert all((before + after)[name] == pairs * epochs for name, pairs in once.items() if is_known(name))


@pytest.mark.parametrize("packing", ["best-fit", "concatenate"])
def test_a_grown_run_is_the_same_on_any_mesh(tokenizer: CodeTokenizer, tmp_path: Path, packing: str) -> None:
    """Saved again and gone on with, grown twice, with holes, metadata, languages, neighbours and two sources."""
    corpus, other = tmp_path / "corpus", tmp_path / "other.jsonl"
    records = [json.dumps({"text": text("record", i), "path": f"{i}.py", "repo": f"r{i // 4}"}) for i in range(90)]
    options: dict[str, Any] = {
        "packing": packing,
        "on_growth": "extend",
        "fim": FimConfig(rate=0.5),
        "metadata": MetadataConfig(path=0.5, repo=0.5),
    }
    sources: list[SourceConfig] = [
        Directory(path=str(corpus), languages={"python": 3, "go": 1}),
        Jsonl(path=str(other), max_documents=80),
    ]

    def run(degrees: list[int]) -> list[torch.Tensor]:
        for file in [*corpus.glob("*"), *tmp_path.glob("*.jsonl")]:
            file.unlink()
        write(corpus, "known", range(20))
        for i in range(5):
            (corpus / f"{i}.go").write_text(f"package a{i}\n")
        other.write_text("\n".join(records[:30]) + "\n")
        ranks = loaders(tokenizer, sources, degrees[0], **options)
        batches = take(ranks, 7)
        for step, degree in enumerate(degrees[1:]):
            if step == 0:
                write(corpus, "added", range(10))
                other.write_text("\n".join(records[:70]) + "\n")
            if step == 2:
                (corpus / "3a.go").write_text("package b\n")
                other.write_text("\n".join(records) + "\n")
            following = loaders(tokenizer, sources, degree, **options)
            go_on(ranks, following)
            ranks = following
            batches += take(ranks, 7)
        assert [sizes[-1][1] for sizes in ranks[0]._corpus.kept()["sizes"]] == [30, 6, 80]
        return batches

    reference = run([1, 1, 1, 1, 1])
    for degrees in ([1, 2, 3, 6, 1], [6, 3, 1, 2, 2]):
        assert all(torch.equal(a, b) for a, b in zip(reference, run(degrees), strict=True))


@pytest.mark.parametrize("packing", ["best-fit", "concatenate"])
def test_a_grown_run_does_not_depend_on_its_restarts(tokenizer: CodeTokenizer, tmp_path: Path, packing: str) -> None:
    """Of a corpus so small that the blocks under way reach over many epochs."""
    corpus = tmp_path / "corpus"
    write(corpus, "known", range(9))
    options: dict[str, Any] = {"packing": packing, "on_growth": "extend", "fim": FimConfig(rate=0.5)}
    sources: list[SourceConfig] = [Directory(path=str(corpus), weight=1), PythonStdlib(weight=1)]
    first = loaders(tokenizer, sources, 2, **options)
    take(first, 4)
    write(corpus, "added", range(5))
    (straight,) = grown_once = loaders(tokenizer, sources, **options)
    go_on(first, grown_once)
    (later,) = loaders(tokenizer, sources, **options)
    later.check_identity(straight.state_dict()["identity"])
    # The distributed checkpoint reads into a table of the saved one's shape.
    assert later.state_dict()["rows"].shape == straight.state_dict()["rows"].shape
    assert straight._corpus.kept()["late"]  # rows are epochs ahead of each other
    ranks = loaders(tokenizer, sources, 3, **options)
    go_on(first, ranks)
    reference, batches = take(grown_once, 24), []
    for degree in (1, 2, 3, 6, 1, 3) * 4:
        batches += take(ranks, 1)
        following = loaders(tokenizer, sources, degree, **options)
        go_on(ranks, following)
        ranks = following
    assert all(torch.equal(a, b) for a, b in zip(reference, batches, strict=True))
    numbers = straight.served_counts()
    counts = straight.served(numbers)
    assert len(counts.sources) == 2 and counts.positions == 28 * ROWS * 64
    # What is late begins as if it had had its share: it does not push the others aside until it has.
    assert sum(state.drawn[2] for state in straight._states) > int(numbers[2]) > 0 or packing == "concatenate"


def test_documents_that_are_added_while_others_are_late(tokenizer: CodeTokenizer, tmp_path: Path) -> None:
    """Three times within the blocks of the first epochs: each group once an epoch from then on."""
    corpus = tmp_path / "corpus"
    write(corpus, "known", range(12))
    source: list[SourceConfig] = [Directory(path=str(corpus), epochs=9)]
    options = {**PLAIN, "on_growth": "extend", "block": 16}
    ranks, counts, complete = loaders(tokenizer, source, **options), Counter[str](), []
    for name in ("added", "more", "zlast"):
        counts += counted(ranks, 3)
        complete.append(Counter(counts))
        write(corpus, name, range(7))
        following = loaders(tokenizer, source, 2, **options)
        go_on(ranks, following)
        ranks = following
    assert len(ranks[0]._corpus.kept()["late"]) == 3
    counts += counted(ranks, None)
    once = counted(loaders(tokenizer, [Directory(path=str(corpus), epochs=1)], **options), None)
    assert all(counts[name] == 9 * pairs for name, pairs in once.items() if name.startswith("known"))
    for name, before in zip(("added", "more", "zlast"), complete, strict=True):
        done = min(before[known] // pairs for known, pairs in once.items() if known.startswith("known"))
        times = {counts[each] / pairs for each, pairs in once.items() if each.startswith(name)}
        assert len(times) == 1 and 9 - 1 - done <= times.pop() <= 9 - done


def test_a_resumed_block_is_packed_as_before(tokenizer: CodeTokenizer, tmp_path: Path) -> None:
    """What the known documents give up to the next epoch is what they would have given without the others."""
    corpus = tmp_path / "corpus"
    write(corpus, "known", range(200))
    source: list[SourceConfig] = [Directory(path=str(corpus))]
    options = {**PLAIN, "fim": FimConfig(rate=0.5), "on_growth": "extend", "block": 8}
    reference = take(loaders(tokenizer, source, **options), 20)
    for stop in range(1, 10):
        write(corpus, "known", range(200))
        first = loaders(tokenizer, source, **options)
        batches = take(first, stop)
        write(corpus, "added", range(100))
        second = loaders(tokenizer, source, 2, **options)
        go_on(first, second)
        batches += take(second, 3)
        assert all(torch.equal(a, b) for a, b in zip(batches, reference, strict=False))
        for i in range(100):
            (corpus / f"added{i:03}.py").unlink()


def test_ranks_that_load_their_own_rows_agree(tokenizer: CodeTokenizer, tmp_path: Path) -> None:
    """As the trainer's do: the epoch is that of the rank whose rows have come furthest."""
    corpus = tmp_path / "corpus"
    write(corpus, "known", range(40))
    source: list[SourceConfig] = [Directory(path=str(corpus))]
    ranks = loaders(tokenizer, source, 3, on_growth="extend")
    take(ranks, 16)
    write(corpus, "added", range(9))
    (whole,) = loaders(tokenizer, source, on_growth="extend")
    go_on(ranks, [whole])
    asked: list[list[int]] = []
    for rank, loader in zip(ranks, loaders(tokenizer, source, 3, on_growth="extend"), strict=True):
        loader.agree = lambda numbers: asked.append(numbers) or numbers
        loader.load_state_dict(rank.state_dict())
    assert len({tuple(numbers) for numbers in asked}) > 1
    furthest = [max(each) for each in zip(*asked, strict=True)]
    own = loaders(tokenizer, source, 3, on_growth="extend")
    for rank, loader in zip(ranks, own, strict=True):
        loader.agree = lambda numbers: furthest
        loader.load_state_dict(rank.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(take(own, 9), take([whole], 9), strict=True))


def change(corpus: Path, how: str) -> None:
    known = corpus / "known003.py"
    if "added" in how:
        (corpus / "a_new.py").write_text("x = 1\n")
    if "gone" in how:
        known.unlink()
    if "renamed" in how:
        known.rename(corpus / "other.py")
    if "resized" in how:
        known.write_text("x = 2\n")
    if "beginning" in how:
        known.write_bytes(known.read_bytes().replace(b"known", b"knowx"))


@pytest.mark.parametrize("on_growth", ["refuse", "extend"])
@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("added", r"added a_new\.py; --dataloader\.on_growth extend serves what was added from the next epoch on; "),
        ("gone", r"gone known003\.py; restore it"),
        ("gone and added", r"gone known003\.py; restore it"),
        ("renamed", r"gone known003\.py; restore it"),
        ("resized and added", r"changed known003\.py; restore it"),
        ("beginning", r"changed known003\.py; restore it"),
        ("beginning and added", r"changed known003\.py; restore it"),
    ],
)
def test_what_was_changed_or_removed_is_refused_by_name(
    tokenizer: CodeTokenizer, tmp_path: Path, how: str, said: str, on_growth: str
) -> None:
    corpus = tmp_path / "corpus"
    write(corpus, "known", range(10))
    source: list[SourceConfig] = [Directory(path=str(corpus))]
    (first,) = loaders(tokenizer, source)
    take([first], 2)
    change(corpus, how)
    (second,) = loaders(tokenizer, source, on_growth=on_growth)
    if how == "added" and on_growth == "extend":
        second.load_state_dict(first.state_dict())
        return
    with pytest.raises(
        ConfigError, match=rf"the corpus was 10 documents \(\w+\), is \d+ documents \(\w+\): .*{said}"
    ) as error:
        second.load_state_dict(first.state_dict())
    assert "\n" not in str(error.value)


def lines(n: int, *, end: str = "\n") -> str:
    return "\n".join(json.dumps({"text": text("line", i)}) for i in range(n)) + end


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ({"b.jsonl": lines(9)}, {"a.jsonl": lines(9), "b.jsonl": lines(9)}, None),
        ({"a.jsonl": lines(9)}, {"a.jsonl": lines(12)}, None),
        ({"a.jsonl": lines(9), "b.jsonl": ""}, {"a.jsonl": lines(12), "b.jsonl": lines(3), "c.jsonl": lines(1)}, None),
        ({"a.jsonl": lines(9, end="")}, {"a.jsonl": lines(12)}, "changed a.jsonl"),
        ({"a.jsonl": lines(9)}, {"a.jsonl": lines(8)}, "changed a.jsonl"),
        ({"a.jsonl": lines(9)}, {"a.jsonl": lines(9).replace("line_3", "lime_3") + lines(1)}, "changed a.jsonl"),
        ({"a.jsonl": lines(9), "b.jsonl": lines(2)}, {"a.jsonl": lines(9)}, "gone b.jsonl"),
        ({"a.jsonl": lines(9)}, {"a.jsonl": lines(9), "b.jsonl": '{"text": "x y", "lang": "go"}\n'}, None),
    ],
)  # fmt: skip
def test_records(
    tokenizer: CodeTokenizer, tmp_path: Path, before: dict[str, str], after: dict[str, str], said: str | None
) -> None:
    """New shards, whatever their columns, and lines behind those of a shard that ended with a line end."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    for name, contents in before.items():
        (folder / name).write_text(contents)
    source: list[SourceConfig] = [Jsonl(path=str(folder), epochs=3)]
    (first,) = loaders(tokenizer, source, **PLAIN)
    counts = counted([first], 1)
    for name in before:
        (folder / name).unlink()
    for name, contents in after.items():
        (folder / name).write_text(contents)
    (second,) = loaders(tokenizer, source, on_growth="extend", **PLAIN)
    if said is not None:
        with pytest.raises(ConfigError, match=said):
            second.load_state_dict(first.state_dict())
        return
    go_on([first], [second])
    once = counted(loaders(tokenizer, [Jsonl(path=str(folder), epochs=1)], **PLAIN), None)

    def is_known(name: str) -> bool:
        file, number = name.split(":")
        return int(number) <= before.get(file, "").count("\n")

    each_as_often(counts, counted([second], None), once, is_known, epochs=3)


def test_what_can_not_grow(tokenizer: CodeTokenizer, tmp_path: Path) -> None:
    """A Parquet file that was written anew, another source in the list; and a rank of many with its own rows only."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table, corpus = tmp_path / "a.parquet", tmp_path / "corpus"
    write(corpus, "known", range(10))
    pq.write_table(pa.table({"text": [text("row", i) for i in range(9)]}), table)
    sources: list[SourceConfig] = [Parquet(path=str(table)), Directory(path=str(corpus))]
    (first,) = loaders(tokenizer, sources, on_growth="extend")
    ranks = loaders(tokenizer, sources, 2, on_growth="extend")
    write(corpus, "added", range(3))
    (grown,) = loaders(tokenizer, sources, on_growth="extend")
    go_on([first], [grown])
    with pytest.raises(ConfigError, match="a state of all 6 rows is needed to go on, not of 3; join the states"):
        loaders(tokenizer, sources, 2, on_growth="extend")[0].load_state_dict(ranks[0].state_dict())
    with pytest.raises(ConfigError, match=r"dataloader\.sources had 2 sources, has 1;"):
        loaders(tokenizer, sources[1:], on_growth="extend")[0].load_state_dict(first.state_dict())
    pq.write_table(pa.table({"text": [text("row", i) for i in range(12)]}), table)
    with pytest.raises(
        ConfigError, match=r": parquet:.*a\.parquet: changed a\.parquet; directory:.*: added added000\.py, "
    ):
        loaders(tokenizer, sources, on_growth="extend")[0].load_state_dict(first.state_dict())


def test_parquet_files_that_were_added(tokenizer: CodeTokenizer, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    def shard(name: str, n: int) -> None:
        pq.write_table(pa.table({"text": [text(name, i) for i in range(n)]}), tmp_path / f"{name}.parquet")

    shard("b", 20)
    source: list[SourceConfig] = [Parquet(path=str(tmp_path), epochs=3)]
    (first,) = loaders(tokenizer, source, **PLAIN)
    counts = counted([first], 1)
    shard("a", 7)
    (second,) = loaders(tokenizer, source, on_growth="extend", **PLAIN)
    go_on([first], [second])
    once = counted(loaders(tokenizer, [Parquet(path=str(tmp_path), epochs=1)], **PLAIN), None)
    # The rows of a come before those of b in the listing: row 7 is what row 0 was.
    moved = Counter({f"row {int(name.removeprefix('row ')) + 7}": n for name, n in counts.items()})
    each_as_often(moved, counted([second], None), once, lambda name: int(name.split()[1]) >= 7, epochs=3)
    shard("b", 19)
    with pytest.raises(ConfigError, match=r": changed b\.parquet;"):
        loaders(tokenizer, source, on_growth="extend", **PLAIN)[0].load_state_dict(first.state_dict())


def test_a_stream_beside_what_grew(tokenizer: CodeTokenizer, tmp_path: Path) -> None:
    corpus, stream = tmp_path / "corpus", tmp_path / "stream"
    write(corpus, "known", range(10))
    stream.mkdir()
    (stream / "train.jsonl").write_text(lines(300))
    sources: list[SourceConfig] = [
        HuggingFace(name=str(stream), streaming=True, weight=1), Directory(path=str(corpus), weight=1)
    ]  # fmt: skip
    (first,) = loaders(tokenizer, sources, on_growth="extend")
    take([first], 3)
    write(corpus, "added", range(3))
    (second,) = loaders(tokenizer, sources, on_growth="extend")
    go_on([first], [second])
    take([second], 3)
    assert second._corpus.kept()["sizes"][1][1][1] == 13


def test_what_is_kept_is_small(tokenizer: CodeTokenizer, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    write(corpus, "some_longer_name_of_a_module_", range(999))
    (one,) = loaders(tokenizer, [Directory(path=str(corpus))])
    assert len(one.state_dict()["identity"]) < 20_000
