"""A row's stream: goes on from its state, holds the shares, serves everything once."""

from typing import Any

import pytest

from codetitan.data.document import Document
from codetitan.data.order import key, uniform
from codetitan.data.pieces.fim import FimConfig
from codetitan.data.rows.mixture import DataError
from codetitan.data.rows.packing import Sample
from codetitan.data.rows.row import RowState
from codetitan.errors import ConfigError
from codetitan.tokenizer.code_tokenizer import CodeTokenizer
from tests.data.helpers import Memory, component, make_rows


def documents(n: int, *, language: str = "python", mean: int = 60, name: str = "d") -> list[Document]:
    """Documents of very different lengths: 1 to some hundreds of lines."""
    found = []
    for i in range(n):
        lines = 1 + int(mean * uniform(key(name, i), 0) ** 3)
        text = "".join(f"{name}_{i}_{j} = {j}\n" for j in range(lines))
        found.append(Document("memory", f"{name}{i}.py", text, language=language))
    return found


def shown(sample: Sample) -> list[tuple[str, list[int], int, int]]:
    return [(part.piece.name, part.piece.ids.tolist(), part.start, part.stop) for part in sample]


@pytest.mark.parametrize("packing", ["best-fit", "concatenate"])
def test_goes_on_from_every_state(tokenizer: CodeTokenizer, packing: Any) -> None:
    """Across blocks and ends of epochs, with two sources."""
    sources = [component(Memory(documents(9)), 0), component(Memory(documents(5, name="e")), 1, weight=2.0)]
    options: dict[str, Any] = {"packing": packing, "fim": FimConfig(rate=0.5), "n": 2}
    row = make_rows(tokenizer, sources, **options)[1]
    samples, states = [], []
    for _ in range(60):
        states.append(row.state.to_list())
        samples.append(shown(row.next()))
    assert row.state.ordinals[0] > 9  # several epochs
    for i, state in enumerate(states):
        again = make_rows(tokenizer, sources, **options)[1]
        again.state = RowState.from_list(state, 2)
        assert [shown(again.next()) for _ in range(3)] == (samples + [None] * 3)[i : i + 3] or i > 57


@pytest.mark.parametrize("packing", ["best-fit", "concatenate"])
@pytest.mark.parametrize("n", [1, 3, 8])
def test_an_epoch_holds_every_document_once(tokenizer: CodeTokenizer, packing: Any, n: int) -> None:
    source = Memory(documents(50))
    served: dict[str, int] = {}
    for row in make_rows(tokenizer, [component(source, epochs=1)], packing=packing, n=n):
        while sample := row.next():
            for part in sample:
                served[part.piece.name] = served.get(part.piece.name, 0) + part.stop - part.start
    # Each piece is one pair shorter than its tokens.
    assert set(served) == {d.path for d in source.documents}
    small = [d for d in source.documents if len(d.text) < 100]
    assert len(small) > 10
    assert all(served[d.path] == len(tokenizer.encode(d.text)) for d in small)  # with the end, less one


def test_shares_of_tokens(tokenizer: CodeTokenizer) -> None:
    """Within 1 % over any window of steps, with documents of very different length."""
    sources = [
        component(Memory(documents(300, mean=300)), 0, weight=0.7),
        component(Memory(documents(200, mean=10, name="e")), 1, weight=0.2),
        component(Memory(documents(20, mean=1000, name="f")), 2, weight=0.1),
    ]
    rows = make_rows(tokenizer, sources, n=32, seq_len=256)
    history = [[0, 0, 0]]
    for _ in range(300):
        for row in rows:
            row.next()
        history.append([sum(row.state.served[c] for row in rows) for c in range(3)])
    window = 100  # steps, 0.8M tokens
    for start in range(0, len(history) - window, 10):
        tokens = [history[start + window][c] - history[start][c] for c in range(3)]
        for share, got in zip((0.7, 0.2, 0.1), tokens, strict=True):
            assert abs(got / sum(tokens) - share) < 0.01


def test_a_source_that_has_served_its_epochs_leaves_its_share_to_the_others(tokenizer: CodeTokenizer) -> None:
    sources = [component(Memory(documents(10)), 0, epochs=2), component(Memory(documents(10, name="e")), 1)]
    (row,) = make_rows(tokenizer, sources, n=1)
    names = [part.piece.name for _ in range(300) for part in row.next()]
    per_epoch = len({name for name in names if name.startswith("d")})
    assert per_epoch == 10 and names[-50:] == [name for name in names[-50:] if name.startswith("e")]


def test_padding_and_languages_are_counted(tokenizer: CodeTokenizer) -> None:
    source = Memory(documents(20) + documents(20, language="go", name="g"))
    (row,) = make_rows(tokenizer, [component(source)], n=1)
    samples = [row.next() for _ in range(40)]
    tokens = sum(part.stop - part.start for sample in samples for part in sample)
    total, *languages, padding = row.state.served
    assert total == tokens == sum(languages) and padding == 40 * 128 - tokens
    assert sum(1 for count in languages if count) == 2


def test_neighbours_of_a_repository_share_samples(tokenizer: CodeTokenizer) -> None:
    from codetitan.data.pieces.metadata import MetadataConfig

    files = [Document("m", f"f{i}.py", f"x{i} = {i}\n" * 3, repo=f"r/{i // 4}") for i in range(40)]
    (row,) = make_rows(
        tokenizer,
        [component(Memory(files), epochs=1, together=4)],
        n=1,
        dialect="starcoder2",
        metadata=MetadataConfig(repository_level=1.0),
    )
    names = []
    while sample := row.next():
        names += [part.piece.name for part in sample]
    assert sorted(names) == sorted(", ".join(f"f{4 * g + i}.py" for i in range(4)) for g in range(10))


def test_an_error_names_its_document(tokenizer: CodeTokenizer) -> None:
    bad = Document("memory", "bad.py", "x = 1\n", language="klingon")
    (row,) = make_rows(tokenizer, [component(Memory([bad]))], n=1)
    with pytest.raises(DataError, match=r'^memory: "bad.py": KeyError: .klingon'):
        row.next()


def test_a_search_in_vain_ends(tokenizer: CodeTokenizer) -> None:
    bad = [Document("memory", f"{i}.py", "x = '\ud800'\n") for i in range(5)]
    (row,) = make_rows(tokenizer, [component(Memory(bad))], n=1)
    with pytest.raises(ConfigError, match=r"no document of memory can be used: 5 the tokenizer can't encode it$"):
        row.next()
