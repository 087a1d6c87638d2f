"""What a corpus holds and what is served of it: `codetitan data stats`."""

from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text
from tqdm import tqdm

from codetitan.data.document import Document, EndOfStream
from codetitan.data.pieces.maker import TOO_LONG
from codetitan.data.rows.loader import CodeDataLoader, Served
from codetitan.data.rows.selection import Selection
from codetitan.data.views.inspect import visible

_LENGTHS = (0, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536)  # tokens; the last is open
_QUANTILES = {"5 %": 5, "25 %": 25, "median": 50, "75 %": 75, "95 %": 95, "longest": 100}


@dataclass
class Corpus:
    """One source, read through.

    Attributes:
        name: of the source.
        documents, tokens, n_bytes: what can be served.
        lengths: tokens of each document.
        languages, licences: documents and tokens of each.
        dropped: reason → documents, left out when listed or when read.
        sample: which of the documents were read; "" for all.
    """

    name: str
    documents: int = 0
    tokens: int = 0
    n_bytes: int = 0
    lengths: list[int] = field(default_factory=list)
    languages: dict[str, tuple[int, int]] = field(default_factory=dict)
    licences: dict[str, tuple[int, int]] = field(default_factory=dict)
    dropped: Counter[str] = field(default_factory=Counter)
    sample: str = ""


@dataclass
class Steps:
    """What some steps serve.

    Attributes:
        samples: rows of all steps.
        pieces: served, and holes among them by kind ("psm random", …).
        served: tokens by source and language, and padding.
    """

    samples: int
    pieces: int
    holes: Counter[str]
    served: Served


def read_through(selection: Selection, loader: CodeDataLoader, *, at_most: int | None) -> Corpus:
    """Reads what a loader serves of a source, with a progress bar on stderr; of more than `at_most` documents, that
    many evenly spread; of a stream the first `at_most`, or 1,000."""
    tokenizer, maker = loader.tokenizer, loader.mixture.maker
    source = selection.source
    found = Corpus(source.name, dropped=Counter(source.dropped))
    for language, count in selection.unlisted.items():
        found.dropped[f"{language}, which has no share"] = count
    if source.streamed:
        indices = np.arange(at_most or 1000)
        found.sample = f"the first {len(indices):,} of a stream"
    else:
        indices = selection.indices()
        if beyond := len(source) - len(indices) - selection.unlisted.total():
            found.dropped["beyond max_documents"] = beyond
        if at_most is not None and len(indices) > at_most:
            found.sample = f"a sample of {at_most:,} of {len(indices):,}"
            indices = indices[np.linspace(0, len(indices) - 1, at_most).astype(np.int64)]
    for index in tqdm(indices.tolist(), desc=source.name, unit=" documents", disable=None):
        try:
            document = source.read(index)
        except EndOfStream:
            break
        if not isinstance(document, Document):
            found.dropped[document.reason] += 1
            continue
        if loader.config.held_out.holds_out(document):
            found.dropped["held out for validation"] += 1
            continue
        if reason := maker.why_not(document):
            found.dropped[reason] += 1
            continue
        if document.turns:
            piece = maker.conversation(document)
            if piece is None:
                found.dropped[TOO_LONG] += 1
                continue
            n_tokens = len(piece.ids)
        else:
            n_tokens = len(tokenizer.encode(document.text))
        found.documents += 1
        found.tokens += n_tokens
        found.n_bytes += len(document.text.encode())
        found.lengths.append(n_tokens)
        for counts, name in ((found.languages, document.language), (found.licences, document.licence or "not known")):
            documents, tokens = counts.get(name, (0, 0))
            counts[name] = documents + 1, tokens + n_tokens
    return found


def serve(loader: CodeDataLoader, steps: int) -> Steps:
    """Runs a single rank's loader for some steps."""
    pieces, holes, samples = 0, Counter[str](), 0
    batches = loader.samples()
    for _ in tqdm(range(steps * loader.microbatches), desc="packing", unit=" microbatches", disable=None):
        if loader.exhausted:
            break
        for sample in next(batches):
            samples += 1
            pieces += len(sample)
            holes.update(hole for part in sample for hole in part.piece.holes)
    return Steps(samples, pieces, holes, loader.served(loader.served_counts()))


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "–"


def _shares(title: str, counts: dict[str, tuple[int, int]], total: int) -> Table:
    table = Table(title=title, title_justify="left")
    for column in ("", "documents", "tokens", "share"):
        table.add_column(column, justify="left" if column == "" else "right")
    table.add_column("", width=24)
    for name, (documents, tokens) in sorted(counts.items(), key=lambda item: -item[1][1]):
        bar = ProgressBar(total=max(1, total), completed=tokens, width=24)
        table.add_row(Text(visible(name)), f"{documents:,}", f"{tokens:,}", _percent(tokens, total), bar)
    return table


