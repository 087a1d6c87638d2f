"""One pass over the corpus: what is held out of it, and of which of that the training has a copy."""

import contextlib
import hashlib
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from codetitan.data.document import Document, EndOfStream
from codetitan.data.rows.selection import Selection
from codetitan.data.validation.config import ValidationData
from codetitan.data.validation.copies import near_copies, normalised_hash
from codetitan.errors import ConfigError

_BYTES_A_TOKEN = 16  # of the texts that are kept for a round: no tokenizer makes fewer tokens of code
_STREAMED = 100_000  # documents of a stream that are looked through for held-out ones


@dataclass(frozen=True)
class Found:
    """The documents of the validation.

    Attributes:
        documents: (source, index in it) in the order in which they are served: as a hash of their texts puts them.
        held_out: documents that were held out, of `of` that were looked at.
        repositories: those of the held-out documents.
        copies, near_copies: held-out documents that are not measured, for the training has them too.
        compared: "" where the held-out documents were compared with all of the training's; else why not.
    """

    documents: list[tuple[int, int]]
    held_out: int
    of: int
    repositories: int
    copies: int = 0
    near_copies: int = 0
    compared: str = ""

    def summary(self, config: ValidationData) -> str:
        """Returns e.g. `7 of 731 documents held out (1 repository); left out: 1 copy of a training document`."""
        where = "of their own" if config.sources else f"of {self.of:,} held out"
        units = f" ({_repositories(self.repositories)})" if config.by == "repository" and self.repositories else ""
        text = f"{self.held_out:,} documents {where}{units}"
        names = (self.copies, "copy", "copies"), (self.near_copies, "near copy", "near copies")
        left_out = [f"{n:,} {one if n == 1 else many}" for n, one, many in names if n]
        if left_out:
            text += f"; left out, for the training has them: {', '.join(left_out)}"
        return text + (f"; {self.compared}" if self.compared else "")


def search(config: ValidationData, train: Sequence[Selection], own: Sequence[Selection], tokens: int) -> Found:
    """Reads the corpus.

    Args:
        config: what is held out.
        train: the training's sources.
        own: those of the validation, where it has some.
        tokens: of a round.

    Raises:
        ConfigError: nothing of a source, or of a language that has a share, is left to train on.
    """
    held: list[_Held] = []
    repositories: set[str] = set()
    hashes = array("Q")  # of the training's documents
    looked_at = 0
    for s, selection in enumerate(train):
        if not config.share and (selection.source.streamed or not config.find_copies):
            continue  # nothing is held out of it, and nothing is compared with it
        streamed_bytes = 0
        trained_on: Counter[str] = Counter()
        for index, document in _served(selection):
            looked_at += 1
            if config.holds_out(document):
                held.append(_held(s, index, document))
                repositories |= {document.repo.lower()} if document.repo is not None else set()
                streamed_bytes += held[-1].n_bytes
                if selection.source.streamed and streamed_bytes > _BYTES_A_TOKEN * tokens:
                    break  # nobody knows how long it is
                continue
            trained_on[document.language] += 1
            if config.find_copies:
                hashes.append(normalised_hash(document.text))
        _check_left(config, selection, trained_on)
    for s, selection in enumerate(own):
        for index, document in _served(selection):
            held.append(_held(s, index, document))
            repositories |= {document.repo.lower()} if document.repo is not None else set()
    copied = _among(np.array([document.hash for document in held], np.uint64), np.frombuffer(hashes, np.uint64))
    left = sorted(document for document, is_copy in zip(held, copied, strict=True) if not is_copy)
    kept: list[_Held] = []
    seen: set[int] = set()  # of copies among themselves one is enough
    n_bytes = 0
    for candidate in left:
        if candidate.hash not in seen and n_bytes <= _BYTES_A_TOKEN * tokens:
            seen.add(candidate.hash)
            kept.append(candidate)
            n_bytes += candidate.n_bytes
    near = 0
    if config.near_duplicates and config.find_copies and kept:
        near_of = _near(config, train, own, kept)
        near = len(near_of)
        kept = [document for i, document in enumerate(kept) if i not in near_of]
    compared = ""
    if not config.find_copies:
        compared = "not compared with the training's (validation.find_copies = false)"
    elif any(selection.source.streamed for selection in train):
        compared = "not compared with the training's, which is a stream"
    return Found(
        [(document.source, document.number) for document in kept],
        len(held),
        looked_at,
        len(repositories),
        sum(copied),
        near,
        compared,
    )


def _among(some: npt.NDArray[np.uint64], all_: npt.NDArray[np.uint64]) -> list[bool]:
    """Returns of each number whether it is among others, which are sorted in place: np.isin copies them six times."""
    all_.sort()
    place = np.minimum(all_.searchsorted(some), len(all_) - 1)
    found: list[bool] = (all_[place] == some).tolist() if len(all_) else [False] * len(some)
    return found


def _check_left(config: ValidationData, selection: Selection, trained_on: Counter[str]) -> None:
    """Something of each source, and of each language that has a share, is left to train on."""
    name = selection.source.name
    if config.share and not trained_on:
        raise ConfigError(
            f"validation.share = {config.share} holds out all documents of {name}: they are of few repositories; lower "
            'it, or set validation.by = "document"'
        )
    for component in selection.components:
        language = component.name.removeprefix(f"{name}/")
        if config.share and component.name != name and not trained_on[language]:
            raise ConfigError(
                f"validation.share = {config.share} holds out all {language} of {name}: it is of few repositories; "
                'lower it, or set validation.by = "document"'
            )


class _Held(NamedTuple):
    order: int  # of the text, as a hash has it
    source: int
    number: int  # its index in the source
    hash: int  # of the normalised text
    n_bytes: int


def _held(source: int, index: int, document: Document) -> _Held:
    data = document.text.encode()
    order = int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")
    return _Held(order, source, index, normalised_hash(document.text), len(data))


def _near(
    config: ValidationData, train: Sequence[Selection], own: Sequence[Selection], kept: Sequence[_Held]
) -> set[int]:
    """Returns the places among the kept documents of those that have a near copy in the training data."""
    sources = [selection.source for selection in own or train]

    def held_out() -> Iterator[tuple[int, str]]:
        for place, document in enumerate(kept):
            read = sources[document.source].read(document.number)
            if isinstance(read, Document):
                yield place, read.text

    def training() -> Iterator[tuple[int, str]]:
        for selection in train:
            if not selection.source.streamed:
                for index, document in _served(selection):
                    if not config.holds_out(document):
                        yield index, document.text

    return set(near_copies(held_out(), training()))


def _served(selection: Selection) -> Iterator[tuple[int, Document]]:
    """Reads the documents of a source that can be used, with a progress bar on stderr where it takes long."""
    source = selection.source
    indices: Iterable[int] = range(_STREAMED) if source.streamed else selection.indices().tolist()
    with contextlib.suppress(EndOfStream):
        for index in tqdm(indices, f"validation: {source.name}", unit=" documents", delay=3, disable=None):
            document = source.read(index)
            if isinstance(document, Document):
                yield index, document


def _repositories(n: int) -> str:
    return f"{n:,} {'repository' if n == 1 else 'repositories'}"
