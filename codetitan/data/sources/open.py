"""Where documents come from: what a configuration says of a source, and how it is opened.

To add a source: a dataclass of its options here, an entry in `SOURCE_TYPES`, a branch in `open_source`, and a class
that is a `Source`.
"""

import contextlib
import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from codetitan.data.document import Document, Dropped, EndOfStream
from codetitan.data.sources.files import open_directory, open_stdlib
from codetitan.data.sources.listing import EXCLUDE, INCLUDE
from codetitan.data.sources.walk import Links, Tell
from codetitan.errors import ConfigError


@dataclass(kw_only=True, slots=True)
class SourceOptions:
    """What every source has, beside its own options."""

    weight: float | None = None
    """Share of the tokens, relative to the other sources' weights; None everywhere: as their sizes."""

    epochs: int | None = None
    """How often a document may be served; None: without end."""

    max_documents: int | None = None
    """How many of the documents are served, from the first; None: all."""

    languages: dict[str, float] = field(default_factory=dict)
    """Language → share of the source's tokens; empty: as they come. Documents of others are not served, and counted."""

    label: str | None = None
    """What it is called in counts, metrics and the model card; None: its type and place."""


@dataclass(kw_only=True, slots=True)
class PythonStdlib(SourceOptions):
    """`type = "python-stdlib"`: the standard library of the Python that runs: real code on every machine."""

    max_file_bytes: int = 1_000_000
    """Larger files are left out, counted as "too large"."""


@dataclass(kw_only=True, slots=True)
class Directory(SourceOptions):
    """`type = "directory"`: the source files under a folder."""

    path: str
    """The folder, absolute or relative to the working directory."""

    include: list[str] = field(default_factory=lambda: list(INCLUDE))
    """Patterns (fnmatch) of file names to serve; "#!" for executable scripts without an extension."""

    exclude: list[str] = field(default_factory=lambda: list(EXCLUDE))
    """Patterns (fnmatch) of file and folder names to leave out, below `path`. Hidden ones always are. Counted."""

    respect_gitignore: bool = True
    """Leave out what the .gitignore files in the folder name, counted as "ignored by .gitignore"."""

    links: Links = "all"
    """Which links are followed: "all", "inside": those to what lies in the folder, "none". Each real file is served
    once; what is left out is counted."""

    repo_depth: int = 0
    """Leading folders below `path` that name the repository: 0: `path` is one, 1: path/NAME, 2: path/OWNER/NAME. A
    folder with a .git is a repository at any depth, named by its origin."""

    max_file_bytes: int = 1_000_000
    """Larger files are left out, counted as "too large"."""

    def __post_init__(self) -> None:
        if self.repo_depth < 0:
            raise ValueError(f"repo_depth = {self.repo_depth} must be 0 or more")


@dataclass(kw_only=True, slots=True)
class RecordOptions(SourceOptions):
    """What every source of records has."""

    fields: dict[str, str] = field(default_factory=dict)
    """Part of a document (text, path, repo, language, licence, stars, parts, date) → column; those left out are found
    by their names."""

    max_bytes: int = 1_000_000
    """Longer texts, in UTF-8, are not served, counted as "too large"."""


@dataclass(kw_only=True, slots=True)
class Jsonl(RecordOptions):
    """`type = "jsonl"`: JSON Lines, plain or compressed with gzip, zstd or bzip2."""

    path: str
    """A file, a folder (every *.jsonl, *.jsonl.gz, *.jsonl.zst and *.jsonl.bz2 below), or a glob pattern."""


@dataclass(kw_only=True, slots=True)
class Parquet(RecordOptions):
    """`type = "parquet"`: Parquet files."""

    path: str
    """A file, a folder (every *.parquet below), or a glob pattern."""


@dataclass(kw_only=True, slots=True)
class HuggingFace(RecordOptions):
    """`type = "huggingface"`: a dataset of the Hugging Face hub."""

    name: str
    """OWNER/NAME, or a local folder in the form of a dataset."""

    config: str | None = None
    """The dataset's configuration, where it has several."""

    split: str = "train"
    """The split, such as "train" or "train[:10%]"."""

    data_dir: str | None = None
    """A folder in the dataset, such as "data/python"."""

    revision: str | None = None
    """A commit, tag or branch; name a commit to be sure of the data."""

    streaming: bool = False
    """Read it over the network, in its order, once: no shuffling, no second epoch, a resumed run reads it again."""