def histogram(lengths: list[int]) -> list[tuple[str, int]]:
    """Returns the documents of each class of length in tokens, each twice the one before."""
    counts, _ = np.histogram(lengths, bins=[*_LENGTHS, np.inf])
    names = [f"{a:,} to {b:,}" for a, b in pairwise(_LENGTHS)] + [f"{_LENGTHS[-1]:,} or more"]
    return list(zip(names, counts.tolist(), strict=True))


def corpus_report(corpus: Corpus) -> RenderableType:
    """Returns the tables of one source."""
    c = corpus
    per_token = f", {c.n_bytes / c.tokens:.2f} bytes a token" if c.tokens else ""
    documents = f"{c.documents:,} documents{f' ({c.sample})' if c.sample else ''}"
    head = Text(
        f"{visible(c.name)}: {documents}, {c.tokens:,} tokens, {c.n_bytes / 1e6:.1f} MB{per_token}",
        style="bold",
    )
    parts: list[RenderableType] = [head]
    if c.lengths:
        quartiles = [f"{q:,.0f}" for q in np.percentile(c.lengths, list(_QUANTILES.values()))]
        shown = ", ".join(f"{name} {value}" for name, value in zip(_QUANTILES, quartiles, strict=True))
        parts.append(Text(f"tokens a document: {shown}"))
        table = Table(title="lengths in tokens", title_justify="left")
        table.add_column("")
        table.add_column("documents", justify="right")
        table.add_column("", width=24)
        counts = histogram(c.lengths)
        for name, count in counts:
            bar = ProgressBar(total=max(n for _, n in counts), completed=count, width=24)
            table.add_row(name, f"{count:,}", bar)
        parts.append(table)
        parts += [_shares("languages", c.languages, c.tokens), _shares("licences", c.licences, c.tokens)]
    if c.dropped:
        table = Table(title="left out", title_justify="left")
        table.add_column("reason")
        table.add_column("documents", justify="right")
        for reason, count in c.dropped.most_common():
            table.add_row(Text(reason), f"{count:,}")
        parts.append(table)
    return Group(*parts)


def steps_report(steps: Steps, n_steps: int) -> RenderableType:
    """Returns the tables of what some steps serve."""
    served, tokens = steps.served, steps.served.tokens
    parts: list[RenderableType] = [
        Text(
            f"{n_steps} steps: {steps.samples:,} samples of {steps.pieces:,} pieces, {tokens:,} tokens, "
            f"{_percent(served.padding, tokens + served.padding)} padding",
            style="bold",
        )
    ]
    for title, counts in (("served by source", served.sources), ("served by language", served.languages)):
        table = Table(title=title, title_justify="left")
        table.add_column("")
        table.add_column("tokens", justify="right")
        table.add_column("share", justify="right")
        for name, count in sorted(counts.items(), key=lambda item: -item[1]):
            table.add_row(Text(visible(name)), f"{count:,}", _percent(count, tokens))
        parts.append(table)
    table = Table(title="pieces", title_justify="left")
    table.add_column("")
    table.add_column("pieces", justify="right")
    table.add_column("share", justify="right")
    table.add_row("all", f"{steps.pieces:,}", "")
    for kind, count in steps.holes.most_common():
        table.add_row(f"with a hole: {kind}", f"{count:,}", _percent(count, steps.pieces))
    return Group(*parts, table)


def plot(corpora: list[Corpus], file: Path) -> None:
    """Draws lengths, languages and licences into a PNG, PDF or SVG file."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 3, figsize=(15, 5), layout="constrained")
    for corpus in corpora:
        names, counts = zip(*histogram(corpus.lengths), strict=True)
        axes[0].plot(range(len(names)), counts, marker="o", label=corpus.name[-40:])
    axes[0].set_xticks(range(len(names)), names, rotation=60, ha="right")
    axes[0].set(title="Length of documents", xlabel="tokens", ylabel="documents")
    axes[0].legend(fontsize="small")
    for axis, title in ((axes[1], "Languages"), (axes[2], "Licences")):
        tokens: Counter[str] = Counter()
        for corpus in corpora:
            for name, (_, n) in (corpus.languages if title == "Languages" else corpus.licences).items():
                tokens[name] += n
        most = tokens.most_common(15)[::-1]
        axis.barh([name[:30] for name, _ in most], [n / 1e6 for _, n in most])
        axis.set(title=title, xlabel="million tokens")
    figure.savefig(file, dpi=120)
    plt.close(figure)
