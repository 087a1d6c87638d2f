"""Which documents of which sources a run serves, and what each is called: opened, named, split by language, counted."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from codetitan.data.document import Document
from codetitan.data.language import INDEX, LANGUAGES
from codetitan.data.pieces.dialects import lacks_structure
from codetitan.data.rows.mixture import Component
from codetitan.data.sources.open import Source, SourceConfig, check_usable, open_source
from codetitan.errors import ConfigError
from codetitan.tokenizer.code_tokenizer import CodeTokenizer


@dataclass(frozen=True)
class Selection:
    """What is served of a source.

    Attributes:
        source: under its name.
        components: one, or one for each language that has a share.
        unlisted: language → documents that no share of a language serves.
    """

    source: Source
    components: list[Component]
    unlisted: Counter[str]

    def indices(self) -> npt.NDArray[np.int64]:
        """Returns int64 (n,), ascending: the documents that are served; of a source that is not streamed."""
        parts = [c.indices if c.indices is not None else np.arange(c.n_documents or 0) for c in self.components]
        return np.sort(np.concatenate(parts))

    def summary(self) -> str:
        """Returns e.g. `python-stdlib: 704 documents, 11.2 MB (left out: 3 empty)`."""
        source = self.source
        if source.streamed:
            return f"{source.name}: a stream, {source.n_bytes / 1e6:.1f} MB"
        n = sum(component.n_documents or 0 for component in self.components)
        count = f"{n:,}" if n == len(source) else f"{n:,} of {len(source):,}"
        # What was meant to be left out is counted by `data stats`: here it would only alarm.
        meant = ("other file type", "excluded by name", "hidden")
        reasons = sorted((reason, k) for reason, k in source.dropped.items() if reason not in meant)
        left_out = [f"{k} {reason}" for reason, k in reasons]
        left_out += [f"{k} {language}, which has no share" for language, k in self.unlisted.most_common()]
        return f"{source.name}: {count} documents, {source.n_bytes / 1e6:.1f} MB" + (
            f" (left out: {', '.join(left_out)})" if left_out else ""
        )


def names(configs: Sequence[SourceConfig], given: Sequence[str]) -> list[str]:
    """Returns a name for each source, unique with those of its languages: its label, else where its data lies.

    Of several sources of one place the first has its name; the others get "#2", "#3" in their order.

    Args:
        configs: their labels do not collide (`codetitan.config.data`).
        given: what each is called where it has no label.
    """
    taken = {name for config in configs if config.label is not None for name in parts_of(config.label, config)}
    chosen = []
    for config, name in zip(configs, given, strict=True):
        if config.label is not None:
            chosen.append(config.label)
            continue
        number, unique = 1, name
        while taken & parts_of(unique, config):
            number += 1
            unique = f"{name}#{number}"
        taken |= parts_of(unique, config)
        chosen.append(unique)
    return chosen


def parts_of(name: str, config: SourceConfig) -> set[str]:
    """Returns the names under which a source is counted."""
    return {name, *(f"{name}/{language}" for language in config.languages)}


def open_sources(configs: Sequence[SourceConfig]) -> list[Source]:
    """Opens the sources of a configuration under their names.

    Raises:
        ConfigError: a source does not exist, or has no document that can be used.
    """
    sources = [open_source(config) for config in configs]
    for source, name in zip(sources, names(configs, [source.name for source in sources]), strict=True):
        source.name = name
    check_usable(sources)
    return sources


def check_structure(sources: Sequence[Source], tokenizer: CodeTokenizer) -> None:
    """The tokenizer has a sentinel for each kind of part that is known of the sources; for one that turns up later,
    `PieceMaker.pieces` asks.

    Raises:
        ConfigError: it lacks one; names source, sentinel and key.
    """
    for source in sources:
        if lacking := tokenizer.sentinels.lacking(source.structure):
            raise lacks_structure(f"dataloader.sources: {source.name}", lacking, tokenizer.encoding)


def select(
    configs: Sequence[SourceConfig], sources: Sequence[Source], *, together: int, n_bytes: Sequence[int] | None = None
) -> list[Selection]:
    """Chooses what is served of opened sources, and splits it by language where shares are set.

    Args:
        configs: of the sources.
        sources: opened.
        together: documents that are drawn together.
        n_bytes: size of each source for shares where none has a weight; None: as it is.

    Raises:
        ConfigError: a source lacks a language that has a share.
    """
    selections: list[Selection] = []
    first = 0
    for i, (config, source) in enumerate(zip(configs, sources, strict=True)):
        # Without weights, a source's share is its size: all of them end an epoch at about the same time.
        size = source.n_bytes if n_bytes is None else n_bytes[i]
        weight = float(max(1, size)) if config.weight is None else config.weight
        selections.append(_select(f"dataloader.sources.{i}", config, source, weight, first=first, together=together))
        first += len(selections[-1].components)
    return selections


def _select(key: str, config: SourceConfig, source: Source, weight: float, *, first: int, together: int) -> Selection:
    n = None if source.streamed else min(len(source), config.max_documents or len(source))
    if not config.languages:
        component = Component(source.name, first, source, None, n, weight, config.epochs, together)
        return Selection(source, [component], Counter())
    numbers = source.languages()[:n]
    total = sum(config.languages.values())
    components: list[Component] = []
    there = [LANGUAGES[number] for number in np.unique(numbers)]
    if lacking := [language for language in config.languages if language not in there]:
        raise ConfigError(
            f"{key}.languages.{lacking[0]}: {source.name} has no document of {', '.join(lacking)}; remove "
            f"{'them' if len(lacking) > 1 else 'it'} (it has {', '.join(there)})"
        )
    for language, share in config.languages.items():
        indices = np.flatnonzero(numbers == INDEX[language]).astype(np.int64)
        components.append(
            Component(
                f"{source.name}/{language}", first + len(components), source, indices, len(indices),
                weight * share / total, config.epochs, together,
            )
        )  # fmt: skip
    counts = np.bincount(numbers, minlength=len(LANGUAGES)).tolist()
    unlisted = {name: n for name, n in zip(LANGUAGES, counts, strict=True) if n and name not in config.languages}
    return Selection(source, components, Counter(unlisted))


def licences_of(component: Component, *, at_most: int) -> Counter[str]:
    """Counts the licences of a component's documents, of at most so many that are evenly spread; of a stream, none.

    What can't be read is left out: a model card is no reason to end a run.
    """
    return Counter(document.licence or "not known" for document in _sample(component, at_most))


def _sample(component: Component, at_most: int) -> Iterator[Document]:
    if component.source.streamed or not component.n_documents:
        return
    for place in np.unique(np.linspace(0, component.n_documents - 1, at_most).astype(np.int64)).tolist():
        try:
            document = component.source.read(place if component.indices is None else int(component.indices[place]))
        except ConfigError:
            continue
        if isinstance(document, Document):
            yield document