SourceConfig = PythonStdlib | Directory | Jsonl | Parquet | HuggingFace
SOURCE_TYPES: dict[str, type[SourceConfig]] = {
    "python-stdlib": PythonStdlib,
    "directory": Directory,
    "jsonl": Jsonl,
    "parquet": Parquet,
    "huggingface": HuggingFace,
}


def source_from_text(text: str) -> dict[str, str]:
    """Expands a source written as one word: `python-stdlib`, `directory:PATH`, `jsonl:PATH`, `huggingface:NAME`, …"""
    kind, _, place = text.partition(":")
    if not place:
        return {"type": kind}
    return {"type": kind, "name" if kind == "huggingface" else "path": place}


class Source(Protocol):
    """An opened source: documents in a fixed order, read by index.

    Attributes:
        name: for people and for counts.
        n_bytes: bytes of text or on disk, for people and for default weights; 0 where they are not known.
        dropped: reason → number of documents left out when the source was opened.
        fingerprint: changes when the data does, not when it lies elsewhere.
        structure: kinds of parts (`codetitan.data.structure`) that its first records have; others may turn up later.
        streamed: documents come in ascending order only, and `len` raises TypeError: their number is not known.
    """

    name: str
    n_bytes: int
    dropped: Counter[str]
    fingerprint: str

    @property
    def structure(self) -> frozenset[str]: ...

    @property
    def streamed(self) -> bool: ...

    def __len__(self) -> int: ...

    def read(self, index: int) -> Document | Dropped:
        """Reads a document. Raises ConfigError where that is no longer possible; EndOfStream behind a stream's end."""

    def languages(self) -> npt.NDArray[np.uint8]:
        """Returns uint8 (n,): each document's index into LANGUAGES. Raises ConfigError where it is streamed."""

    def parts(self) -> list[tuple[str, int]]:
        """Returns (name, documents) of what it is made of, in the order of its documents; maybe one of all."""

    def mark(self, which: int, first: int, n: int, *, thorough: bool) -> str:
        """Returns what documents [first, first + n) of part `which` are: a text without NUL that changes when they do.

        Where parts have names and sizes of their own, only a `thorough` mark looks into them.
        """


def open_source(config: SourceConfig, tell: Tell | None = None) -> Source:
    """Opens a source.

    Args:
        config: which.
        tell: hears what the listing of a folder of files leaves out.

    Raises:
        ConfigError: it does not exist, has no document, or no text.
    """
    if isinstance(config, PythonStdlib):
        return open_stdlib(config.max_file_bytes)
    if isinstance(config, Directory):
        return open_directory(
            config.path,
            include=config.include,
            exclude=config.exclude,
            max_file_bytes=config.max_file_bytes,
            repo_depth=config.repo_depth,
            gitignore=config.respect_gitignore,
            links=config.links,
            tell=tell,
        )
    # datasets takes a second to import: only where it is used.
    if isinstance(config, Jsonl):
        from codetitan.data.sources.jsonl import JsonlSource

        return JsonlSource(config.path, fields=config.fields, max_bytes=config.max_bytes)
    if isinstance(config, Parquet):
        from codetitan.data.sources.parquet import open_parquet

        return open_parquet(config.path, fields=config.fields, max_bytes=config.max_bytes)
    from codetitan.data.sources.hub import open_hub

    return open_hub(
        config.name,
        config=config.config,
        split=config.split,
        data_dir=config.data_dir,
        revision=config.revision,
        fields=config.fields,
        streaming=config.streaming,
        max_bytes=config.max_bytes,
    )


def check_usable(sources: Sequence[Source]) -> None:
    """Reads each source until one document of it can be used; in an ordinary corpus that is the first.

    Raises:
        ConfigError: a source has none.
    """
    for source in sources:
        reasons: Counter[str] = Counter()
        if not any(isinstance(document, Document) for document in _counted(source, reasons)):
            counts = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items())) or "it is empty"
            raise ConfigError(f"dataloader.sources: no document of {source.name} can be used: {counts}")


def _counted(source: Source, reasons: Counter[str]) -> Iterator[Document | Dropped]:
    """Yields what a source hands out, counting why it does not."""
    with contextlib.suppress(EndOfStream):
        for index in itertools.count() if source.streamed else range(len(source)):
            document = source.read(index)
            if isinstance(document, Dropped):
                reasons[document.reason] += 1
            yield document
