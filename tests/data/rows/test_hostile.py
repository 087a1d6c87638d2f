"""Whatever a corpus holds: it comes back byte by byte, or it is left out with a counted reason. Never a crash."""

import json
import os
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codetitan.data.document import Document
from codetitan.data.pieces.fim import FimConfig, SpanConfig
from codetitan.data.rows.loader import CodeDataLoader
from codetitan.data.rows.packing import Part
from codetitan.data.sources.open import Directory, Jsonl
from codetitan.errors import ConfigError
from codetitan.tokenizer.code_tokenizer import CodeTokenizer
from tests.data.helpers import Memory, component, make_rows, put_together, text_of

FRAGMENTS = st.one_of(
    st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=40),
    st.sampled_from(
        [
            "<|endoftext|>", "<fim_prefix>", "<fim_suffix>", "<fim_middle>", "<fim_pad>", "<reponame>", "<filename>",
            "\r\n", "\r", "\n\n\n", "\x00", "\ufeff", "\u202eabc\u202c", "עברית", "\u0301", "😀" * 30, " " * 300,
            "a" * 3000, "x = 1\n" * 50, "\x1b[31m", "\\", "%s{}", "def f(x):\n    return x\n",
        ]
    ),
)  # fmt: skip
TEXTS = st.lists(FRAGMENTS, min_size=1, max_size=12).map("".join).filter(bool)


@given(
    texts=st.lists(TEXTS, min_size=1, max_size=5),
    seq_len=st.sampled_from([16, 33, 128]),
    packing=st.sampled_from(["best-fit", "concatenate"]),
    fim=st.sampled_from([FimConfig(), FimConfig(rate=1.0, spans=SpanConfig(random=1, line=1, syntax=1))]),
    language=st.sampled_from(["python", "javascript", "other"]),
    n=st.sampled_from([1, 2]),
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_byte_comes_back(
    tokenizer: CodeTokenizer, texts: list[str], seq_len: int, packing: Any, fim: FimConfig, language: str, n: int
) -> None:
    documents = [Document("memory", f"{i}", text, language=language) for i, text in enumerate(texts)]
    pieces: dict[str, list[bytes]] = defaultdict(list)
    sources = [component(Memory(documents), epochs=1)]
    for row in make_rows(tokenizer, sources, n=n, seq_len=seq_len, packing=packing, fim=fim, block=3):
        open_part: Part | None = None
        while sample := row.next():
            assert sum(part.stop - part.start for part in sample) <= seq_len
            for part in sample:
                # A piece that a sample cuts goes on with the next: all of it is served, in order.
                assert part.start == (0 if open_part is None else open_part.stop)
                assert open_part is None or part.piece is open_part.piece
                assert len(part.piece.ids) == sum(count for _, count in part.piece.roles) <= seq_len + 1
                open_part = part if part.stop < part.piece.size else None
                if open_part is None:
                    pieces[part.piece.name].append(text_of(part.piece.ids.tolist(), tokenizer))
        assert open_part is None
    assert set(pieces) == {document.path for document in documents}
    for document in documents:
        assert put_together(document.text.encode(), pieces[document.path])


@pytest.mark.parametrize("seq_len", [4, 9, 64])
def test_pieces_are_at_least_two_tokens(tokenizer: CodeTokenizer, seq_len: int) -> None:
    """A token alone would have no label, and so be lost; a character may be more tokens than a piece may have."""
    text = "\n" + "abc1," * 400 + "\n" + "\U0001f9ff\u0f3c" * 50
    (row,) = make_rows(
        tokenizer, [component(Memory([Document("memory", "a", text)]), epochs=1)], n=1, seq_len=seq_len, block=1
    )
    pieces = []
    while sample := row.next():
        pieces += [part.piece for part in sample]
    assert min(len(piece.ids) for piece in pieces) >= 2
    assert put_together(text.encode(), [text_of(piece.ids.tolist(), tokenizer) for piece in pieces])


def serve(tokenizer: CodeTokenizer, source: Any, *, steps: int, seq_len: int = 128) -> CodeDataLoader:
    config = CodeDataLoader.Config(sources=[source], fim=FimConfig(rate=0.5), workers=1)
    loader = CodeDataLoader(
        config, dp_world_size=1, dp_rank=0, tokenizer=tokenizer, seq_len=seq_len, local_batch_size=2
    )
    batches = iter(loader)
    for _ in range(steps):
        next(batches)
    return loader


def test_a_folder_of_anything(tokenizer: CodeTokenizer, tmp_path: Path) -> None:
    contents: dict[str, bytes] = {
        "good.py": b"x = 1\n" * 100,
        "empty.py": b"",
        "latin.py": b"# caf\xe9\n",
        "random.py": os.urandom(5000),
        "nul.py": b"x = '\x00'\n" * 20,
        "crlf.py": b"x = 1\r\n" * 100,
        "line.js": b"var x = 1;" * 200_000,
        "spaces.py": b" " * 950_000,
        "word.py": b"a" * 900_000,
        "sentinels.py": b"<|endoftext|><fim_prefix><fim_suffix><fim_middle>" * 50,
        "rtl.py": "# \u202e עברית \u202c\n".encode() * 50,
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    loader = serve(tokenizer, Directory(path=str(tmp_path), max_file_bytes=3_000_000), steps=1000, seq_len=2048)
    assert loader.mixture.dropped == {"not UTF-8": 2, "the tokenizer can't encode it": 1}
    assert loader.sources[0].dropped == {"empty": 1}


def test_broken_lines_are_counted_with_their_place(
    tokenizer: CodeTokenizer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lines = [json.dumps({"text": "x = 1\n" * 20})] * 3 + ['{"text": "cut of', '{"text": "half \\ud800"}', "[1, 2]", ""]
    (tmp_path / "a.jsonl").write_text("\n".join(lines) + "\n")
    loader = serve(tokenizer, Jsonl(path=str(tmp_path)), steps=60)
    assert loader.mixture.dropped == {"not JSON": 1, "lone surrogates": 1, "no JSON object": 1, "empty": 1}
    assert 'skipped "a.jsonl:4": not JSON' in caplog.text


@pytest.mark.parametrize("workers", [0, 1])
def test_a_corpus_that_changes_under_a_running_job(tokenizer: CodeTokenizer, tmp_path: Path, workers: int) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text("".join(json.dumps({"text": f"x{i} = {i}\n" * 20}) + "\n" for i in range(500)))
    config = CodeDataLoader.Config(sources=[Jsonl(path=str(file))], workers=workers)
    loader = CodeDataLoader(config, dp_world_size=1, dp_rank=0, tokenizer=tokenizer, seq_len=128, local_batch_size=1)
    batches = iter(loader)
    next(batches)
    os.truncate(file, 1000)
    with pytest.raises(ConfigError, match=r"a.jsonl.* has changed since the run started"):
        for _ in range(500):
            next(batches)
