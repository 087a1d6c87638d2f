"""Contract 4 on real code: over an epoch every byte of every document comes back from the batches, once, with
fill-in-the-middle undone and metadata taken off. Checked from the tensors, with nothing of the loader's own."""

from collections import Counter, defaultdict
from typing import Any

import pytest

from codetitan.data.document import Document
from codetitan.data.fim import FimConfig, SpanConfig
from codetitan.data.loader import CodeDataLoader
from codetitan.data.metadata import MetadataConfig
from codetitan.data.sources import PythonStdlib, open_source
from codetitan.errors import ConfigError
from codetitan.tokenizer.code_tokenizer import CodeTokenizer

from .helpers import put_together, runs, text_of

FIM = FimConfig(rate=0.5, spm=0.5, spans=SpanConfig(random=1, line=1, syntax=1))


def epoch(
    source: Any, tokenizer: CodeTokenizer, *, rows: int, seq_len: int, **options: Any
) -> list[tuple[str, list[int]]]:
    """The runs of an epoch with their documents' names, from every row until it has nothing left."""
    source.epochs = 1
    config = CodeDataLoader.Config(sources=[source], rows=rows, workers=0, **options)
    found = []
    for rank in range(rows):
        batches, samples = (
            CodeDataLoader(
                config, dp_world_size=rows, dp_rank=rank, tokenizer=tokenizer, seq_len=seq_len, local_batch_size=1
            )
            for _ in range(2)
        )
        with pytest.raises(ConfigError, match="has served its epochs"):
            for (inputs, labels), (sample,) in zip(batches, samples.samples(), strict=True):
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
