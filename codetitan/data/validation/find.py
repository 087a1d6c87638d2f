"""Which held-out documents a run is measured on, and which of them the training has a copy of.

The whole corpus is read once: what is held out is known of each document alone, but a copy may be anywhere. The answer
is kept in the cache, by the fingerprints of the sources, so a second start and the other ranks find it there.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from codetitan.data.document import Document
from codetitan.data.rows.selection import Selection, open_sources, select
from codetitan.data.sources.open import Source, SourceConfig
from codetitan.data.validation.config import ValidationData
from codetitan.data.validation.corpus import Found, search
from codetitan.errors import ConfigError
from codetitan.places import cache_folder

VERSION = 1
"""Rises when the same corpus and keys would give other documents."""


def find(config: ValidationData, training: Sequence[SourceConfig], *, tokens: int) -> Found:
    """Finds the documents, in the cache or by reading the corpus.

    Args:
        config: what is held out.
        training: `dataloader.sources`.
        tokens: of a round.

    Raises:
        ConfigError: nothing is held out, or all of it has a copy in the training data.
    """
    train = select(training, open_sources(training), together=1)
    own = _open(config.sources)
    file = _cache_file(config, training, train, own, tokens)
    found = _read(file)
    if found is None or not _still_held_out(found, config, [selection.source for selection in train]):
        found = search(config, train, own, tokens)
        _write(file, found)
    _check(found, config)
    return found


def documents(config: ValidationData, training: Sequence[SourceConfig], found: Found) -> Iterator[Document]:
    """Reads the documents, in their order."""
    own = [selection.source for selection in _open(config.sources)]
    sources = own or open_sources(training)
    streams = {s for s, source in enumerate(sources) if source.streamed}
    ahead: dict[tuple[int, int], Document] = {}
    for s in streams:  # they are read in ascending order only
        wanted = sorted(index for source, index in found.documents if source == s)
        for index in wanted:
            document = sources[s].read(index)
            if isinstance(document, Document):
                ahead[s, index] = document
    for s, index in found.documents:
        read = ahead.get((s, index)) if s in streams else sources[s].read(index)
        if isinstance(read, Document):
            yield read


def _still_held_out(found: Found, config: ValidationData, sources: Sequence[Source]) -> bool:
    """Whether what was found once is what would be found: a fingerprint does not see every change of a text."""
    if not config.share:
        return True
    read = (sources[s].read(index) for s, index in found.documents)
    return all(isinstance(document, Document) and config.holds_out(document) for document in read)


def _open(configs: Sequence[SourceConfig]) -> list[Selection]:
    """Opens sources of the validation's own."""
    try:
        return select(configs, open_sources(configs), together=1)
    except ConfigError as error:
        raise ConfigError(str(error).replace("dataloader.", "validation.").replace("train on", "measure on")) from None


def _cache_file(
    config: ValidationData,
    training: Sequence[SourceConfig],
    train: Sequence[Selection],
    own: Sequence[Selection],
    tokens: int,
) -> Path | None:
    if any(selection.source.streamed for selection in [*train, *own]):
        return None
    of = {
        "version": VERSION,
        "share": config.share,
        "by": config.by,
        "tokens": tokens,
        "copies": config.find_copies,
        "near": config.near_duplicates,
        "training": _described(train, training),
        "own": _described(own, config.sources),
    }
    digest = hashlib.sha256(json.dumps(of).encode()).hexdigest()
    try:
        return cache_folder("validation") / f"{digest[:32]}.json"
    except OSError:
        return None


def _described(selections: Sequence[Selection], configs: Sequence[SourceConfig]) -> list[object]:
    return [
        [selection.source.fingerprint, source.max_documents, source.languages]
        for selection, source in zip(selections, configs, strict=True)
    ]


def _read(file: Path | None) -> Found | None:
    if file is None:
        return None
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        return Found(**values | {"documents": [(int(s), int(i)) for s, i in values["documents"]]})
    except (OSError, ValueError, KeyError, TypeError):  # it is made again
        return None


def _write(file: Path | None, found: Found) -> None:
    if file is None:
        return
    with contextlib.suppress(OSError):  # it is read again, then
        part = file.with_name(f"{file.name}.{os.getpid()}")
        part.write_text(json.dumps(asdict(found)), encoding="utf-8")
        part.replace(file)


def _check(found: Found, config: ValidationData) -> None:
    if found.documents:
        return
    if not found.held_out and config.sources:
        raise ConfigError("validation.sources: no document of them can be used")
    if not found.held_out:
        by_document = ', set validation.by = "document"' if config.by == "repository" else ""
        raise ConfigError(
            f"validation.share = {config.share} holds out none of the {found.of:,} documents of dataloader.sources; "
            f"raise it{by_document}, or name validation.sources"
        )
    raise ConfigError(
        f"validation: each of the {found.held_out:,} held-out documents has a copy in the training data; raise "
        "validation.share, or name validation.sources"
    )
