"""Packed rows for people's eyes: `codetitan data inspect`."""

from codecs import getincrementaldecoder
from collections.abc import Iterator
from itertools import groupby

import numpy as np
from rich.console import Group, RenderableType
from rich.rule import Rule
from rich.text import Text

from codetitan.data.pieces.kinds import Kind
from codetitan.data.pieces.piece import Piece, Role
from codetitan.data.rows.loader import CodeDataLoader
from codetitan.data.rows.packing import Part, Sample
from codetitan.tokenizer.code_tokenizer import CodeTokenizer

STYLES = {
    Role.CODE: "",
    Role.METADATA: "cyan",
    Role.PREFIX: "green",
    Role.SUFFIX: "yellow",
    Role.MIDDLE: "bold magenta",
    Role.SENTINEL: "bold white on blue",
}
LEARNT, GIVEN = "bold green", "dim"  # of conversations
KIND_STYLES = {Kind.CODE: "", Kind.COMMENT: "green", Kind.DOCSTRING: "yellow"}


def visible(text: str) -> str:
    """Returns the text with whatever a terminal would obey, or would not show, written out: control characters but line
    end and tab, and marks that change the direction of writing."""
    return "".join(
        c if c in "\n\t" or c.isprintable() else f"\\x{ord(c):02x}" if ord(c) < 256 else f"\\u{ord(c):04x}"
        for c in text
    )


def legend(*, kinds: bool, marked: bool, conversations: bool = False) -> Text:
    """Returns the roles, or the kinds of text, as they are shown; beside them what is learnt of conversations."""
    if marked and conversations:
        return Text("«learnt …»")
    if marked:
        return Text("code  «comment …»  «docstring …»")
    styles = {role.name: style for role, style in STYLES.items()}
    if kinds:
        styles = {kind.name: style for kind, style in KIND_STYLES.items()} | {
            role.name: STYLES[role] for role in (Role.METADATA, Role.SENTINEL)
        }
    styles |= {"learnt": LEARNT, "given": GIVEN} if conversations else {}
    words = [(f" {name.lower()} ", style) for name, style in styles.items()]
    return Text.assemble(*(item for word in words for item in (word, " ")))


def _part(part: Part, tokenizer: CodeTokenizer, *, marked: bool) -> Text:
    tokens = slice(part.start, part.stop + 1)
    ids, roles = part.piece.ids[tokens].tolist(), part.piece.role_of_each()[tokens].tolist()
    kinds: list[Kind | None] = [None] * len(ids)
    if part.piece.kinds is not None and part.piece.n_bytes is not None:
        each = zip(part.piece.kinds[tokens].tolist(), part.piece.n_bytes[tokens].tolist(), strict=True)
        kinds = [Kind(kind) if n_bytes else None for kind, n_bytes in each]
    if part.piece.learnt is not None:
        return _conversation(part.piece, tokenizer, marked=marked)
    text = Text()
    at = 0
    utf8 = getincrementaldecoder("utf-8")("replace")  # a token may end in the middle of a character
    for (role, kind), run in groupby(zip(roles, kinds, strict=True)):
        n = sum(1 for _ in run)
        shown = visible(utf8.decode(tokenizer.decode_bytes(ids[at : at + n])))
        marks = (f"«{kind.name.lower()} ", "»") if marked and kind else ("", "")
        text.append(shown.join(marks), STYLES[Role(role)] if kind is None else KIND_STYLES[kind])
        at += n
    return text.append(visible(utf8.decode(b"", final=True)))


def _conversation(piece: Piece, tokenizer: CodeTokenizer, *, marked: bool) -> Text:
    """Draws what is learnt and what is given; a pair's answers one below the other."""
    assert piece.learnt is not None
    text, at = Text(), 0
    learnt = [False, *piece.learnt.tolist()]
    texts = np.searchsorted(piece.starts, np.arange(len(piece.ids)), side="right").tolist()
    for (_, is_learnt), run in groupby(zip(texts, learnt, strict=True)):
        n = sum(1 for _ in run)
        if at in piece.starts:
            text.append("\n\n")
        shown = visible(tokenizer.decode_bytes(piece.ids[at : at + n].tolist()).decode(errors="replace"))
        marks = ("«learnt ", "»") if marked and is_learnt else ("", "")
        text.append(shown.join(marks), LEARNT if is_learnt else GIVEN)
        at += n
    return text


def _shares(sample: Sample) -> str:
    """Returns what a row's text consists of, in bytes; nothing where that is not known."""
    n_bytes = np.zeros(len(Kind))
    for part in sample:
        if part.piece.kinds is not None and part.piece.n_bytes is not None:
            tokens = slice(part.start, part.stop + 1)
            n_bytes += np.bincount(part.piece.kinds[tokens], part.piece.n_bytes[tokens], minlength=len(Kind))
    if not n_bytes.sum():
        return ""
    shares = zip(Kind, (100 * n_bytes / n_bytes.sum()).tolist(), strict=True)
    return "; " + ", ".join(f"{share:.0f} % {kind.name.lower()}" for kind, share in shares)


def show(sample: Sample, title: str, seq_len: int, tokenizer: CodeTokenizer, *, marked: bool = False) -> RenderableType:
    """Returns a row as rich draws it: a rule with what it holds, then each piece under a rule with its document.

    Where the loader annotates, the kinds of its text are told apart: `marked` by words, else by colours.
    """
    used = sum(part.stop - part.start for part in sample)
    pieces = "piece" if len(sample) == 1 else "pieces"
    lines: list[RenderableType] = [
        Rule(
            f"{title}: {len(sample)} {pieces}, {100 * (1 - used / seq_len):.1f} % padding{_shares(sample)}",
            characters="═",
        )
    ]
    for part in sample:
        holes = f", hole: {', '.join(part.piece.holes)}" if part.piece.holes else ""
        cut = "" if part.stop - part.start == part.piece.size else ", cut by the sample"
        name = f"{part.piece.name} ({part.stop - part.start} tokens{holes}{cut})"
        lines += [Rule(Text(visible(name)), align="left", style="dim"), _part(part, tokenizer, marked=marked)]
    return Group(*lines)


def rows(
    loader: CodeDataLoader, tokenizer: CodeTokenizer, seq_len: int, n: int, *, marked: bool = False
) -> Iterator[RenderableType]:
    """Yields the first `n` rows that a single rank serves, step by step, as rich draws them."""
    step, row = 1, 0
    for samples in loader.samples():
        for sample in samples:
            if n == 0 or loader.exhausted:
                return
            yield show(sample, f"step {step}, row {row}", seq_len, tokenizer, marked=marked)
            n, row = n - 1, row + 1
            if row == loader.rows:
                step, row = step + 1, 0
